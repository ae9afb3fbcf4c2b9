//! The main story and its two other ends.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_events::AttributesReader;
use interlock_simulators::github::{Fault, FaultKind, Outcome};
use interlock_tests::world::{SOON, World, until};

const REPOSITORY: &str = "acme/payments-api";

#[tokio::test]
async fn approval_in_servicenow_releases_the_gate_and_success_closes_the_change() {
    let world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    assert_eq!(world.at_github(&deployment).gate, "open", "nobody has approved yet");
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.until_state(&number, "-1").await;
    world.succeed(&deployment).await;
    let change = world.until_state(&number, "3").await;
    assert_eq!(change["close_code"], "successful");
    assert!(change["close_notes"].as_str().is_some_and(|notes| notes.contains("succeeded")), "{change:#}");
    for told in ["change.opened", "approval.granted", "gate.released", "deployment.finished", "change.closed"]
    {
        world.until_told(&deployment, told).await;
    }
    world.judge_released(&deployment);
}

#[tokio::test]
async fn a_deployment_that_fails_closes_its_change_as_unsuccessful() {
    let world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    until("the job runs", SOON, async || (world.at_github(&deployment).job == "in_progress").then_some(()))
        .await;
    world.github.finish(deployment.id, Outcome::Failure).expect("a running job can fail");
    let change = world.until_state(&number, "3").await;
    assert_eq!(change["close_code"], "unsuccessful");
    world.judge_released(&deployment);
}

#[tokio::test]
async fn a_gate_that_github_would_not_show_when_it_was_approved_opens_long_before_its_watch_ticks() {
    let world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    let unavailable = FaultKind::Status { code: 502, body: None };
    assert!(world.github.fault(Fault::on("/actions/runs/", unavailable).method("GET").times(6)));
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.judge_released(&deployment);
}

#[tokio::test]
async fn rejection_in_servicenow_rejects_the_gate_and_cancels_the_change() {
    let world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.service_now.reject(&number, None, "not today").expect("somebody is asked");
    world.until_gate(&deployment, "rejected").await;
    world.until_state(&number, "4").await;
    let told = world.until_told(&deployment, "gate.rejected").await;
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains(&number)), "{told}");
    world.until_told(&deployment, "approval.rejected").await;
    world.until_told(&deployment, "change.canceled").await;
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_rejected_change_that_people_submit_again_and_approve_releases_where_the_policy_waits() {
    let policy = "    approval: { on_rejection: wait }";
    let world = interlock_tests::world::Setup { policy, ..Default::default() }.start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.service_now.reject(&number, None, "the test plan is missing").expect("somebody is asked");
    until("people read at GitHub that it may be submitted again", SOON, async || {
        let reports = world.at_github(&deployment).reports;
        reports.into_iter().find(|report| report.contains("may be submitted again"))
    })
    .await;
    assert_eq!(world.at_github(&deployment).gate, "open");
    world.until_state(&number, "-5").await;
    let rejected_at = chrono::Utc::now();
    world.service_now.submit(&number).expect("a person may submit it again");
    until("times on the wire are whole seconds", SOON, async || {
        (chrono::Utc::now() - rejected_at > TimeDelta::seconds(1)).then_some(())
    })
    .await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.until_state(&number, "-1").await;
    world.succeed(&deployment).await;
    world.until_state(&number, "3").await;
    world.judge_released(&deployment);
    let told = world.events_of(&deployment).await;
    let withdrawn = told.iter().filter(|event| event.ty().contains("withdrawn")).count();
    assert_eq!(withdrawn, 0, "the first round's rejection takes nothing back");
}

#[tokio::test]
async fn a_gate_that_nobody_approves_is_rejected_at_its_deadline() {
    let setup = interlock_tests::world::Setup {
        policy: "    approval: { timeout_minutes: 1 }",
        ..Default::default()
    };
    let world = setup.start().await;
    let deployment = world.deploy_ago(REPOSITORY, TimeDelta::seconds(40));
    let number = world.until_asked(&deployment).await;
    world.until_gate_within(&deployment, "rejected", Duration::from_secs(60)).await;
    let rejected = world.at_gate(&deployment, "gate.rejected");
    let waited = rejected[0].at - world.at_github(&deployment).created_at;
    // Times on the wire are whole seconds.
    assert!(waited > TimeDelta::seconds(59), "rejected before its deadline: after {waited}");
    world.until_state(&number, "4").await;
    world.until_told(&deployment, "approval.expired").await;
    world.until_told(&deployment, "gate.rejected").await;
    world.judge_not_released(&deployment);
}
