//! `gate: none` of `deploy/examples`: what nothing holds leaves a record.

use interlock_simulators::github::{Outcome, StartDeployment};
use interlock_tests::world::{Deployment, SOON, World, until};

use super::patterns::{number, start, until_change};

const REPOSITORY: &str = "acme/payments-api";

fn deploy_ungated(world: &World, environment: &str) -> Deployment {
    let wish = StartDeployment { gated: Some(false), ..StartDeployment::new(REPOSITORY, environment) };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

#[tokio::test]
async fn a_deployment_that_nothing_holds_leaves_one_record_that_ends_as_it_did() {
    let world = start("audit.yaml").await;
    let elsewhere = deploy_ungated(&world, "production");
    for (outcome, code) in [(Outcome::Success, "successful"), (Outcome::Failure, "unsuccessful")] {
        let deployment = deploy_ungated(&world, "staging");
        let change = until_change(&world, &deployment, "-2").await;
        assert_eq!(
            (&change["type"], &change["correlation_id"]),
            (&"standard".into(), &deployment.correlation_id.as_str().into())
        );
        until("the job runs", SOON, async || {
            (world.at_github(&deployment).job == "in_progress").then_some(())
        })
        .await;
        world.github.finish(deployment.id, outcome).expect("a running job can end");
        let change = world.until_state(&number(&change), "3").await;
        assert_eq!(change["close_code"], code);
        assert_eq!(world.changes_of(&deployment).len(), 1, "exactly one");
        assert_eq!(world.releases_of(&deployment), 0, "there was no gate to release");
    }
    assert!(world.changes_of(&elsewhere).is_empty(), "its policy wants no record");
}

#[tokio::test]
async fn a_deployment_that_is_held_after_all_has_one_change_and_waits_for_it() {
    let world = start("audit.yaml").await;
    // The environment has the rule: GitHub tells of it with and without its gate.
    let wish = StartDeployment::new(REPOSITORY, "staging");
    let deployment =
        world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"));
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    let change = until_change(&world, &deployment, "3").await;
    assert_eq!(change["close_code"], "successful");
    assert_eq!(world.changes_of(&deployment).len(), 1, "exactly one");
    world.judge_released(&deployment);
}
