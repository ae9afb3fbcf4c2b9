//! What is not there: ServiceNow, Redis, the broker, a queue, a binding.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_broker::topology;
use interlock_events::{DeploymentRequested, EventData};
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Role, SOON, Setup, World, until};
use lapin::options::QueueDeleteOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

const REPOSITORY: &str = "acme/payments-api";
const TAKEN_UP: &str = "interlock_taken_up_total";

#[tokio::test]
async fn with_servicenow_and_redis_down_the_gate_is_rejected_at_its_deadline() {
    let setup = Setup { policy: "    approval: { timeout_minutes: 1 }", ..Setup::default() };
    let mut world = setup.prepare().await;
    world.redis.kill9();
    world.service_now.fault(Fault::forever(Effect::Down { reset: true })).expect("there is room for a fault");
    world.start_all().await;
    let deployment = world.deploy_ago(REPOSITORY, TimeDelta::seconds(30));
    // The deadline is 60 s after the request, and it is decided within 60 s more.
    world.until_gate_within(&deployment, "rejected", Duration::from_secs(90)).await;
    let rejected = world.at_gate(&deployment, "gate.rejected");
    let waited = rejected[0].at - world.at_github(&deployment).created_at;
    assert!(waited > TimeDelta::seconds(59), "rejected before its deadline: after {waited}");
    world.until_told(&deployment, "approval.expired").await;
    world.until_told(&deployment, "gate.rejected").await;
    world.judge_not_released(&deployment);
    assert!(world.changes_of(&deployment).is_empty());
}

#[tokio::test]
async fn without_broker_and_spool_ingress_is_not_ready_and_recovers_by_itself() {
    let mut world = Setup { private_broker: true, spool_entries: None, ..Setup::default() }.prepare().await;
    world.private_broker().kill9();
    world.launch_all();
    let posted = until("ingress answers a webhook", SOON, async || world.post_probe().await).await;
    assert_eq!(posted.status, 503, "{posted:?}");
    assert!(posted.retry_after.is_some(), "{posted:?}");
    for role in [Role::Ingress, Role::ChangeWorker, Role::ApprovalWorker] {
        assert_eq!(world.readiness(role).await, Some(503), "{} is ready without a broker", role.name());
    }
    world.private_broker().restart();
    for role in [Role::Ingress, Role::ChangeWorker, Role::ApprovalWorker] {
        world.until_ready(role).await;
    }
    let posted = until("ingress answers a webhook", SOON, async || world.post_probe().await).await;
    assert_eq!(posted.status, 202, "{posted:?}");
    let deployment = world.deploy(REPOSITORY);
    world.until_asked(&deployment).await;
}

#[tokio::test]
async fn a_queue_that_is_deleted_while_its_worker_is_stopped_closes_ingress_and_is_taken_up_from_the_log() {
    let mut world = Setup { spool_entries: None, ..Setup::default() }.start().await;
    world.stop(Role::ChangeWorker);
    let (_connection, channel) = channel(&world).await;
    let queue = topology::intake("change-worker");
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.expect("deleted");
    let lost = world.deploy(REPOSITORY);
    world.until_told(&lost, "deployment.requested").await;
    until("ingress is not ready", Duration::from_secs(15), async || {
        world.readiness(Role::Ingress).await.filter(|status| *status == 503)
    })
    .await;
    let posted = world.post_probe().await.expect("ingress answers");
    assert_eq!(posted.status, 503, "{posted:?}");
    assert!(posted.retry_after.is_some(), "{posted:?}");
    assert!(world.changes_of(&lost).is_empty(), "nobody has heard of it");
    world.start_role(Role::ChangeWorker).await;
    let number = world.until_asked(&lost).await;
    world.until_ready(Role::Ingress).await;
    world.approve(&number);
    world.until_gate(&lost, "approved").await;
    world.judge_released(&lost);
}

#[tokio::test]
async fn a_binding_that_is_deleted_beneath_a_running_worker_is_restored_and_the_hole_is_taken_up() {
    what_falls_past_a_binding_is_taken_up(async |_| {}).await;
}

#[tokio::test]
async fn what_fell_past_a_binding_is_taken_up_also_when_redis_forgot_what_has_come() {
    what_falls_past_a_binding_is_taken_up(async |world| world.redis.flush()).await;
}

async fn what_falls_past_a_binding_is_taken_up(meanwhile: impl AsyncFnOnce(&World)) {
    let world = World::start().await;
    let seen = world.deploy("acme/before");
    world.until_asked(&seen).await;
    let (_connection, channel) = channel(&world).await;
    let queue = topology::intake("change-worker");
    // Frozen for a moment, so that it does not restore the binding before the hole has swallowed anything.
    world.freeze(Role::ChangeWorker);
    let (exchange, key) = (topology::EVENTS, DeploymentRequested::TYPE);
    channel
        .queue_unbind(queue.as_str().into(), exchange.into(), key.into(), FieldTable::default())
        .await
        .expect("unbound");
    let lost = world.deploy(REPOSITORY);
    world.until_told(&lost, "deployment.requested").await;
    meanwhile(&world).await;
    world.thaw(Role::ChangeWorker);
    until_bound_again(&world).await;
    world.until_asked(&lost).await;
    assert!(world.metric(Role::ChangeWorker, TAKEN_UP, &[]).await >= 1.0, "it was taken up from the log");
    assert_eq!(world.changes_of(&lost).len(), 1);
    assert_eq!(world.changes_of(&seen).len(), 1);
}

/// Nothing says whether a binding stands but what comes through it: deployments that need no change do no harm.
async fn until_bound_again(world: &World) {
    const IGNORED: [&str; 2] = [r#"type="io.interlock.deployment.requested.v1""#, r#"outcome="ignored""#];
    let count = async || world.metric(Role::ChangeWorker, "interlock_deliveries_total", &IGNORED).await;
    let (before, mut asked) = (count().await, 0);
    until("the binding is restored", Duration::from_secs(10), async || {
        if asked % 10 == 0 {
            world.deploy_ungated("acme/probe");
        }
        asked += 1;
        (count().await > before).then_some(())
    })
    .await;
}

async fn channel(world: &World) -> (Connection, Channel) {
    let connecting = Connection::connect(world.amqp_url(), ConnectionProperties::default());
    let connection = connecting.await.expect("the broker is there");
    let channel = connection.create_channel().await.expect("a connection has room for a channel");
    (connection, channel)
}
