//! Runs that are run again or canceled, and what people read at GitHub while a gate waits.

use interlock_simulators::github::Outcome;
use interlock_tests::world::{SOON, Setup, World, until};

const REPOSITORY: &str = "acme/payments-api";

async fn until_reported(world: &World, deployment: &interlock_tests::world::Deployment, what: &str) -> usize {
    until(&format!("`{what}` is reported"), SOON, async || {
        let reports = world.at_github(deployment).reports;
        reports.iter().any(|report| report.contains(what)).then_some(reports.len())
    })
    .await
}

#[tokio::test]
async fn a_run_that_is_canceled_while_it_runs_and_run_again_has_a_change_for_each_attempt() {
    let world = World::start().await;
    let first = world.deploy(REPOSITORY);
    let number = world.until_asked(&first).await;
    world.approve(&number);
    world.until_state(&number, "-1").await;
    // A canceled job has no deployment status of its own: the end of its run is all that tells.
    world.github.cancel(first.run, "dana-dev").expect("it runs");
    let second = world.deployment_of(&world.github.rerun(first.run).expect("it has ended"));
    let change = world.until_state(&number, "3").await;
    assert_eq!(change["close_code"], "unsuccessful");
    let next = world.until_asked(&second).await;
    assert_ne!(next, number);
    world.judge_not_released(&second);
    // What is told of the first attempt once more supersedes nothing.
    assert!(world.redeliver_all().await > 3, "a request is more than one webhook");
    world.approve(&next);
    world.until_gate(&second, "approved").await;
    world.succeed(&second).await;
    world.until_state(&next, "3").await;
    world.judge_released(&first);
    world.judge_released(&second);
}

#[tokio::test]
async fn a_run_that_is_canceled_while_it_waits_loses_its_gates_and_its_changes_are_canceled() {
    let world = World::start().await;
    let first = world.deploy(REPOSITORY);
    let number = world.until_asked(&first).await;
    world.github.cancel(first.run, "dana-dev").expect("it waits");
    let told = world.until_told(&first, "gate.lost").await;
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("canceled")), "{told}");
    let change = world.until_state(&number, "4").await;
    assert!(change["close_notes"].as_str().is_some_and(|notes| notes.contains("canceled")), "{change:#}");
    world.judge_not_released(&first);
}

#[tokio::test]
async fn people_read_at_github_what_their_deployment_waits_for() {
    let world = Setup { one_process: true, ..Setup::default() }.start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    until_reported(&world, &deployment, &number).await;
    for nth in 0..8 {
        let held = if nth % 2 == 0 { "true" } else { "false" };
        world.service_now.set(&number, &[("state", "-4"), ("on_hold", held)]).expect("the change is there");
        if nth == 0 {
            until_reported(&world, &deployment, "is on hold").await;
        }
        until("the change is seen so", SOON, async || {
            let reports = world.at_github(&deployment).reports;
            let told = reports.last().is_some_and(|last| last.contains("on hold") == (nth % 2 == 0));
            (told || reports.len() >= 8).then_some(())
        })
        .await;
    }
    world.service_now.set(&number, &[("on_hold", "false")]).expect("the change is there");
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    let reports = world.at_github(&deployment).reports;
    assert!(reports.len() <= 8, "GitHub takes ten: {reports:#?}");
    assert!(reports.iter().all(|report| report.chars().count() <= 1_024), "{reports:#?}");
    world.github.finish(deployment.id, Outcome::Success).expect("it runs");
    world.until_state(&number, "3").await;
}
