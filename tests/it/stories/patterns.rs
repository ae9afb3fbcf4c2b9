//! The patterns of `deploy/examples`: each story runs the very policies of its file.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_simulators::github::StartDeployment;
use interlock_simulators::servicenow::Knobs;
use interlock_simulators::servicenow::seed::{NETWORK, PAYMENTS_API, TEMPLATE_VERSION};
use interlock_tests::world::{Deployment, SOON, Setup, World, until};
use serde_json::Value;

pub(super) async fn start(example: &'static str) -> World {
    Setup { example: Some(example), ..Setup::default() }.start().await
}

fn deploy_hotfix(world: &World) -> Deployment {
    let wish = StartDeployment {
        git_ref: Some("hotfix/login".into()),
        ..StartDeployment::new("acme/payments-api", "production")
    };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

pub(super) async fn until_change(world: &World, deployment: &Deployment, state: &str) -> Value {
    until(&format!("a change of deployment {} is in state {state}", deployment.id), SOON, async || {
        world.changes_of(deployment).into_iter().find(|change| change["state"] == state)
    })
    .await
}

pub(super) fn number(change: &Value) -> String {
    change["number"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_whole_life_of_a_change_with_all_its_fields() {
    let world = start("whole-life.yaml").await;
    let deployment = world.deploy("acme/payments-api");
    let change = world.service_now.change(&world.until_asked(&deployment).await).expect("it is there");
    assert_eq!((&change["cmdb_ci"], &change["impact"]), (&PAYMENTS_API.into(), &"2".into()));
    for (field, text) in [("implementation_plan", &*deployment.sha), ("justification", "dana-dev")] {
        assert!(change[field].as_str().is_some_and(|said| said.contains(text)), "{field}: {change:#}");
    }
    let planned = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
    assert!(planned("start_date") < planned("end_date"), "{change:#}");
    let told = world.until_told(&deployment, "change.opened").await;
    assert_eq!(told["ignored_fields"], Value::Null, "{told}");
    world.approve(&number(&change));
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    let change = world.until_state(&number(&change), "3").await;
    assert_eq!(change["close_code"], "successful");
    world.judge_released(&deployment);
}

#[tokio::test]
async fn an_emergency_change_asks_the_emergency_approvers_and_releases_on_their_word() {
    let world = start("emergency.yaml").await;
    let (hotfix, other) = (deploy_hotfix(&world), world.deploy("acme/payments-api"));
    let change = until_change(&world, &hotfix, "-3").await;
    let shown =
        ["type", "priority", "impact", "risk"].map(|field| change[field].as_str().unwrap_or_default());
    assert_eq!(shown, ["emergency", "1", "1", "2"]);
    assert!(change["justification"].as_str().is_some_and(|said| said.contains("hotfix/login")), "{change:#}");
    assert_eq!(world.at_github(&hotfix).gate, "open", "nobody has approved yet");
    world.approve(&number(&change));
    world.until_gate(&hotfix, "approved").await;
    world.succeed(&hotfix).await;
    world.until_state(&number(&change), "3").await;
    world.judge_released(&hotfix);
    let normal = world.service_now.change(&world.until_asked(&other).await).expect("it is there");
    assert_eq!(normal["type"], "normal", "no hotfix goes the normal way");
}

#[tokio::test]
async fn an_emergency_that_nobody_approves_is_rejected_after_five_minutes() {
    let world = start("emergency.yaml").await;
    world.github.clock().set_skew(TimeDelta::seconds(-270));
    let deployment = deploy_hotfix(&world);
    world.github.clock().set_skew(TimeDelta::zero());
    until_change(&world, &deployment, "-3").await;
    world.until_gate_within(&deployment, "rejected", Duration::from_secs(60)).await;
    let waited = world.at_gate(&deployment, "gate.rejected")[0].at - world.at_github(&deployment).created_at;
    assert!(waited > TimeDelta::seconds(299), "rejected before its deadline: after {waited}");
    until_change(&world, &deployment, "4").await;
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_standard_change_releases_by_itself_once_the_record_shows_its_template() {
    // Instances differ in what they write into the approval of such a change.
    for shows_approved in [true, false] {
        let world = start("standard.yaml").await;
        let knobs = Knobs { standard_shows_approved: shows_approved, ..world.service_now.knobs() };
        world.service_now.set_knobs(knobs);
        let deployment = world.deploy("acme/router-tools");
        world.until_gate(&deployment, "approved").await;
        let change = until_change(&world, &deployment, "-1").await;
        let shown = ["type", "std_change_producer_version", "assignment_group", "implementation_plan"];
        let shown = shown.map(|field| change[field].as_str().unwrap_or_default());
        let plan = "Clear the sessions, one after another";
        assert_eq!(shown, ["standard", TEMPLATE_VERSION, NETWORK, plan], "the template's");
        let told = world.until_told(&deployment, "change.opened").await;
        assert_eq!(told["ignored_fields"], Value::Null, "what the template owns was not sent: {told}");
        world.succeed(&deployment).await;
        world.until_state(&number(&change), "3").await;
        assert_eq!(world.service_now.records("sysapproval_approver").len(), 0, "nobody was asked");
        world.judge_released(&deployment);
    }
}

#[tokio::test]
async fn a_standard_change_that_turns_out_to_be_of_another_template_releases_nothing() {
    let world = start("standard.yaml").await;
    let version = "e".repeat(32);
    let other = [
        ("name", "Reboot everything"),
        ("active", "true"),
        ("assignment_group", NETWORK),
        ("current_version", &version),
    ];
    let other = world.service_now.insert("std_change_record_producer", &other).expect("there is room");
    let version = [("sys_id", &*version), ("std_change_producer", &other)];
    world.service_now.insert("std_change_producer_version", &version).expect("there is room");
    // The version that the template names as its present one belongs to another.
    let theirs = [("std_change_producer", &*other)];
    world.service_now.update("std_change_producer_version", TEMPLATE_VERSION, &theirs).expect("it is there");
    let deployment = world.deploy("acme/router-tools");
    let change = until_change(&world, &deployment, "-2").await;
    assert_eq!(change["approval"], "approved", "by its own word it is");
    let told = until("people read at GitHub why it waits", SOON, async || {
        world.at_github(&deployment).reports.into_iter().find(|report| report.contains("another template"))
    })
    .await;
    assert!(told.contains(&number(&change)) && told.contains("Clear BGP sessions"), "{told}");
    assert_eq!(world.at_github(&deployment).gate, "open");
    world.service_now.set(&number(&change), &[("state", "4")]).expect("a person may cancel it");
    world.until_gate(&deployment, "rejected").await;
    world.judge_not_released(&deployment);
}
