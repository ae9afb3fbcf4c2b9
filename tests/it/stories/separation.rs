//! Separation of duties, as `deploy/examples` has it: nobody releases their own work.

use interlock_simulators::github::StartDeployment;
use interlock_simulators::servicenow::Account;
use interlock_simulators::servicenow::seed::CHANGE_MANAGEMENT;
use interlock_tests::world::{Deployment, SOON, World, until};

use super::patterns::start;

fn add_user(world: &World, name: &str, groups: &[&str]) {
    world.service_now.add_user(Account::new(name, "", name, &[]), groups).expect("there is room");
}

/// `dana-dev` sets it off, and `eve` wrote it.
fn deploy(world: &World) -> Deployment {
    let wish = StartDeployment {
        actor: Some("dana-dev".into()),
        author: Some("eve".into()),
        ..StartDeployment::new("acme/payments-api", "production")
    };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

fn approved_by(world: &World, number: &str, users: &[&str]) {
    for user in users {
        world.service_now.approve(number, Some(user)).expect("they are asked");
    }
}

async fn until_reported(world: &World, deployment: &Deployment, what: &str) {
    until(&format!("people read at GitHub: {what}"), SOON, async || {
        world.at_github(deployment).reports.iter().any(|report| report.contains(what)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_set_a_run_off_may_approve_its_change_but_that_releases_nothing() {
    let world = start("separation.yaml").await;
    add_user(&world, "dana.dev", &[CHANGE_MANAGEMENT]);
    add_user(&world, "eve", &[]);
    let deployment = deploy(&world);
    let number = world.until_asked(&deployment).await;
    approved_by(&world, &number, &["dana.dev", "bob.cab"]);
    let said = "dana.dev approved CHG";
    until_reported(&world, &deployment, said).await;
    until_reported(&world, &deployment, "triggered this deployment: somebody else must approve it").await;
    world.until_state(&number, "-2").await;
    assert_eq!(world.at_github(&deployment).gate, "open");
    world.service_now.revoke(&number).expect("a person may take it back");
    approved_by(&world, &number, &["alice.approver", "bob.cab"]);
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&number, "3").await;
    world.judge_released(&deployment);
}

#[tokio::test]
async fn an_author_whom_servicenow_does_not_know_might_be_the_approver() {
    let world = start("separation.yaml").await;
    add_user(&world, "dana.dev", &[]);
    let deployment = deploy(&world);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    until_reported(&world, &deployment, "eve, who wrote its commit, is no user in ServiceNow").await;
    assert_eq!(world.at_github(&deployment).gate, "open");
    add_user(&world, "eve", &[]);
    world.service_now.set(&number, &[("urgency", "2")]).expect("a person may edit it");
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&number, "3").await;
    world.judge_released(&deployment);
}
