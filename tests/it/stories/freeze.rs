//! Freezes: what is approved waits, emergencies pass, and lifting a freeze lets go on what waited.

use interlock_simulators::github::StartDeployment;
use interlock_tests::world::{Role, SOON, Setup, World, until};

/// No date of the example's own, so that the story is the same on every day of the year.
const STOP: &str = "
  - name: release-stop
    when: { environment: production }
    reason: incident 42";

#[tokio::test]
async fn in_a_freeze_emergencies_pass_and_the_others_wait_until_it_is_lifted() {
    let setup = Setup { example: Some("freeze.yaml"), freezes: STOP, ..Setup::default() };
    let mut world = setup.start().await;
    let waiting = world.deploy("acme/payments-api");
    let number = world.until_asked(&waiting).await;
    world.approve(&number);
    until("the freeze is told at the gate", SOON, async || {
        let told = world.at_github(&waiting).reports.join("\n");
        told.contains("release-stop").then_some(())
    })
    .await;

    let wish = StartDeployment {
        git_ref: Some("hotfix/login".into()),
        ..StartDeployment::new("acme/payments-api", "production")
    };
    let hotfix = world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"));
    let emergency = until("the emergency approvers are asked", SOON, async || {
        world.changes_of(&hotfix).into_iter().find(|change| change["state"] == "-3")
    })
    .await;
    world.approve(emergency["number"].as_str().expect("a number"));
    world.until_gate(&hotfix, "approved").await;
    world.judge_released(&hotfix);

    assert_eq!(world.at_github(&waiting).gate, "open", "approved before the hotfix, and still frozen");
    lift(&mut world, &number).await;
    world.until_gate(&waiting, "approved").await;
    world.judge_released(&waiting);
}

/// The file is read at the start. Gates look again within two minutes; who edits the change does not wait for that.
async fn lift(world: &mut World, number: &str) {
    world.stop(Role::ApprovalWorker);
    world.without_freezes();
    world.start_role(Role::ApprovalWorker).await;
    world.service_now.set(number, &[("work_notes", "the freeze is over")]).expect("the change is there");
}
