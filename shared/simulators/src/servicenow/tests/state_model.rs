use super::*;

#[tokio::test]
async fn a_normal_change_walks_from_new_to_closed() {
    let sim = instance();
    let id = scheduled(&sim).await;
    assert_eq!(patch(&sim, &id, json!({ "state": "-1" })).await.result()["state"], "-1");
    assert_eq!(field(&sim, &id, "work_start"), "2026-03-01 10:00:00");
    assert_eq!(patch(&sim, &id, json!({ "state": "0" })).await.result()["state"], "0");
    let close = json!({ "state": "3", "close_code": "successful", "close_notes": "done" });
    let closed = patch(&sim, &id, close).await.result();
    assert_eq!((&closed["state"], &closed["active"]), (&json!("3"), &json!("false")));
}

#[tokio::test]
async fn a_standard_change_needs_no_approval() {
    let sim = instance();
    let uri = format!("/api/sn_chg_rest/v1/change/standard/{}", seed::TEMPLATE);
    let created = call(&sim, "POST", &uri, json!({ "description": "mine" })).await.result();
    let id = created["sys_id"]["value"].as_str().unwrap();
    assert_eq!(created["type"]["value"], "standard");
    assert_eq!(created["__meta"]["ignoredFields"], json!(["description"]));
    let moved = patch(&sim, id, json!({ "state": "-2" })).await.result();
    assert_eq!((&moved["state"], &moved["approval"]), (&json!("-2"), &json!("approved")));
}

#[tokio::test]
async fn an_emergency_change_asks_the_cab_alone() {
    let sim = instance();
    let id = create(&sim, json!({ "type": "emergency", "assignment_group": CHANGE_MANAGEMENT })).await;
    assert_eq!(patch(&sim, &id, json!({ "state": "-3" })).await.status, 200);
    sim.approve(&id, Some("bob.cab")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-2");
}

#[tokio::test]
async fn a_skipped_state_is_aborted_by_the_business_rule() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": NETWORK })).await;
    for state in ["-3", "-2", "-1", "0", "3", "7", "assess"] {
        let answer = patch(&sim, &id, json!({ "state": state })).await;
        assert_eq!(answer.status, 403, "{state}");
        assert_eq!(answer.message(), "Operation Failed");
        let rule = "aborted by Business Rule 'Change Model: Check State Transition^";
        assert!(answer.detail().contains(rule), "{}", answer.detail());
    }
    assert_eq!(field(&sim, &id, "sys_mod_count"), "0");
}

#[tokio::test]
async fn leaving_new_demands_an_assignment_group() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let answer = patch(&sim, &id, json!({ "state": "-4" })).await;
    assert_eq!(answer.status, 403);
    assert!(answer.detail().ends_with("fields are mandatory: Assignment group"));
    let both = json!({ "state": "-4", "assignment_group": CHANGE_MANAGEMENT });
    assert_eq!(patch(&sim, &id, both).await.status, 200);
}

#[tokio::test]
async fn closing_demands_code_and_notes() {
    let sim = instance();
    let id = scheduled(&sim).await;
    patch(&sim, &id, json!({ "state": "-1" })).await;
    patch(&sim, &id, json!({ "state": "0" })).await;
    let answer = patch(&sim, &id, json!({ "state": "3" })).await;
    assert_eq!(answer.status, 403);
    assert!(answer.detail().ends_with("mandatory: Close code, Close notes"));
}

#[tokio::test]
async fn a_change_can_be_cancelled_until_implement_but_not_in_review() {
    let sim = instance();
    let id = assessed(&sim).await;
    let cancel = json!({ "state": "4", "work_notes": "superseded" });
    assert_eq!(patch(&sim, &id, cancel.clone()).await.status, 200);
    assert_eq!(approver_states(&sim, &id), ["cancelled"]);
    let id = scheduled(&sim).await;
    patch(&sim, &id, json!({ "state": "-1" })).await;
    patch(&sim, &id, json!({ "state": "0" })).await;
    assert_eq!(patch(&sim, &id, cancel).await.status, 403);
}

#[tokio::test]
async fn a_hold_needs_a_reason_and_parks_the_approvals() {
    let sim = instance();
    let id = assessed(&sim).await;
    let bare = patch(&sim, &id, json!({ "on_hold": "true" })).await;
    assert!(bare.detail().ends_with("On hold reason"));
    let hold = json!({ "on_hold": true, "on_hold_reason": "freeze" });
    assert_eq!(patch(&sim, &id, hold.clone()).await.status, 200);
    assert_eq!(approver_states(&sim, &id), ["not_required"]);
    assert_eq!(patch(&sim, &id, json!({ "state": "-5" })).await.status, 403);
    assert_eq!(patch(&sim, &id, json!({ "on_hold": "false" })).await.status, 200);
    assert_eq!(approver_states(&sim, &id), ["requested"]);
    let new = create(&sim, json!({})).await;
    assert_eq!(patch(&sim, &new, hold).await.status, 403);
}

#[tokio::test]
async fn going_back_to_new_cancels_the_approvals() {
    let sim = instance();
    let id = assessed(&sim).await;
    assert_eq!(patch(&sim, &id, json!({ "state": "-5" })).await.status, 200);
    assert_eq!(approver_states(&sim, &id), ["cancelled"]);
    assert_eq!(field(&sim, &id, "approval"), "not requested");
}

#[tokio::test]
async fn the_type_changes_in_new_only() {
    let sim = instance();
    let id = assessed(&sim).await;
    assert_eq!(patch(&sim, &id, json!({ "type": "emergency" })).await.status, 403);
    let id = create(&sim, json!({})).await;
    assert_eq!(patch(&sim, &id, json!({ "type": "emergency" })).await.status, 200);
}

#[tokio::test]
async fn the_initial_state_follows_the_policy() {
    let table = [
        (InitialStatePolicy::ForceNew, "3", Some("-5")),
        (InitialStatePolicy::AllowOpen, "-2", Some("-2")),
        (InitialStatePolicy::AllowOpen, "3", None),
        (InitialStatePolicy::Strict403, "-4", None),
        (InitialStatePolicy::Strict403, "-5", Some("-5")),
    ];
    for (policy, sent, lands) in table {
        let sim = with_knobs(|knobs| knobs.initial_state_policy = policy);
        let answer = call(&sim, "POST", CHANGES, json!({ "state": sent })).await;
        match lands {
            Some(state) => assert_eq!(answer.result()["state"], state, "{policy:?}"),
            None => assert_eq!(answer.status, 403, "{policy:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_but_an_admin_writes_the_approval() {
    let sim = instance();
    let id = assessed(&sim).await;
    let answer = patch(&sim, &id, json!({ "approval": "approved" })).await;
    assert_eq!((answer.status, &answer.result()["approval"]), (200, &json!("requested")));
}

#[tokio::test]
async fn a_closed_change_may_refuse_notes() {
    let sim = with_knobs(|knobs| knobs.closed_refuses_notes = true);
    let id = create(&sim, json!({})).await;
    patch(&sim, &id, json!({ "state": "4" })).await;
    assert_eq!(patch(&sim, &id, json!({ "work_notes": "late" })).await.status, 403);
}
