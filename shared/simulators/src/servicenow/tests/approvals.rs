use super::*;

async fn row_of(sim: &ServiceNow, change: &str) -> String {
    let uri = format!(
        "/api/now/table/sysapproval_approver?sysparm_query=sysapproval={change}^state=requested&sysparm_fields=sys_id"
    );
    get(sim, &uri).await.result()[0]["sys_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_levels_of_approval_schedule_a_normal_change() {
    let sim = instance();
    let id = assessed(&sim).await;
    assert_eq!(field(&sim, &id, "approval"), "requested");
    sim.approve(&id, Some("alice.approver")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-3");
    sim.approve(&id, Some("bob.cab")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-2");
    assert_eq!(field(&sim, &id, "approval"), "approved");
    assert_eq!(approver_states(&sim, &id), ["approved", "approved"]);
}

#[tokio::test]
async fn one_level_or_none_can_be_chosen() {
    let sim = with_knobs(|knobs| knobs.approval_levels = 1);
    let id = assessed(&sim).await;
    sim.approve(&id, None).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-2");
    let sim = with_knobs(|knobs| knobs.approval_levels = 0);
    let id = assessed(&sim).await;
    assert_eq!(field(&sim, &id, "state"), "-2");
    assert_eq!(field(&sim, &id, "approval"), "approved");
}

#[tokio::test]
async fn one_yes_makes_the_other_rows_needless() {
    let sim = instance();
    let carol = Account::new("carol", "carol", "Carol", &[]);
    sim.add_user(carol, &[CHANGE_MANAGEMENT]).unwrap();
    let id = assessed(&sim).await;
    sim.approve(&id, Some("alice.approver")).unwrap();
    assert_eq!(approver_states(&sim, &id)[..2], ["approved", "not_required"]);
    let id = assessed(&sim).await;
    sim.approve(&id, Some("carol")).unwrap();
    assert_eq!(approver_states(&sim, &id)[..2], ["not_required", "approved"]);
}

#[tokio::test]
async fn approver_rows_appear_after_their_delay() {
    let sim = with_knobs(|knobs| knobs.approval_delay_ms = 3000);
    let id = assessed(&sim).await;
    assert!(sim.approve(&id, None).is_err());
    advance(&sim, 2999);
    assert!(approver_states(&sim, &id).is_empty());
    advance(&sim, 1);
    assert_eq!(approver_states(&sim, &id), ["requested"]);
}

#[tokio::test]
async fn whoever_is_asked_may_approve_by_itself() {
    let sim = with_knobs(|knobs| knobs.auto_approve_ms = Some(500));
    let id = assessed(&sim).await;
    advance(&sim, 1000);
    assert_eq!(field(&sim, &id, "state"), "-2");
}

#[tokio::test]
async fn a_rejection_sends_the_change_back_to_new() {
    let sim = instance();
    let id = assessed(&sim).await;
    sim.approve(&id, None).unwrap();
    sim.reject(&id, Some("bob.cab"), "not today").unwrap();
    assert_eq!(field(&sim, &id, "state"), "-5");
    assert_eq!(field(&sim, &id, "approval"), "rejected");
    assert_eq!(approver_states(&sim, &id), ["approved", "rejected"]);
}

#[tokio::test]
async fn a_rejection_may_reset_the_approval_field() {
    let sim = with_knobs(|knobs| knobs.reject_resets_approval = true);
    let id = assessed(&sim).await;
    sim.reject(&id, None, "no").unwrap();
    assert_eq!(field(&sim, &id, "approval"), "not requested");
}

#[tokio::test]
async fn an_approver_answers_through_the_table_api() {
    let sim = instance();
    let id = assessed(&sim).await;
    let uri = format!("/api/now/table/sysapproval_approver/{}", row_of(&sim, &id).await);
    let stranger = call_as(&sim, "bob.cab", "PATCH", &uri, json!({ "state": "approved" })).await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.detail().contains("ACL Exception Update Failed"));
    let own = json!({ "state": "approved", "comments": "fine" });
    assert_eq!(call_as(&sim, "alice.approver", "PATCH", &uri, own).await.status, 200);
    assert_eq!(field(&sim, &id, "state"), "-3");
}

#[tokio::test]
async fn an_approval_admin_answers_for_others() {
    let sim = instance();
    let id = assessed(&sim).await;
    let uri = format!("/api/now/table/sysapproval_approver/{}", row_of(&sim, &id).await);
    assert_eq!(call(&sim, "PATCH", &uri, json!({ "state": "approved" })).await.status, 200);
    assert_eq!(field(&sim, &id, "state"), "-3");
}

#[tokio::test]
async fn the_approver_can_be_read_through_the_row() {
    let sim = instance();
    let id = assessed(&sim).await;
    let uri = format!(
        "/api/now/table/sysapproval_approver?sysparm_query=sysapprovalIN{id}&sysparm_fields=approver.user_name,sysapproval.number,document_id.value,source_table"
    );
    let expected = json!([{
        "approver.user_name": "alice.approver",
        "sysapproval.number": "CHG0030001",
        "source_table": "change_request",
    }]);
    assert_eq!(get(&sim, &uri).await.result(), expected);
}

#[tokio::test]
async fn a_revoked_approval_waits_on_the_first_level_again() {
    let sim = instance();
    let id = scheduled(&sim).await;
    sim.revoke(&id).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-4");
    assert_eq!(field(&sim, &id, "approval"), "requested");
    assert_eq!(approver_states(&sim, &id), ["cancelled", "cancelled", "requested"]);
}

#[tokio::test]
async fn a_rejected_change_can_be_submitted_again() {
    let sim = instance();
    let id = assessed(&sim).await;
    sim.reject(&id, None, "no").unwrap();
    assert_eq!(patch(&sim, &id, json!({ "state": "-4" })).await.status, 200);
    assert_eq!(approver_states(&sim, &id), ["rejected", "requested"]);
}

async fn of_two_groups(wait_for: WaitFor) -> (ServiceNow, String) {
    let sim = with_knobs(|knobs| {
        knobs.approval_groups = [vec!["Change Management".to_owned(), NETWORK.to_owned()], Vec::new()];
        knobs.approval_wait_for = wait_for;
    });
    for name in ["carol", "dave"] {
        sim.add_user(Account::new(name, name, name, &[]), &[NETWORK]).unwrap();
    }
    let id = assessed(&sim).await;
    assert_eq!(approver_states(&sim, &id), ["requested", "requested", "requested"]);
    (sim, id)
}

#[tokio::test]
async fn approval_groups_all_decide_a_level_and_any_member_decides_for_a_group() {
    let (sim, id) = of_two_groups(WaitFor::Any).await;
    sim.approve(&id, Some("carol")).unwrap();
    assert_eq!(approver_states(&sim, &id), ["requested", "approved", "not_required"]);
    assert_eq!(field(&sim, &id, "state"), "-4");
    sim.approve(&id, Some("alice.approver")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-3");
    let groups = sim.records("sysapproval_group");
    assert_eq!((&groups[0]["approval"], &groups[1]["wait_for"]), (&json!("approved"), &json!("any")));
}

#[tokio::test]
async fn approval_wait_for_all_asks_every_member() {
    let (sim, id) = of_two_groups(WaitFor::All).await;
    sim.approve(&id, Some("carol")).unwrap();
    sim.approve(&id, Some("alice.approver")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-4");
    sim.approve(&id, Some("dave")).unwrap();
    assert_eq!(field(&sim, &id, "state"), "-3");
}

#[tokio::test]
async fn one_no_of_any_group_sends_the_change_back() {
    let (sim, id) = of_two_groups(WaitFor::All).await;
    sim.approve(&id, Some("carol")).unwrap();
    sim.reject(&id, Some("alice.approver"), "no").unwrap();
    assert_eq!(field(&sim, &id, "state"), "-5");
    assert_eq!(approver_states(&sim, &id), ["rejected", "approved", "cancelled"]);
}
