use super::*;

async fn control(sim: &ServiceNow, method: &str, uri: &str, body: Value) -> Answer {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(uri).body(body);
    send(sim, request.unwrap()).await
}

#[tokio::test]
async fn a_change_is_approved_and_rejected_over_the_control_plane() {
    let sim = instance();
    assessed(&sim).await;
    let uri = "/__sim/changes/CHG0030001/approve";
    let one = control(&sim, "POST", uri, json!({ "user": "alice.approver" })).await;
    assert_eq!(one.json()["state"], "-3");
    let rest = control(&sim, "POST", uri, json!({ "all_levels": true })).await;
    assert_eq!(rest.json()["state"], "-2");
    let nobody = control(&sim, "POST", uri, Value::Null).await;
    assert_eq!(nobody.status, 409);
    let revoked = control(&sim, "POST", "/__sim/changes/CHG0030001/revoke", Value::Null).await;
    assert_eq!(revoked.json()["state"], "-4");
    let no = json!({ "comments": "not today" });
    let rejected = control(&sim, "POST", "/__sim/changes/CHG0030001/reject", no).await;
    assert_eq!(rejected.json()["state"], "-5");
    let unknown = control(&sim, "POST", "/__sim/changes/CHG9/approve", Value::Null).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_person_may_write_anything() {
    let sim = instance();
    create(&sim, json!({})).await;
    let fields = json!({ "state": "3", "correlation_id": "foreign" });
    let answer = control(&sim, "POST", "/__sim/changes/CHG0030001/set", fields).await;
    assert_eq!((&answer.json()["state"], &answer.json()["correlation_id"]), (&json!("3"), &json!("foreign")));
    assert_eq!(control(&sim, "GET", "/__sim/changes", Value::Null).await.json()[0]["state"], "3");
}

#[tokio::test]
async fn the_clock_is_set_over_the_control_plane() {
    let sim = instance();
    let set = json!({ "freeze": "2027-01-01T00:00:00Z", "advance_ms": 1000 });
    assert_eq!(control(&sim, "PUT", "/__sim/clock", set).await.json()["now"], "2027-01-01T00:00:01Z");
    let skewed = control(&sim, "PUT", "/__sim/clock", json!({ "skew_ms": -1000 })).await;
    assert_eq!(skewed.header("date"), "Fri, 01 Jan 2027 00:00:00 GMT");
}

#[tokio::test]
async fn a_fault_is_added_and_cleared_over_the_control_plane() {
    let sim = instance();
    let fault = json!({
        "match": { "method": "GET" }, "fault": "status", "times": 2, "params": { "code": 504 },
    });
    assert_eq!(control(&sim, "POST", "/__sim/faults", fault).await.status, 200);
    assert_eq!(get(&sim, CHANGES).await.status, 504);
    let left = control(&sim, "GET", "/__sim/faults", Value::Null).await.json();
    assert_eq!((&left[0]["fault"], &left[0]["times"]), (&json!("status"), &json!(1)));
    control(&sim, "DELETE", "/__sim/faults", Value::Null).await;
    assert_eq!(get(&sim, CHANGES).await.status, 200);
    let unknown = control(&sim, "POST", "/__sim/faults", json!({ "fault": "nonsense" })).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn every_fault_can_be_named_over_the_control_plane() {
    for (name, params) in [
        ("timeout_after_commit", json!({})),
        ("timeout_before_commit", json!({ "hang_ms": 5 })),
        ("late_commit", json!({ "after_ms": 3000 })),
        ("reset_connection_after_commit", json!({})),
        ("create_then_403", json!({})),
        ("create_then_empty_201", json!({})),
        ("status", json!({ "code": 500 })),
        ("html_200", json!({})),
        ("maintenance_503", json!({})),
        ("rate_limit_429", json!({ "retry_after": 5 })),
        ("error_in_200_stream", json!({})),
        ("latency", json!({ "ms": 5 })),
        ("acl_hide", json!({ "field": "state" })),
        ("unknown_state", json!({ "value": "9" })),
        ("down", json!({})),
        ("status_after_commit", json!({ "code": 504 })),
        ("login_html_200", json!({})),
        ("acl_hide_record", json!({ "query": "state=-5" })),
        ("acl_ignore_write", json!({ "field": "state" })),
        ("duplicate_correlation_preexisting", json!({ "display": "Another product" })),
    ] {
        let fault = Fault::from_json(&json!({ "fault": name, "params": params, "forever": true }));
        let fault = fault.unwrap();
        assert_eq!((fault.effect.name().as_str(), fault.times), (name, None));
    }
    let same = Fault::from_json(&json!({ "fault": "hibernate_html_200" })).unwrap();
    assert_eq!(same.effect, Effect::Html200);
}

#[tokio::test]
async fn knobs_are_turned_one_at_a_time() {
    let sim = instance();
    let turned = control(&sim, "PUT", "/__sim/knobs", json!({ "approval_levels": 1 })).await;
    assert_eq!(turned.json()["approval_levels"], 1);
    assert!(sim.knobs().strict_queries);
    let unknown = control(&sim, "PUT", "/__sim/knobs", json!({ "nonsense": 1 })).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn the_webhook_is_set_over_the_control_plane() {
    let sim = instance();
    let target =
        json!({ "url": "http://127.0.0.1:1/", "secret": "s", "header": "x-sig", "encoding": "base64" });
    assert_eq!(control(&sim, "PUT", "/__sim/webhook", target).await.status, 200);
    create(&sim, json!({})).await;
    assert_eq!(sim.outbox().take_due(sim.clock().now())[0].headers[1].0, "x-sig");
}

#[tokio::test]
async fn requests_and_journal_tell_what_happened() {
    let sim = instance();
    let id = create(&sim, json!({ "correlation_id": "il1.x" })).await;
    get(&sim, CHANGES).await;
    let uri = "/__sim/requests?method=POST&path_prefix=/api/now";
    let requests = control(&sim, "GET", uri, Value::Null).await.json();
    assert_eq!(requests.as_array().unwrap().len(), 1);
    assert_eq!((&requests[0]["status"], &requests[0]["user"]), (&json!(201), &json!("interlock")));
    let journal = control(&sim, "GET", "/__sim/journal", Value::Null).await.json();
    assert_eq!((&journal[0]["what"], &journal[0]["sys_id"]), (&json!("record.created"), &json!(id)));
    assert_eq!(journal[0]["correlation_id"], "il1.x");
    assert_eq!(journal.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_journal_tells_moves_and_answers() {
    let sim = instance();
    scheduled(&sim).await;
    let entries = sim.journal().entries();
    let moves: Vec<_> = entries
        .iter()
        .filter(|entry| entry.what == "change.moved")
        .map(|entry| entry.ids["to"].as_str())
        .collect();
    assert_eq!(moves, ["-4", "-3", "-2"]);
    let approvals = entries.iter().filter(|entry| entry.what == "approval.approved");
    let by: Vec<_> = approvals.map(|entry| entry.actor.as_str()).collect();
    assert_eq!(by, ["alice.approver", "bob.cab"]);
}

#[tokio::test]
async fn a_reset_leaves_the_seed() {
    let sim = instance();
    create(&sim, json!({})).await;
    sim.fault(Fault::forever(Effect::Html200)).unwrap();
    control(&sim, "POST", "/__sim/reset", Value::Null).await;
    assert!(sim.changes().is_empty() && sim.journal().entries().is_empty());
    let groups = get(&sim, "/api/now/table/sys_user_group?sysparm_fields=name").await.result();
    assert_eq!(groups.as_array().unwrap().len(), 3);
    let uri = format!("/api/now/table/sys_user_group/{CHANGE_MANAGEMENT}");
    assert_eq!(get(&sim, &uri).await.result()["name"], "Change Management");
}

#[tokio::test]
async fn a_control_token_guards_the_control_plane_alone() {
    let options = Options { control_token: Some("t0".to_owned()), ..Options::default() };
    let sim = instance_with(options);
    assert_eq!(control(&sim, "GET", "/__sim/changes", Value::Null).await.status, 401);
    assert_eq!(get(&sim, CHANGES).await.status, 200);
    let allowed = Request::builder().uri("/__sim/changes").header("authorization", "Bearer t0");
    assert_eq!(send(&sim, allowed.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn two_instances_with_one_seed_give_the_same_ids() {
    let ids = async |seed: &str| {
        let options = Options { seed: seed.to_owned(), ..Options::default() };
        create(&instance_with(options), json!({})).await
    };
    assert_eq!(ids("a").await, ids("a").await);
    assert_ne!(ids("a").await, ids("b").await);
}

#[tokio::test]
async fn a_served_instance_settles_late_effects_by_itself() {
    let sim = with_knobs(|knobs| knobs.approval_delay_ms = 2000);
    let (_, handle) = sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let id = assessed(&sim).await;
    sim.clock().advance(std::time::Duration::from_secs(2));
    let appear = async {
        while approver_states(&sim, &id).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(10), appear).await.is_ok());
    handle.abort();
}

#[tokio::test]
async fn a_user_added_over_the_control_plane_can_log_in() {
    let sim = instance();
    let user = json!({ "user_name": "dave", "password": "dave", "groups": [CHANGE_MANAGEMENT] });
    let added = control(&sim, "POST", "/__sim/users", user).await.json();
    let answer = call_as(&sim, "dave", "POST", CHANGES, json!({})).await;
    assert_eq!(answer.result()["opened_by"]["value"], added["sys_id"]);
    let members = control(&sim, "GET", "/__sim/records/sys_user_grmember", Value::Null).await;
    assert!(members.json().as_array().unwrap().iter().any(|row| row["user"] == added["sys_id"]));
}
