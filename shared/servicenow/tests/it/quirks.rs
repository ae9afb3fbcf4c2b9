//! Settings that differ from the usual instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_rules::ChangeState;
use interlock_runtime::ports::clock::SystemClock;
use interlock_servicenow::{Lane, NewChange, ServiceNow};
use serde_json::{Value, json};

use crate::world::{BASE, Canned, FakeStore, key, new_change, plain_row, settings_of};

fn with_states(states: &Value) -> (Arc<Canned>, ServiceNow) {
    let http = Arc::new(Canned::default());
    let auth = json!({ "basic": { "username": "u", "password": "${env:CARGO_PKG_NAME}" } });
    let settings = settings_of(&json!({ "base_url": format!("{BASE}/"), "auth": auth, "state_map": states }));
    let client = ServiceNow::new(
        "acme",
        settings,
        http.clone(),
        Arc::new(SystemClock),
        Arc::new(FakeStore::default()),
    );
    (http, client)
}

#[tokio::test]
async fn an_instance_with_states_of_its_own_is_read_and_written_in_them() {
    let (http, client) = with_states(&json!({
        "-5": "new", "10": "assess", "11": "assess", "-3": "authorize", "-2": "scheduled", "-1": "implement",
        "0": "review", "3": "closed", "4": "canceled",
    }));
    let id = "a".repeat(32);
    let mut row = plain_row(&id);
    row["state"] = json!("11");
    http.json(200, &json!({ "result": row }));
    let moved = client.move_to(&id, ChangeState::Assess, &BTreeMap::new()).await.unwrap();
    assert_eq!(moved.state, Some(ChangeState::Assess));
    let asked = http.asked.lock().unwrap();
    let body: Value = serde_json::from_slice(asked[0].body()).unwrap();
    assert_eq!(body, json!({ "state": "10" }));
    assert_eq!(asked[0].uri().to_string(), format!("{BASE}/api/sn_chg_rest/change/{id}"));
}

#[tokio::test]
async fn line_ends_that_come_back_otherwise_are_no_difference() {
    let (http, client) = with_states(&json!({
        "-5": "new", "-4": "assess", "-3": "authorize", "-2": "scheduled", "-1": "implement",
        "0": "review", "3": "closed", "4": "canceled",
    }));
    let change = NewChange { assignment_group: None, description: "one\ntwo\n".into(), ..new_change() };
    let mut echo = plain_row(&"a".repeat(32));
    echo["description"] = json!({ "display_value": "one\r\ntwo", "value": "one\r\ntwo" });
    echo["short_description"] = json!(change.short_description);
    http.json(201, &json!({ "result": [echo] }));
    assert_eq!(client.create(&change).await.unwrap().ignored, [] as [&str; 0]);
}

#[tokio::test]
async fn references_may_come_as_pairs_or_empty() {
    let (http, client) = with_states(&json!({
        "-5": "new", "-4": "assess", "-3": "authorize", "-2": "scheduled", "-1": "implement",
        "0": "review", "3": "closed", "4": "canceled",
    }));
    let id = "a".repeat(32);
    let approver = json!({
        "sys_id": "b".repeat(32), "sysapproval": { "link": "https://x/y", "value": id }, "approver": "",
        "state": "approved", "sys_updated_on": "",
    });
    http.json(200, &json!({ "result": [plain_row(&id)] })).json(200, &json!({ "result": [approver] }));
    let reading = client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!((reading.rows[0].approvers[0].by.as_str(), reading.rows[0].approvers[0].at), ("", None));
}
