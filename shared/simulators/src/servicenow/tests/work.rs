use super::*;

const INCIDENTS: &str = "/api/now/table/incident";

async fn incident(sim: &ServiceNow, fields: Value) -> String {
    let answer = call(sim, "POST", INCIDENTS, fields).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.result()["sys_id"].as_str().unwrap().to_owned()
}

async fn write(sim: &ServiceNow, user: &str, table: &str, id: &str, fields: Value) -> Answer {
    call_as(sim, user, "PATCH", &format!("/api/now/table/{table}/{id}"), fields).await
}

#[tokio::test]
async fn priority_follows_from_impact_and_urgency() {
    let sim = instance();
    for (impact, urgency, priority) in [(1, 1, "1"), (1, 3, "3"), (2, 1, "2"), (2, 2, "3"), (3, 3, "5")] {
        let fields = json!({ "impact": impact, "urgency": urgency, "priority": "1" });
        let created = call(&sim, "POST", INCIDENTS, fields).await.result();
        assert_eq!(created["priority"], priority, "{impact} and {urgency}");
    }
}

#[tokio::test]
async fn resolving_an_incident_demands_code_and_notes_in_the_same_call() {
    let sim = instance();
    let id = incident(&sim, json!({})).await;
    let bare = write(&sim, "interlock", "incident", &id, json!({ "state": "6" })).await;
    let demanded =
        "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes";
    assert_eq!((bare.status, bare.detail().as_str()), (403, demanded));
    let done = json!({ "state": "6", "close_code": "Known error", "close_notes": "restarted" });
    let resolved = write(&sim, "interlock", "incident", &id, done).await.result();
    assert_eq!(
        (&resolved["incident_state"], &resolved["resolved_at"]),
        (&json!("6"), &json!("2026-03-01 10:00:00"))
    );
    assert_eq!(write(&sim, "interlock", "incident", &id, json!({ "state": "7" })).await.status, 403);
    let closed = write(&sim, "admin", "incident", &id, json!({ "state": "7" })).await.result();
    assert_eq!(closed["active"], "false");
}

#[tokio::test]
async fn on_hold_demands_a_reason_and_the_caller_ends_it() {
    let sim = instance();
    let caller = "6816f79cc0a8016401c5a33be04be441";
    let id = incident(&sim, json!({ "caller_id": caller })).await;
    assert_eq!(write(&sim, "interlock", "incident", &id, json!({ "state": "3" })).await.status, 403);
    let silent = json!({ "state": "3", "hold_reason": "1" });
    assert_eq!(write(&sim, "interlock", "incident", &id, silent).await.status, 403);
    let asked = json!({ "state": "3", "hold_reason": "1", "comments": "Which host?" });
    assert_eq!(write(&sim, "interlock", "incident", &id, asked).await.status, 200);
    let answered = write(&sim, "admin", "incident", &id, json!({ "comments": "web01" })).await.result();
    assert_eq!((&answered["state"], &answered["hold_reason"]), (&json!("2"), &json!("")));
}

#[tokio::test]
async fn problem_state_ignored_answers_200_with_the_old_state() {
    let sim = instance();
    let created = call(&sim, "POST", "/api/now/table/problem", json!({})).await.result();
    let id = created["sys_id"].as_str().unwrap();
    let moved = write(&sim, "interlock", "problem", id, json!({ "state": "102" })).await;
    assert_eq!((moved.status, &moved.result()["state"]), (200, &json!("101")));
    let sim = with_knobs(|knobs| knobs.problem_state_ignored = false);
    let created = call(&sim, "POST", "/api/now/table/problem", json!({})).await.result();
    let id = created["sys_id"].as_str().unwrap();
    let moved = write(&sim, "interlock", "problem", id, json!({ "state": "102" })).await;
    assert_eq!(moved.result()["problem_state"], "102");
}

async fn implementing(sim: &ServiceNow) -> String {
    let id = scheduled(sim).await;
    assert_eq!(patch(sim, &id, json!({ "state": "-1" })).await.status, 200);
    id
}

fn task_states(sim: &ServiceNow) -> Vec<String> {
    let tasks = sim.records("change_task");
    tasks.iter().map(|task| task["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn implement_opens_two_tasks_and_review_cancels_them() {
    let sim = instance();
    let id = implementing(&sim).await;
    assert_eq!(task_states(&sim), ["1", "1"]);
    patch(&sim, &id, json!({ "state": "0" })).await;
    assert_eq!(task_states(&sim), ["4", "4"]);
    let sim = with_knobs(|knobs| knobs.implement_tasks = false);
    implementing(&sim).await;
    assert!(sim.records("change_task").is_empty());
}

#[tokio::test]
async fn a_task_of_a_person_keeps_a_change_from_closing() {
    let sim = instance();
    let id = implementing(&sim).await;
    let task = json!({ "change_request": id, "short_description": "Tell the users" });
    let task = call(&sim, "POST", "/api/now/table/change_task", task).await.result();
    patch(&sim, &id, json!({ "state": "0" })).await;
    let close = json!({ "state": "3", "close_code": "successful", "close_notes": "done" });
    let refused = patch(&sim, &id, close.clone()).await;
    assert!(refused.detail().contains("Check Active Change Tasks"), "{}", refused.text);
    let task = task["sys_id"].as_str().unwrap();
    assert_eq!(write(&sim, "interlock", "change_task", task, json!({ "state": "3" })).await.status, 403);
    let done = json!({ "state": "3", "close_code": "successful", "close_notes": "told" });
    assert_eq!(write(&sim, "interlock", "change_task", task, done).await.status, 200);
    assert_eq!(patch(&sim, &id, close).await.status, 200);
}

#[tokio::test]
async fn a_person_who_moves_a_change_on_ends_its_tasks_too() {
    let sim = instance();
    let id = implementing(&sim).await;
    sim.set(&id, &[("state", "0")]).unwrap();
    assert_eq!(task_states(&sim), ["4", "4"]);
    let close = json!({ "state": "3", "close_code": "successful", "close_notes": "done" });
    assert_eq!(patch(&sim, &id, close).await.status, 200);
}

#[tokio::test]
async fn with_its_last_task_a_change_goes_on_to_review() {
    let sim = instance();
    let id = implementing(&sim).await;
    let done = json!({ "state": "3", "close_code": "successful", "close_notes": "done" });
    for task in sim.records("change_task") {
        assert_eq!(field(&sim, &id, "state"), "-1");
        let task = task["sys_id"].as_str().unwrap();
        write(&sim, "interlock", "change_task", task, done.clone()).await;
    }
    assert_eq!(field(&sim, &id, "state"), "0");
}

#[tokio::test]
async fn a_hold_is_copied_to_open_tasks_and_a_cancel_ends_them() {
    let sim = instance();
    let id = implementing(&sim).await;
    patch(&sim, &id, json!({ "on_hold": "true", "on_hold_reason": "freeze" })).await;
    assert_eq!(sim.records("change_task")[0]["on_hold_reason"], "freeze");
    patch(&sim, &id, json!({ "state": "4", "work_notes": "not needed" })).await;
    assert_eq!(task_states(&sim), ["4", "4"]);
}

#[tokio::test]
async fn business_rule_abort_refuses_what_its_condition_fits() {
    let sim = instance();
    sim.insert(
        "sys_script",
        &[
            ("name", "No Friday releases"),
            ("collection", "task"),
            ("active", "true"),
            ("abort_action", "true"),
            ("action_insert", "true"),
            ("action_update", "true"),
            ("filter_condition", "short_descriptionLIKEfriday^EQ"),
        ],
    )
    .unwrap();
    let refused = call(&sim, "POST", CHANGES, json!({ "short_description": "Friday release" })).await;
    assert_eq!((refused.status, refused.message().as_str()), (403, "Operation Failed"));
    assert!(refused.detail().contains("aborted by Business Rule 'No Friday releases^"), "{}", refused.text);
    let id = create(&sim, json!({ "short_description": "Monday release" })).await;
    assert_eq!(patch(&sim, &id, json!({ "short_description": "now FRIDAY" })).await.status, 403);
    let incident = call(&sim, "POST", INCIDENTS, json!({ "short_description": "friday" })).await;
    assert_eq!(incident.status, 403);
}

#[tokio::test]
async fn a_business_rule_aborts_only_while_it_is_active_and_says_so() {
    for (off, value) in [("active", "false"), ("abort_action", "false"), ("action_insert", "false")] {
        let sim = instance();
        let mut rule =
            vec![("name", "r"), ("collection", "change_request"), ("filter_condition", "type=normal")];
        rule.extend([("active", "true"), ("abort_action", "true"), ("action_insert", "true")]);
        let id = sim.insert("sys_script", &rule).unwrap();
        assert_eq!(call(&sim, "POST", CHANGES, json!({})).await.status, 403);
        sim.update("sys_script", &id, &[(off, value)]).unwrap();
        assert_eq!(call(&sim, "POST", CHANGES, json!({})).await.status, 201, "{off}");
    }
}

#[tokio::test]
async fn a_change_that_comes_to_implement_again_keeps_its_tasks() {
    let sim = instance();
    let id = implementing(&sim).await;
    sim.revoke(&id).unwrap();
    sim.approve_all(&id).unwrap();
    assert_eq!(patch(&sim, &id, json!({ "state": "-1" })).await.status, 200);
    assert_eq!(task_states(&sim), ["1", "1"]);
}

#[tokio::test]
async fn data_policy_demands_its_fields_where_its_condition_fits() {
    let sim = instance();
    let conditions = [("model_table", "change_request"), ("conditions", "state=-4"), ("active", "true")];
    let policy = sim.insert("sys_data_policy2", &conditions).unwrap();
    let rule = [("sys_data_policy", policy.as_str()), ("field", "justification"), ("mandatory", "true")];
    sim.insert("sys_data_policy_rule", &rule).unwrap();
    let id = create(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    let bare = patch(&sim, &id, json!({ "state": "-4" })).await;
    assert_eq!((bare.status, bare.detail().contains("mandatory: justification")), (403, true));
    assert_eq!(patch(&sim, &id, json!({ "state": "-4", "justification": "why" })).await.status, 200);
}

#[tokio::test]
async fn model_driven_changes_name_their_model_and_others_tell_states_alone() {
    let sim = instance();
    let id = create(&sim, json!({ "chg_model": "emergency" })).await;
    assert_eq!(field(&sim, &id, "type"), "emergency");
    let shown = get(&sim, &format!("{CHANGES}/{id}?sysparm_display_value=true")).await.result();
    assert_eq!(shown["chg_model"]["display_value"], "Emergency");
    let sim = with_knobs(|knobs| knobs.model_driven = false);
    let id = create(&sim, json!({})).await;
    let next = get(&sim, &format!("/api/sn_chg_rest/change/{id}/nextstates")).await.result();
    assert_eq!(
        (&next["state_transitions"], &next["available_states"]),
        (&json!([]), &json!(["-5", "-4", "4"]))
    );
}

#[tokio::test]
async fn string_truncate_off_keeps_long_text_whole() {
    let sim = with_knobs(|knobs| knobs.string_truncate = false);
    let id = create(&sim, json!({ "correlation_id": "x".repeat(200) })).await;
    assert_eq!(field(&sim, &id, "correlation_id").len(), 200);
}
