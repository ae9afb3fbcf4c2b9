//! Crashes in the middle of the story: each ends as if nothing had happened, with one change and one release.

use chrono::TimeDelta;
use interlock_tests::world::{Deployment, Role, SOON, Setup, World, until};

const REPOSITORY: &str = "acme/payments-api";

/// Without hints a gate is looked at every two minutes, and more often when its deadline is near.
const LOOKS_SOON: &str = "    approval: { timeout_minutes: 1 }";
const AGO: TimeDelta = TimeDelta::seconds(31);

/// From the approval to the closed change, and what must hold then.
async fn goes_well(world: &World, deployment: &Deployment, number: &str) {
    world.until_gate(deployment, "approved").await;
    world.until_state(number, "-1").await;
    world.succeed(deployment).await;
    world.until_state(number, "3").await;
    for told in ["gate.released", "change.closed"] {
        world.until_told(deployment, told).await;
    }
    world.judge_released(deployment);
}

#[tokio::test]
async fn ingress_is_killed_in_the_middle() {
    let mut world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.kill(Role::Ingress);
    // ServiceNow's webhooks are lost; the batched poll finds the approval, and GitHub repeats on request.
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.start_role(Role::Ingress).await;
    until("what GitHub sent meanwhile is sent again", SOON, async || {
        (world.redeliver_refused().await > 0).then_some(())
    })
    .await;
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn change_worker_is_killed_before_the_change_is_approved() {
    let mut world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.kill(Role::ChangeWorker);
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.start_role(Role::ChangeWorker).await;
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn change_worker_is_killed_while_it_creates() {
    let mut world = World::start().await;
    world.service_now.fault(hang_after_commit()).expect("there is room for a fault");
    let deployment = world.deploy(REPOSITORY);
    until("the change is created", SOON, async || (!world.changes_of(&deployment).is_empty()).then_some(()))
        .await;
    world.kill(Role::ChangeWorker);
    world.start_role(Role::ChangeWorker).await;
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    goes_well(&world, &deployment, &number).await;
    assert_eq!(world.changes_of(&deployment).len(), 1, "what was created is found again");
}

#[tokio::test]
async fn approval_worker_is_killed_before_the_change_is_approved() {
    let mut world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.kill(Role::ApprovalWorker);
    world.approve(&number);
    world.start_role(Role::ApprovalWorker).await;
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn approval_worker_is_killed_while_it_answers() {
    use interlock_simulators::github::{Fault, FaultKind};
    let mut world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.github.fault(Fault::on("deployment_protection_rule", FaultKind::TimeoutAfterCommit).times(1));
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.kill(Role::ApprovalWorker);
    world.start_role(Role::ApprovalWorker).await;
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn approval_worker_is_killed_between_the_release_and_the_telling_of_it() {
    let mut world = Setup { private_broker: true, policy: LOOKS_SOON, ..Setup::default() }.start().await;
    let deployment = world.deploy_ago(REPOSITORY, AGO);
    let number = world.until_asked(&deployment).await;
    // The batched poll needs no broker to find the approval; telling of it does.
    world.private_broker().freeze();
    world.approve(&number);
    until("the release is concluded", SOON, async || {
        world.log(Role::ApprovalWorker).contains("conclusion=Released").then_some(())
    })
    .await;
    world.kill(Role::ApprovalWorker);
    world.private_broker().thaw();
    world.start_role(Role::ApprovalWorker).await;
    world.redeliver_refused().await;
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn redis_is_flushed_in_the_middle() {
    let world = Setup { policy: LOOKS_SOON, ..Setup::default() }.start().await;
    let deployment = world.deploy_ago(REPOSITORY, AGO);
    let number = world.until_asked(&deployment).await;
    world.redis.flush();
    world.approve(&number);
    goes_well(&world, &deployment, &number).await;
}

#[tokio::test]
async fn redis_is_flushed_before_the_change_is_opened() {
    let world = Setup { policy: LOOKS_SOON, ..Setup::default() }.start().await;
    world.redis.flush();
    let deployment = world.deploy_ago(REPOSITORY, AGO);
    let number = world.until_asked(&deployment).await;
    world.redis.flush();
    world.approve(&number);
    goes_well(&world, &deployment, &number).await;
    assert_eq!(world.changes_of(&deployment).len(), 1, "no second change was opened");
}

#[tokio::test]
async fn every_webhook_comes_three_times() {
    let world = World::start().await;
    world.github.turn(|knobs| knobs.webhook_copies = 2);
    world.repeat_service_now_webhooks(2);
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    goes_well(&world, &deployment, &number).await;
    assert_eq!(world.changes_of(&deployment).len(), 1, "one change was opened, and no extra");
}

#[tokio::test]
async fn every_webhook_comes_again_after_redis_forgot_the_first() {
    let world = World::start().await;
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    // Without its hints ingress takes a repeat for a new webhook, and publishes it once more.
    world.redis.flush();
    assert!(world.redeliver_all().await >= 3, "a request is more than one webhook");
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.redis.flush();
    world.redeliver_all().await;
    goes_well(&world, &deployment, &number).await;
    world.redis.flush();
    world.redeliver_all().await;
    let last = world.deploy("acme/ledger");
    world.until_asked(&last).await;
    assert_eq!(world.changes_of(&deployment).len(), 1, "one change was opened, and no extra");
    world.judge_released(&deployment);
}

#[tokio::test]
async fn rabbitmq_is_killed_in_the_middle_and_ingress_without_a_spool_answers_503_meanwhile() {
    let mut world = Setup { private_broker: true, spool_entries: None, ..Setup::default() }.start().await;
    let before = world.deploy(REPOSITORY);
    let first = world.until_asked(&before).await;
    world.private_broker().kill9();
    until("ingress answers 503", SOON, async || {
        let posted = world.post_probe().await?;
        (posted.status == 503).then(|| assert!(posted.retry_after.is_some(), "503 without Retry-After"))
    })
    .await;
    let meanwhile = world.deploy("acme/ledger");
    world.approve(&first);
    until("GitHub was refused", SOON, async || {
        let refused = world.github.outbox().deliveries().iter().any(|delivery| delivery.status == Some(503));
        (refused && world.github.outbox().pending() == 0).then_some(())
    })
    .await;
    world.private_broker().restart();
    for role in [Role::Ingress, Role::ChangeWorker, Role::ApprovalWorker] {
        world.until_ready(role).await;
    }
    assert!(world.redeliver_refused().await > 0, "there was something to send again");
    goes_well(&world, &before, &first).await;
    let second = world.until_asked(&meanwhile).await;
    world.approve(&second);
    goes_well(&world, &meanwhile, &second).await;
}

fn hang_after_commit() -> interlock_simulators::servicenow::Fault {
    use interlock_simulators::servicenow::{Effect, Fault};
    Fault::once(Effect::TimeoutAfterCommit { hang_ms: 60_000 }).on_method("POST").on_table("change_request")
}
