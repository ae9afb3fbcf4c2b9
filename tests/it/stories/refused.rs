//! What ServiceNow does not take: told where people look, with what to do about it.

use interlock_simulators::servicenow::{Effect, Fault, Knobs};
use interlock_tests::world::{SOON, Setup, World, until};
use serde_json::Value;

const REPOSITORY: &str = "acme/payments-api";

/// Instances answer an abort with 400 or 403; what is refused with 403 is tried again for a quarter of an hour.
async fn start() -> World {
    let world = World::start().await;
    world.service_now.set_knobs(Knobs { chg_abort_status: 400, ..world.service_now.knobs() });
    world
}

/// Waits for the one dead letter, and says that it names all of these.
async fn until_dead(world: &World, names: &[&str]) {
    let reason =
        until("there is a dead letter", SOON, async || world.dead_letters().await.into_iter().next()).await;
    for name in names {
        assert!(reason.contains(name), "`{name}` is missing: {reason}");
    }
}

#[tokio::test]
async fn what_the_instance_ignores_or_changes_is_told_and_stands_in_the_notes() {
    let change = ", fields: { ticket: ABC-1, risk: \"1\", impact: \"2\" }";
    let world = Setup { change, ..Setup::default() }.start().await;
    world.service_now.set_knobs(Knobs { risk_by_business_rule: true, ..world.service_now.knobs() });
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    let told = world.until_told(&deployment, "change.opened").await;
    assert_eq!(told["ignored_fields"], serde_json::json!(["risk", "ticket"]), "{told}");
    let notes = world.service_now.records("sys_journal_field");
    let says = |note: &Value| note["value"].as_str().is_some_and(|text| text.contains("risk, ticket"));
    assert!(notes.iter().any(says), "{number}: {notes:#?}");
}

#[tokio::test]
async fn what_was_ignored_is_told_of_a_create_without_an_answer_too() {
    let setup = Setup { change: ", fields: { ticket: ABC-1 }", ..Setup::default() };
    let world = setup.start().await;
    let hangs = Fault::once(Effect::TimeoutAfterCommit { hang_ms: 60_000 });
    let hangs = hangs.on_method("POST").on_table("change_request");
    world.service_now.fault(hangs).expect("there is room for a fault");
    let deployment = world.deploy(REPOSITORY);
    let told = world.until_told(&deployment, "change.opened").await;
    assert_eq!((&told["found"], &told["ignored_fields"]), (&true.into(), &serde_json::json!(["ticket"])));
}

#[tokio::test]
async fn a_group_that_two_bear_is_a_dead_letter_that_says_which_and_how_to_cure_it() {
    let world = World::start().await;
    let twin = [("name", "Change Management"), ("active", "true")];
    world.service_now.insert("sys_user_group", &twin).expect("there is room");
    let deployment = world.deploy(REPOSITORY);
    let names = ["policy `default`", "ServiceNow servicenow", "`Change Management`", "put the sys_id"];
    until_dead(&world, &names).await;
    assert!(world.changes_of(&deployment).is_empty(), "nothing was created");
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_group_that_nobody_bears_is_a_dead_letter_that_says_so() {
    let world = World::start().await;
    let groups = world.service_now.records("sys_user_group");
    let group = groups.iter().find(|group| group["name"] == "Change Management").expect("it is seeded");
    let id = group["sys_id"].as_str().expect("it has an id");
    world.service_now.update("sys_user_group", id, &[("name", "Renamed")]).expect("it is there");
    world.deploy(REPOSITORY);
    until_dead(&world, &["policy `default`", "no assignment group named", "correct the policy"]).await;
}

#[tokio::test]
async fn a_template_that_is_gone_is_a_dead_letter_that_says_so() {
    let setup = Setup { example: Some("standard.yaml"), ..Setup::default() };
    let world = setup.start().await;
    let template = interlock_simulators::servicenow::seed::TEMPLATE;
    let gone = [("active", "false")];
    world.service_now.update("std_change_record_producer", template, &gone).expect("it is there");
    let deployment = world.deploy("acme/router-tools");
    let names = ["policy `routers`", "no standard change template named `Clear BGP", "correct the policy"];
    until_dead(&world, &names).await;
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_transition_that_a_rule_refuses_is_a_dead_letter_with_the_rule_and_the_change() {
    let world = start().await;
    let rule = [
        ("name", "No changes in the year-end freeze"),
        ("collection", "change_request"),
        ("active", "true"),
        ("abort_action", "true"),
        ("action_update", "true"),
        ("filter_condition", "state=-4"),
    ];
    world.service_now.insert("sys_script", &rule).expect("there is room");
    let deployment = world.deploy(REPOSITORY);
    let names = ["CHG003", "No changes in the year-end freeze", "a business rule of the instance forbids it"];
    until_dead(&world, &names).await;
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_close_that_lacks_what_the_instance_demands_is_a_dead_letter_that_names_the_field() {
    let world = start().await;
    let policy = [("active", "true"), ("model_table", "change_request"), ("conditions", "state=3")];
    let policy = world.service_now.insert("sys_data_policy2", &policy).expect("there is room");
    let field = [("sys_data_policy", &*policy), ("field", "review_comments"), ("mandatory", "true")];
    world.service_now.insert("sys_data_policy_rule", &field).expect("there is room");
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    let names = [&*number, "Data Policy", "review_comments", "fill these fields by policy"];
    until_dead(&world, &names).await;
    world.until_state(&number, "0").await;
}
