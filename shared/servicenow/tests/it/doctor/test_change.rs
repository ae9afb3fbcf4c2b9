//! What only a change that is written can show.

use super::*;

async fn written(sim: &Simulator, expected: &[&str]) -> Examination {
    told(examined(sim, &wishes(), true).await, expected)
}

/// Changes that the examination opened: state, and whether they say what they are.
fn tests(sim: &Simulator) -> Vec<(String, bool)> {
    let ours = sim.changes().into_iter().filter(|change| change["number"] != "CHG0000001");
    let text = |change: &Value, field: &str| change[field].as_str().unwrap_or_default().to_owned();
    ours.map(|change| {
        let named = text(&change, "short_description").contains("doctor: a test");
        (text(&change, "state"), named && text(&change, "correlation_display") != "Interlock")
    })
    .collect()
}

fn canceled() -> Vec<(String, bool)> {
    vec![("4".to_owned(), true)]
}

#[tokio::test]
async fn a_healthy_instance_takes_a_test_change_and_keeps_it_canceled() {
    let sim = instance();
    let examination = written(&sim, &[]).await;
    assert_eq!(tests(&sim), canceled());
    assert!(examination.verdicts.iter().any(|verdict| verdict.check.as_str() == "test change"));
    assert_eq!(sim.records("sys_attachment").len(), 1);
}

#[tokio::test]
async fn a_missing_right_to_create_is_change_create_refused() {
    let sim = instance();
    play(&sim, Effect::AclRefuse, "POST", "change_request");
    written(&sim, &["change_create_refused"]).await;
    assert_eq!(tests(&sim), []);
}

#[tokio::test]
async fn a_create_that_a_data_policy_refuses_is_mandatory_unfilled() {
    let sim = instance();
    for table in ["sys_data_policy2", "sys_data_policy_rule"] {
        play(&sim, Effect::AclRefuse, "GET", table);
    }
    let fields = [("active", "true"), ("model_table", "change_request"), ("short_description", "Plans")];
    let policy = sim.insert("sys_data_policy2", &fields).unwrap();
    let rule = [("sys_data_policy", policy.as_str()), ("field", "test_plan"), ("mandatory", "true")];
    sim.insert("sys_data_policy_rule", &rule).unwrap();
    written(&sim, &["mandatory_unfilled"]).await;
}

#[tokio::test]
async fn a_missing_right_to_write_is_change_update_refused_and_the_change_that_is_left_is_told() {
    let sim = instance();
    play(&sim, Effect::AclRefuse, "PATCH", "change_request");
    let examination = written(&sim, &["change_update_refused", "test_change_left"]).await;
    assert_eq!(tests(&sim), [("-5".to_owned(), true)]);
    let left = examination.findings().last().unwrap();
    assert!(left.cure.contains("cancel CHG0030001 by hand"), "{}", left.cure);
}

#[tokio::test]
async fn a_change_that_a_rule_keeps_from_being_canceled_is_told() {
    let sim = instance();
    let rule = [
        ("name", "Nobody cancels"),
        ("collection", "change_request"),
        ("active", "true"),
        ("abort_action", "true"),
        ("action_update", "true"),
        ("filter_condition", "state=4"),
    ];
    sim.insert("sys_script", &rule).unwrap();
    let examination = written(&sim, &["test_change_left"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("Nobody cancels"));
}

#[tokio::test]
async fn correlation_fields_that_an_acl_strips_are_correlation_not_writable() {
    for field in ["correlation_id", "correlation_display"] {
        let sim = instance();
        sim.fault(Fault::forever(Effect::AclIgnoreWrite { field: field.into() })).unwrap();
        written(&sim, &["correlation_not_writable"]).await;
        assert_eq!(tests(&sim)[0].0, "4", "canceled by its sys_id");
    }
}

#[tokio::test]
async fn a_correlation_id_that_is_cut_is_seen_without_the_dictionary() {
    let sim = instance();
    turn(&sim, shorten);
    play(&sim, Effect::AclRefuse, "GET", "sys_dictionary");
    written(&sim, &["correlation_cut"]).await;
    assert_eq!(tests(&sim), canceled());
}

#[tokio::test]
async fn a_field_that_the_instance_sets_itself_is_field_not_kept() {
    let sim = instance();
    turn(&sim, |knobs| knobs.risk_by_business_rule = true);
    let odd = with_field("risk", Some("2"));
    told(examined(&sim, &odd, true).await, &["field_not_kept"]);
}

#[tokio::test]
async fn a_missing_right_to_attach_files_is_attachment_refused() {
    let sim = instance();
    play(&sim, Effect::AclRefuse, "POST", "sys_attachment");
    written(&sim, &["attachment_refused"]).await;
    assert_eq!(tests(&sim), canceled());
}

#[tokio::test]
async fn a_state_that_the_user_cannot_set_is_state_not_settable() {
    let sim = instance();
    let next = json!({ "result": {
        "available_states": ["-5", "4"],
        "state_label": { "-5": "New", "4": "Canceled" },
        "state_transitions": [[{
            "from_state": "-5", "to_state": "-4", "transition_available": false,
            "conditions": [{ "passed": false, "condition": { "name": "Requester is in the group" } }],
        }]],
    } });
    let effect = Effect::Status { code: 200, body: Some(next) };
    sim.fault(Fault::forever(effect).on_path("/nextstates")).unwrap();
    let examination = written(&sim, &["state_not_settable"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("Requester is in the group"));
}

#[tokio::test]
async fn dates_that_are_kept_otherwise_are_dates_shifted() {
    let sim = instance();
    sim.fault(Fault::forever(Effect::AclIgnoreWrite { field: "start_date".into() })).unwrap();
    written(&sim, &["dates_shifted"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_without_a_word_is_looked_for_and_canceled() {
    for effect in [Effect::CreateThen403, Effect::StatusAfterCommit { code: 504 }, Effect::CreateThenEmpty201]
    {
        let sim = instance();
        sim.fault(Fault::once(effect).on_method("POST").on_table("change_request")).unwrap();
        let examination = examined(&sim, &wishes(), true).await;
        assert_eq!(tests(&sim), canceled(), "{examination:#?}");
        assert_eq!(examination.findings().count(), 1, "{examination:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_without_a_word_is_tried_again() {
    let sim = instance();
    let once = Fault::once(Effect::Status { code: 502, body: None }).on_method("PATCH");
    sim.fault(once.clone()).unwrap();
    sim.fault(once).unwrap();
    written(&sim, &[]).await;
    assert_eq!(tests(&sim), canceled());
}

#[tokio::test]
async fn an_instance_that_gives_changes_ids_of_its_own_is_chosen_id_ignored_where_one_is_chosen() {
    let secret = secret("interlock-client-secret");
    let settings = json!({ "base_url": BASE, "auth": by_client(&reference(&secret)), "create": "chosen_id" });
    let sim = instance();
    told(examined_with(&sim, &settings, &wishes(), true).await, &[]);
    assert_eq!(tests(&sim), canceled());
    let mut knobs = sim.knobs();
    knobs.honour_chosen_sys_id = false;
    sim.set_knobs(knobs);
    told(examined_with(&sim, &settings, &wishes(), true).await, &["chosen_id_ignored"]);
}
