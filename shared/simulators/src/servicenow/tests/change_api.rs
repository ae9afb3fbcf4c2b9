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

#[tokio::test]
async fn a_standard_change_takes_from_its_template_what_the_template_owns() {
    let sim = instance();
    let body = json!({ "description": "mine", "short_description": "Clear them" });
    let result = call(&sim, "POST", &format!("{CHANGE}/standard/{}", seed::TEMPLATE), body).await.result();
    assert_eq!(result["description"]["value"], "Clears the sessions of one router");
    assert_eq!(
        (&result["type"]["value"], &result["short_description"]["value"]),
        (&json!("standard"), &json!("Clear them"))
    );
    assert_eq!(result["__meta"]["ignoredFields"], json!(["description"]));
    let version = json!({ "std_change_producer_version": seed::TEMPLATE_VERSION, "chg_model": "standard" });
    let id = create(&sim, version).await;
    assert_eq!(
        (field(&sim, &id, "type"), field(&sim, &id, "test_plan")),
        ("standard".to_owned(), "Look at the routing table".to_owned())
    );
    assert_eq!(patch(&sim, &id, json!({ "state": "-2" })).await.result()["approval"], "approved");
}

#[tokio::test]
async fn templates_and_models_are_listed() {
    let sim = instance();
    let templates = get(&sim, &format!("{CHANGE}/standard/template")).await.result();
    assert_eq!(templates[0]["sys_id"]["value"], seed::TEMPLATE);
    let one = get(&sim, &format!("{CHANGE}/standard/template/{}", seed::TEMPLATE)).await.result();
    assert_eq!(one["name"]["value"], templates[0]["name"]["value"]);
    let models = get(&sim, &format!("{CHANGE}/model")).await.result();
    assert_eq!(models.as_array().unwrap().len(), 3);
    assert_eq!(get(&sim, &format!("{CHANGE}/model/none")).await.status, 404);
}

#[tokio::test]
async fn tasks_of_a_change_are_made_changed_and_deleted() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let uri = format!("{CHANGE}/{id}/task");
    let made = call(&sim, "POST", &uri, json!({ "short_description": "Tell", "nonsense": 1 })).await;
    let result = made.result();
    assert_eq!((made.status, &result["change_request"]["value"]), (200, &json!(id)));
    assert_eq!(result["__meta"]["ignoredFields"], json!(["nonsense"]));
    let task = format!("{uri}/{}", result["sys_id"]["value"].as_str().unwrap());
    let changed = call(&sim, "PATCH", &task, json!({ "state": "2" })).await.result();
    assert_eq!(changed["state"]["display_value"], "In Progress");
    assert_eq!(get(&sim, &uri).await.result().as_array().unwrap().len(), 1);
    assert_eq!(call(&sim, "DELETE", &task, Value::Null).await.status, 200);
    assert_eq!(call(&sim, "DELETE", &task, Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_conflict_is_another_change_of_the_ci_at_the_same_time() {
    let sim = instance();
    let window = json!({
        "cmdb_ci": seed::PAYMENTS_API, "start_date": "2026-03-02 10:00:00", "end_date": "2026-03-02 11:00:00",
    });
    let id = create(&sim, window.clone()).await;
    let uri = format!("{CHANGE}/{id}/conflict");
    assert_eq!(get(&sim, &uri).await.result()["status"], "Not Run");
    assert_eq!(call(&sim, "POST", &uri, Value::Null).await.result().as_str().unwrap().len(), 32);
    assert_eq!(get(&sim, &uri).await.result()["status"], "No Conflict");
    create(&sim, window).await;
    call(&sim, "POST", &uri, Value::Null).await;
    let found = get(&sim, &uri).await.result();
    assert_eq!(
        (&found["status"], &found["conflicts"][0]["conflicting_change"]),
        (&json!("Conflict"), &json!("CHG0030002"))
    );
    assert_eq!(call(&sim, "DELETE", &uri, Value::Null).await.status, 200);
    assert_eq!(get(&sim, &uri).await.result()["conflicts"], json!([]));
}

#[tokio::test]
async fn worker_delay_ms_makes_workers_wait() {
    let sim = with_knobs(|knobs| knobs.worker_delay_ms = 5000);
    let id = create(&sim, json!({})).await;
    let asked = get(&sim, &format!("{CHANGE}/{id}/schedule")).await;
    assert_eq!((asked.status, &asked.result()["state"]["value"]), (202, &json!(1)));
    let link = asked.result()["worker"]["link"].as_str().unwrap().to_owned();
    let uri = &link[link.find("/api").unwrap()..];
    advance(&sim, 5000);
    let done = get(&sim, uri).await.result();
    assert_eq!(
        (&done["state"]["value"], &done["payload"]["spans"][0]["start"]),
        (&json!(3), &json!("2026-03-01 11:00:00"))
    );
    call(&sim, "PATCH", &format!("{CHANGE}/{id}/schedule/first_available"), Value::Null).await;
    assert_eq!(field(&sim, &id, "start_date"), "2026-03-01 11:00:05");
}

#[tokio::test]
async fn cis_are_associated_by_a_worker() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let uri = format!("{CHANGE}/{id}/ci");
    let more = json!({ "association_type": "affected", "cmdb_ci_sys_ids": [seed::PAYMENTS_API, "none"] });
    assert_eq!(call(&sim, "POST", &uri, more).await.status, 202);
    let listed = get(&sim, &uri).await.result();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["ci_item"]["display_value"]),
        (1, &json!("payments-api"))
    );
    assert_eq!(call(&sim, "POST", &uri, json!({ "association_type": "loose" })).await.status, 400);
}

#[tokio::test]
async fn the_risk_is_calculated_on_demand_without_a_result_around_it() {
    let sim = instance();
    let id = create(&sim, json!({ "impact": "1", "risk": "4" })).await;
    let answer = call(&sim, "PATCH", &format!("{CHANGE}/{id}/risk"), Value::Null).await;
    assert_eq!((answer.status, &answer.json()["risk"]["display_value"]), (200, &json!("High")));
    call(&sim, "PATCH", &format!("{CHANGES}/{id}"), json!({ "impact": "" })).await;
    assert_eq!(call(&sim, "PATCH", &format!("{CHANGE}/standard/{id}/risk"), Value::Null).await.status, 400);
}

#[tokio::test]
async fn risk_by_business_rule_overwrites_what_the_caller_says() {
    let sim = with_knobs(|knobs| knobs.risk_by_business_rule = true);
    let id = create(&sim, json!({ "impact": "1", "risk": "4" })).await;
    assert_eq!(field(&sim, &id, "risk"), "2");
}

#[tokio::test]
async fn a_list_is_searched_and_ordered_and_named_fields_come_as_people_see_them() {
    let sim = instance();
    let named = format!("{CHANGE}?type=emergency&encrypted_fields=assignment_group");
    let made =
        call(&sim, "POST", &named, json!({ "short_description": "one", "assignment_group": "Network" }))
            .await;
    assert_eq!(made.result()["assignment_group"]["value"], NETWORK);
    assert_eq!(made.result()["type"]["value"], "emergency");
    create(&sim, json!({ "short_description": "another" })).await;
    let found = get(&sim, &format!("{CHANGE}?textSearch=another")).await.result();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["number"]["value"]), (1, &json!("CHG0030002")));
    let ordered = get(&sim, &format!("{CHANGE}?order=short_description")).await.result();
    assert_eq!(ordered[0]["number"]["value"], "CHG0030002");
}

#[tokio::test]
async fn a_standard_change_shows_the_template_that_it_was_made_from_and_a_retired_one_makes_none() {
    let sim = instance();
    let made = call(&sim, "POST", &format!("{CHANGE}/standard/{}", seed::TEMPLATE), json!({})).await.result();
    let id = made["sys_id"]["value"].as_str().unwrap();
    let shown = "std_change_producer_version.std_change_producer";
    let uri = format!("{CHANGES}/{id}?sysparm_fields=type,{shown}&sysparm_exclude_reference_link=true");
    let row = get(&sim, &uri).await.result();
    assert_eq!(row, json!({ "type": "standard", shown: seed::TEMPLATE }));
    let template = format!("/api/now/table/std_change_record_producer/{}", seed::TEMPLATE);
    call_as(&sim, "admin", "PATCH", &template, json!({ "retired": "true" })).await;
    let refused = call(&sim, "POST", &format!("{CHANGE}/standard/{}", seed::TEMPLATE), json!({})).await;
    assert_eq!((refused.status, sim.changes().len()), (404, 1));
}

#[tokio::test]
async fn templates_are_found_by_name() {
    let sim = instance();
    let named = |name: &str| format!("{CHANGE}/standard/template?sysparm_query=active=true^name={name}");
    let found = get(&sim, &named("Clear BGP sessions on a Cisco router")).await.result();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["sys_id"]["value"]), (1, &json!(seed::TEMPLATE)));
    assert_eq!(get(&sim, &named("Clear")).await.result(), json!([]));
}

#[tokio::test]
async fn the_approval_of_a_scheduled_standard_change_follows_its_knob() {
    for (shows, approval) in [(true, "approved"), (false, "not requested")] {
        let sim = with_knobs(|knobs| knobs.standard_shows_approved = shows);
        let version =
            json!({ "std_change_producer_version": seed::TEMPLATE_VERSION, "chg_model": "standard" });
        let id = create(&sim, version).await;
        assert_eq!(patch(&sim, &id, json!({ "state": "-2" })).await.result()["approval"], approval);
    }
}
