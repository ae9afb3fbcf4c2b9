//! The rollback of `deploy/examples`: a deployment that takes back one that failed.

use interlock_simulators::github::{Outcome, StartDeployment};
use interlock_simulators::servicenow::seed::TEMPLATE_VERSION;
use interlock_tests::world::{Deployment, SOON, World, until};
use serde_json::Value;

use super::patterns::{number, start, until_change};

const ROUTER: &str = "acme/router-tools";
const PAYMENTS: &str = "acme/payments-api";

fn again(world: &World, repository: &str, of: &Deployment) -> Deployment {
    let wish =
        StartDeployment { sha: Some(of.sha.clone()), ..StartDeployment::new(repository, "production") };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

fn on_branch(world: &World, repository: &str, branch: &str) -> Deployment {
    let wish =
        StartDeployment { git_ref: Some(branch.into()), ..StartDeployment::new(repository, "production") };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

/// A deployment that people approved and that ended so; its change.
async fn deployed(world: &World, repository: &str, outcome: Outcome) -> (Deployment, Value) {
    let deployment = world.deploy(repository);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    until("the job runs", SOON, async || (world.at_github(&deployment).job == "in_progress").then_some(()))
        .await;
    world.github.finish(deployment.id, outcome).expect("a running job can end");
    (deployment, world.until_state(&number, "3").await)
}

#[tokio::test]
async fn going_back_after_a_failure_is_linked_to_the_failed_change_and_runs_without_a_new_approval() {
    let world = start("rollback.yaml").await;
    let (good, _) = deployed(&world, ROUTER, Outcome::Success).await;
    let (_, failed) = deployed(&world, ROUTER, Outcome::Failure).await;
    assert_eq!(failed["close_code"], "unsuccessful");
    let back = again(&world, ROUTER, &good);
    world.until_gate(&back, "approved").await;
    let change = until_change(&world, &back, "-1").await;
    let shown = ["type", "std_change_producer_version", "parent"].map(|field| change[field].clone());
    assert_eq!(shown, ["standard".into(), TEMPLATE_VERSION.into(), failed["sys_id"].clone()]);
    let said = change["short_description"].as_str().unwrap_or_default();
    assert!(said.starts_with("Roll back") && said.contains(&number(&failed)), "{said}");
    let told = world.until_told(&back, "change.opened").await;
    assert_eq!(told["rolls_back"]["number"], failed["number"], "{told}");
    world.succeed(&back).await;
    let change = world.until_state(&number(&change), "3").await;
    assert_eq!(change["close_code"], "successful");
    world.judge_released(&back);
    // The failure is mended: the same commit once more takes nothing back.
    let number = world.until_asked(&again(&world, ROUTER, &good)).await;
    assert_eq!(world.service_now.change(&number).expect("it is there")["parent"], Value::Null);
}

#[tokio::test]
async fn a_rollback_that_the_pipeline_names_waits_for_the_emergency_approvers() {
    let world = start("rollback.yaml").await;
    let (_, failed) = deployed(&world, PAYMENTS, Outcome::Failure).await;
    let back = on_branch(&world, PAYMENTS, "rollback/login");
    let change = until_change(&world, &back, "-3").await;
    let shown = ["type", "priority", "parent"].map(|field| change[field].clone());
    assert_eq!(shown, ["emergency".into(), "1".into(), failed["sys_id"].clone()]);
    assert!(
        change["justification"].as_str().is_some_and(|said| said.contains(&number(&failed))),
        "{change:#}"
    );
    assert_eq!(world.at_github(&back).gate, "open", "nobody has approved yet");
    world.approve(&number(&change));
    world.until_gate(&back, "approved").await;
    world.succeed(&back).await;
    world.until_state(&number(&change), "3").await;
    world.judge_released(&back);
}

#[tokio::test]
async fn a_change_that_only_says_that_it_is_a_rollback_releases_nothing() {
    let world = start("rollback.yaml").await;
    let (_, failed) = deployed(&world, ROUTER, Outcome::Failure).await;
    let forward = world.deploy(ROUTER);
    let number = world.until_asked(&forward).await;
    let change = world.service_now.change(&number).expect("it is there");
    assert_eq!((&change["type"], &change["parent"]), (&"normal".into(), &Value::Null), "a new commit");
    // Whoever may write the record may make it look like a rollback.
    let parent = failed["sys_id"].as_str().unwrap_or_default();
    let looks = [
        ("parent", parent),
        ("type", "standard"),
        ("std_change_producer_version", TEMPLATE_VERSION),
        ("state", "-2"),
        ("approval", "approved"),
    ];
    world.service_now.set(&number, &looks).expect("a person may write it");
    until("people read at GitHub why it waits", SOON, async || {
        let reports = world.at_github(&forward).reports;
        reports.into_iter().find(|report| report.contains("which no person approves"))
    })
    .await;
    assert_eq!(world.at_github(&forward).gate, "open");
    world.service_now.set(&number, &[("state", "4")]).expect("a person may cancel it");
    world.until_gate(&forward, "rejected").await;
    world.judge_not_released(&forward);
}
