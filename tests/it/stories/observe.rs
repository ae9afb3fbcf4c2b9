//! `mode: observe` of `deploy/examples`: nothing is held, everything is told.

use std::time::Duration;

use interlock_events::AttributesReader;
use interlock_simulators::github::{Outcome, StartDeployment};
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, SOON, World, until};

use super::patterns::{number, start, until_change};

fn deploy_to_staging(world: &World) -> Deployment {
    let wish = StartDeployment::new("acme/payments-api", "staging");
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

async fn until_noted(world: &World, change: &str, what: &str) {
    until(&format!("`{what}` stands in the notes of {change}"), SOON, async || {
        let journal = world.service_now.records("sys_journal_field");
        let noted = |entry: &serde_json::Value| {
            entry["element_id"] == change && entry["value"].as_str().is_some_and(|said| said.contains(what))
        };
        journal.iter().any(noted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_policy_that_observes_releases_at_once_and_tells_what_it_would_have_said() {
    let world = start("observe.yaml").await;
    let held = world.deploy("acme/payments-api");
    let deployment = deploy_to_staging(&world);
    world.until_gate(&deployment, "approved").await;
    let released = &world.at_gate(&deployment, "gate.released")[0];
    let comment = released.ids.get("detail").cloned().unwrap_or_default();
    assert!(
        comment.contains("released without a permit, because the policy `default` only observes"),
        "{comment}"
    );
    let told = world.until_told(&deployment, "gate.observed").await;
    let instead = told["instead_of"].as_str().unwrap_or_default();
    assert!(instead.starts_with("wait: ") && told["policy"] == "default", "{told}");
    let change = until_change(&world, &deployment, "-4").await;
    until_noted(&world, change["sys_id"].as_str().unwrap_or_default(), "only observes").await;
    // It is followed as any other: approved while the job runs, it is closed with its result.
    world.approve(&number(&change));
    world.succeed(&deployment).await;
    let change = world.until_state(&number(&change), "3").await;
    assert_eq!(change["close_code"], "successful");
    assert_eq!(world.releases_of(&deployment), 1);
    let events = world.events_of(&deployment).await;
    let permitted = events.iter().filter(|event| event.ty().contains("gate.released")).count();
    assert_eq!(permitted, 0, "no record permitted it");
    let asked = world.until_asked(&held).await;
    assert_eq!(world.at_github(&held).gate, "open", "another policy holds this one");
    world.approve(&asked);
    world.until_gate(&held, "approved").await;
    world.judge_released(&held);
}

#[tokio::test]
async fn what_is_observed_and_rejected_runs_all_the_same_and_its_change_says_so() {
    let world = start("observe.yaml").await;
    let deployment = deploy_to_staging(&world);
    let change = until_change(&world, &deployment, "-4").await;
    world.until_gate(&deployment, "approved").await;
    world.service_now.reject(&number(&change), None, "not today").expect("somebody is asked");
    until("the job runs", SOON, async || (world.at_github(&deployment).job == "in_progress").then_some(()))
        .await;
    world.github.finish(deployment.id, Outcome::Success).expect("a running job can end");
    let change = world.until_state(&number(&change), "4").await;
    let notes = change["close_notes"].as_str().unwrap_or_default();
    assert!(notes.contains("went on without an approval that stands"), "{notes}");
}

#[tokio::test]
async fn an_observed_gate_waits_for_no_servicenow() {
    let world = start("observe.yaml").await;
    world.service_now.fault(Fault::forever(Effect::Down { reset: true })).expect("there is room for a fault");
    world.github.clock().set_skew(chrono::TimeDelta::seconds(-50));
    let deployment = deploy_to_staging(&world);
    world.github.clock().set_skew(chrono::TimeDelta::zero());
    world.until_gate_within(&deployment, "approved", Duration::from_secs(60)).await;
    let told = world.until_told(&deployment, "gate.observed").await;
    assert_eq!(told["change"], serde_json::Value::Null, "{told}");
}
