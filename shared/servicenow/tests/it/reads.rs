//! Rows and approvals as they are read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeZone, Utc};
use interlock_rules::{Approval, ChangeState};
use interlock_servicenow::{Class, Lane};
use interlock_simulators::servicenow::{Effect, Fault};
use serde_json::json;

use crate::world::{World, canned, key, new_change, plain_row};

#[tokio::test]
async fn a_change_is_found_by_its_key_with_who_approved_it() {
    let world = World::new();
    let change = world.created().await;
    world.client.move_to(&change.sys_id, ChangeState::Assess, &Default::default()).await.unwrap();
    world.sim.approve_all(&change.number).unwrap();
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    let [row] = &reading.rows[..] else { panic!("{reading:?}") };
    assert_eq!(row.sys_id, change.sys_id);
    assert_eq!(row.state, Some(ChangeState::Scheduled));
    assert_eq!(row.approval, Approval::Approved);
    let mut who: Vec<&str> = row.approvers.iter().map(|row| row.by.as_str()).collect();
    who.sort_unstable();
    assert_eq!(who, ["alice.approver", "bob.cab"]);
    assert!(row.approved_by_a_person() && row.approved_at().is_some());
}

#[tokio::test]
async fn a_rejection_shows_in_the_approver_rows_though_the_change_is_back_in_new() {
    let world = World::with(|knobs| knobs.reject_resets_approval = true);
    let change = world.created().await;
    world.client.move_to(&change.sys_id, ChangeState::Assess, &Default::default()).await.unwrap();
    world.sim.reject(&change.number, None, "not today").unwrap();
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!(reading.rows[0].state, Some(ChangeState::New));
    assert_eq!(reading.rows[0].rejection().unwrap().by, "alice.approver");
}

#[tokio::test]
async fn an_inactive_change_is_found_too() {
    let world = World::new();
    let change = world.created().await;
    world.client.cancel(&change.sys_id, "no longer needed").await.unwrap();
    let reading = world.client.changes_of(&key().hash(), Lane::Rest).await.unwrap();
    assert_eq!(reading.rows[0].state, Some(ChangeState::Canceled));
    assert!(reading.rows[0].canceled_by_us());
}

#[tokio::test]
async fn a_key_without_a_change_reads_as_no_rows() {
    let world = World::new();
    world
        .sim
        .insert("change_request", &[("correlation_id", "JIRA-12"), ("correlation_display", "Exalate")])
        .unwrap();
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!(reading.rows, []);
    assert_eq!(world.asked("GET", "/api/now/table/sysapproval_approver"), 0);
}

#[tokio::test]
async fn who_only_writes_reads_approvals_where_a_write_hangs_on_them() {
    let world = World::new();
    let created = world.created().await;
    let calls = || world.sim.requests().count("GET", "/api/now/table/sysapproval_approver");
    let read = async || world.client.changes_to_write(&[key().hash()], Lane::Close).await.unwrap().rows;
    assert_eq!((read().await[0].state, calls()), (Some(ChangeState::New), 1), "a rejected one stays in New");
    world.client.move_to(&created.sys_id, ChangeState::Assess, &BTreeMap::new()).await.unwrap();
    world.sim.approve(&created.number, None).unwrap();
    assert_eq!((read().await.len(), calls()), (1, 1), "one that is under way goes its way");
    world.created().await;
    assert_eq!((read().await.len(), calls()), (2, 2), "of two it counts which one a person approved");
}

#[tokio::test]
async fn a_change_is_read_by_its_id_in_one_call_and_another_is_not_taken_for_it() {
    let world = World::new();
    let created = world.created().await;
    let before = world.sim.requests().count("GET", "/api/now/table");
    let read = world.client.change(&created.sys_id, Lane::Close).await.unwrap().unwrap();
    assert_eq!((&read.number, read.state), (&created.number, Some(ChangeState::New)));
    assert_eq!(world.sim.requests().count("GET", "/api/now/table") - before, 1);
    assert_eq!(world.client.change(&"0".repeat(32), Lane::Close).await.unwrap(), None);
    let (http, client) = canned();
    http.json(200, &json!({ "result": [plain_row(&"b".repeat(32))] }));
    assert_eq!(client.change(&"a".repeat(32), Lane::Close).await.unwrap(), None);
}

#[tokio::test]
async fn long_lists_of_ids_are_split_so_that_no_address_is_too_long() {
    let (http, client) = canned();
    let ids: Vec<String> = (0..60).map(|n| format!("{n:032x}")).collect();
    let rows: Vec<_> = ids.iter().map(|id| plain_row(id)).collect();
    http.json(200, &json!({ "result": rows }));
    for _ in 0..2 {
        http.json(200, &json!({ "result": [] }));
    }
    let keys: Vec<_> = std::iter::repeat_n(key().hash(), 16).collect();
    client.changes_of_any(&keys, Lane::Rest).await.unwrap();
    let asked = http.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|(_, address)| address.len() <= 2_000));
    let all = asked.iter().map(|(_, address)| address.as_str()).collect::<String>();
    assert!(ids.iter().all(|id| all.contains(id)));
}

#[tokio::test]
async fn what_is_no_sys_id_is_not_put_into_a_query() {
    let (http, client) = canned();
    let error = client.change("x^ORactive=true", Lane::Rest).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert_eq!(http.asked(), []);
}

#[tokio::test]
async fn rows_that_were_not_asked_for_prove_that_the_query_was_not_understood() {
    let (http, client) = canned();
    let mut foreign = plain_row(&"a".repeat(32));
    foreign["correlation_id"] = json!("JIRA-12");
    http.json(200, &json!({ "result": [foreign] }));
    let error = client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains("other rows"), "{error}");
}

#[tokio::test]
async fn a_window_that_we_may_not_see_is_not_taken_for_none() {
    for field in ["start_date", "on_hold", "approval", "correlation_display"] {
        let world = World::new();
        world.created().await;
        world.sim.fault(Fault::forever(Effect::AclHide { field: field.into() })).unwrap();
        let error = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent);
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_state_that_nobody_knows_reads_as_none() {
    for value in ["7", "-5.5", "assess", ""] {
        let world = World::new();
        world.created().await;
        world.sim.fault(Fault::forever(Effect::UnknownState { value: value.into() })).unwrap();
        let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
        assert_eq!(reading.rows[0].state, None, "{value}");
    }
}

#[tokio::test]
async fn dates_are_read_as_utc_and_an_empty_one_is_no_bound() {
    let (http, client) = canned();
    let mut row = plain_row(&"a".repeat(32));
    row["start_date"] = json!("2026-03-01 22:00:00");
    row["approval"] = json!("skipped");
    http.json(200, &json!({ "result": [row] })).json(200, &json!({ "result": [] }));
    let reading = client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!(reading.rows[0].start, Some(Utc.with_ymd_and_hms(2026, 3, 1, 22, 0, 0).unwrap()));
    assert_eq!(reading.rows[0].end, None);
    assert_eq!(reading.rows[0].approval, Approval::Other("skipped".into()));
    assert_eq!(reading.skew_seconds, None, "an answer without a date says nothing of the clock");
}

#[tokio::test]
async fn one_bad_row_of_many_delays_only_itself() {
    let (http, client) = canned();
    let ids = ["a".repeat(32), "b".repeat(32)];
    let mut bad = plain_row(&ids[0]);
    bad["sys_created_on"] = json!("yesterday");
    http.json(200, &json!({ "result": [bad, plain_row(&ids[1])] }));
    let rows = client.numbered(&["CHG0000001", "CHG0000002"]).await.unwrap();
    let read: Vec<&str> = rows.iter().map(|row| row.sys_id.as_str()).collect();
    assert_eq!(read, [ids[1].as_str()]);
}

#[tokio::test]
async fn the_instances_clock_is_compared_with_ours() {
    let world = World::new();
    world.sim.clock().set_skew(chrono::Duration::seconds(-90));
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    let skew = reading.skew_seconds.unwrap();
    assert!((-92..=-89).contains(&skew), "{skew}");
}

#[tokio::test]
async fn approvals_beyond_one_page_are_read_page_by_page() {
    let world = World::new();
    let change = world.created().await;
    for _ in 0..501 {
        let approval = [("sysapproval", change.sys_id.as_str()), ("state", "approved")];
        world.sim.insert("sysapproval_approver", &approval).unwrap();
    }
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    let ids: BTreeSet<&str> = reading.rows[0].approvers.iter().map(|row| row.sys_id.as_str()).collect();
    assert_eq!(ids.len(), 501);
    assert_eq!(world.asked("GET", "/api/now/table/sysapproval_approver"), 2);
}

#[tokio::test]
async fn a_probe_is_one_authenticated_read() {
    let world = World::new();
    let skew = world.client.probe().await.unwrap().unwrap();
    assert!(skew.abs() <= 1);
    assert_eq!(world.sim.requests().count("GET", "/api/now/table/change_request"), 1);
}

#[tokio::test]
async fn a_record_has_a_page_for_people() {
    let (_, client) = canned();
    let id = "a".repeat(32);
    assert_eq!(
        client.record_url(&id),
        format!("https://acme.example.com/nav_to.do?uri=%2Fchange_request.do%3Fsys_id%3D{id}")
    );
    assert!(new_change().correlation_id.as_str().len() <= 100);
}

#[tokio::test]
async fn the_changes_of_all_who_share_a_gate_are_read_together() {
    let world = World::new();
    let change = world.created().await;
    let foreign =
        [("correlation_id", "il1.aaaaaaaaaaaaaaaaaaaaaaaaaa.x"), ("correlation_display", "Interlock")];
    world.sim.insert("change_request", &foreign).unwrap();
    let keys: Vec<_> = (2_210_030..2_210_070)
        .map(|id| interlock_events::DeploymentKey { occurrence: id.to_string(), ..key() }.hash())
        .collect();
    let reading = world.client.changes_of_any(&keys, Lane::Gate).await.unwrap();
    let [row] = &reading.rows[..] else { panic!("{reading:?}") };
    assert_eq!(row.sys_id, change.sys_id);
    assert_eq!(world.asked("GET", "/api/now/table/change_request"), 3, "many keys in one query");
}
