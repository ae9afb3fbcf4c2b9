use super::*;

const CHANGE: &str = "/api/sn_chg_rest/v1/change";

#[tokio::test]
async fn a_normal_change_is_created_with_200_and_pairs() {
    let sim = instance();
    let body = json!({ "short_description": "Deploy", "no_such_field": "x" });
    let answer = call(&sim, "POST", NORMAL, body).await;
    let result = answer.result();
    assert_eq!(answer.status, 200);
    assert_eq!(result["state"], json!({ "display_value": "New", "value": -5 }));
    assert_eq!(result["active"], json!({ "display_value": "true", "value": true }));
    assert_eq!(result["type"]["value"], "normal");
    let created = "2026-03-01 10:00:00";
    assert_eq!(
        result["sys_created_on"],
        json!({ "display_value": created, "value": created, "display_value_internal": created })
    );
    assert_eq!(result["__meta"]["ignoredFields"], json!(["no_such_field"]));
}

#[tokio::test]
async fn the_unversioned_path_works_too() {
    let sim = instance();
    let answer = call(&sim, "POST", "/api/sn_chg_rest/change/emergency", json!({})).await;
    assert_eq!(answer.result()["type"]["value"], "emergency");
}

#[tokio::test]
async fn value_types_follow_their_knob() {
    for (types, state) in
        [(ValueTypes::Number, json!(-5)), (ValueTypes::Float, json!(-5.0)), (ValueTypes::String, json!("-5"))]
    {
        let sim = with_knobs(|knobs| knobs.chg_value_types = types);
        let result = call(&sim, "POST", NORMAL, json!({})).await.result();
        assert_eq!(result["state"]["value"].to_string(), state.to_string());
    }
}

#[tokio::test]
async fn the_result_may_be_an_array() {
    let sim = with_knobs(|knobs| knobs.chg_result_shape = ResultShape::Array);
    let result = call(&sim, "POST", NORMAL, json!({})).await.result();
    assert_eq!(result[0]["number"]["value"], "CHG0030001");
}

#[tokio::test]
async fn a_list_shows_changes_of_a_type() {
    let sim = instance();
    call(&sim, "POST", NORMAL, json!({})).await;
    call(&sim, "POST", &format!("{CHANGE}/emergency"), json!({})).await;
    let all = get(&sim, CHANGE).await.result();
    let normal = get(&sim, &format!("{NORMAL}?sysparm_query=state=-5")).await.result();
    assert_eq!((all.as_array().unwrap().len(), normal.as_array().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn a_patch_understands_state_labels() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    let answer = call(&sim, "PATCH", &format!("{CHANGE}/{id}"), json!({ "state": "Assess" })).await;
    assert_eq!(answer.result()["state"]["value"], -4);
}

#[tokio::test]
async fn an_abort_stands_in_the_message() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": NETWORK })).await;
    let uri = format!("{CHANGE}/{id}");
    let answer = call(&sim, "PATCH", &uri, json!({ "state": "-1" })).await;
    assert_eq!((answer.status, answer.detail().as_str()), (403, ""));
    let start = "Change Request record could not be updated. Operation against file 'change_request'";
    assert!(answer.message().starts_with(start));
    let mut knobs = sim.knobs();
    knobs.chg_abort_status = 400;
    sim.set_knobs(knobs);
    assert_eq!(call(&sim, "PATCH", &uri, json!({ "state": "-1" })).await.status, 400);
}

#[tokio::test]
async fn next_states_include_the_present_one_and_their_conditions() {
    let sim = instance();
    let id = scheduled(&sim).await;
    let result = get(&sim, &format!("{CHANGE}/{id}/nextstates")).await.result();
    assert_eq!(result["available_states"], json!(["-2", "-1", "4"]));
    assert_eq!(result["state_label"]["-1"], "Implement");
    assert_eq!(result["state_transitions"][0][0]["display_value"], "Scheduled to Implement");
    sim.set(&id, &[("on_hold", "true"), ("on_hold_reason", "freeze")]).unwrap();
    let held = get(&sim, &format!("{CHANGE}/{id}/nextstates")).await.result();
    assert_eq!(held["available_states"], json!(["-2", "4"]));
    let conditions = &held["state_transitions"][0][0]["conditions"];
    assert_eq!(conditions[0]["passed"], false);
    assert_eq!(get(&sim, &format!("{CHANGE}/none/nextstates")).await.status, 404);
}

#[tokio::test]
async fn the_calling_user_approves() {
    let sim = instance();
    let id = assessed(&sim).await;
    let uri = format!("{CHANGE}/{id}/approvals");
    let yes = json!({ "state": "approved" });
    assert_eq!(call_as(&sim, "bob.cab", "PATCH", &uri, yes.clone()).await.status, 400);
    assert_eq!(call_as(&sim, "alice.approver", "POST", &uri, yes.clone()).await.status, 405);
    assert_eq!(call_as(&sim, "alice.approver", "PATCH", &uri, yes).await.status, 200);
    assert_eq!(field(&sim, &id, "state"), "-3");
    let no = json!({ "state": "rejected" });
    assert_eq!(call_as(&sim, "bob.cab", "PATCH", &uri, no).await.status, 400);
    let no = json!({ "state": "rejected", "comments": "not today" });
    assert_eq!(call_as(&sim, "bob.cab", "PATCH", &uri, no).await.status, 200);
    assert_eq!(field(&sim, &id, "state"), "-5");
}

#[tokio::test]
async fn an_unknown_template_is_404() {
    let sim = instance();
    let answer = call(&sim, "POST", &format!("{CHANGE}/standard/none"), json!({})).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_delete_shows_the_deleted_change_with_200() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let answer = call(&sim, "DELETE", &format!("{CHANGE}/{id}"), Value::Null).await;
    assert_eq!((answer.status, sim.changes().len()), (200, 0));
    assert_eq!(answer.result()["sys_id"]["value"], id);
}
