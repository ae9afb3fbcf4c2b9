//! While RabbitMQ is away ingress keeps what comes in on its own disk.

use chrono::TimeDelta;
use interlock_tests::world::{Deployment, Role, SOON, Setup, World, until};

const ENTRIES: &str = "interlock_spool_entries";

/// GitHub never had to be asked to send anything again.
fn nothing_was_refused(world: &World) {
    let deliveries = world.github.outbox().deliveries();
    let refused: Vec<_> = deliveries.iter().filter(|delivery| delivery.status != Some(202)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

async fn until_spooled(world: &World, entries: f64) {
    until("the spool holds it", SOON, async || {
        (world.metric(Role::Ingress, ENTRIES, &[]).await >= entries).then_some(())
    })
    .await;
}

async fn until_drained(world: &World) {
    until("the spool is empty", SOON, async || {
        let text = world.metric(Role::Ingress, "interlock_spooled_total", &[]).await;
        (text > 0.0 && world.metric(Role::Ingress, ENTRIES, &[]).await == 0.0).then_some(())
    })
    .await;
}

/// From the question to the closed change, all of them beside each other.
async fn go_well(world: &World, deployments: &[Deployment]) {
    let mut numbers = Vec::new();
    for deployment in deployments {
        let number = world.until_asked(deployment).await;
        world.approve(&number);
        numbers.push(number);
    }
    for deployment in deployments {
        world.until_gate(deployment, "approved").await;
        world.succeed(deployment).await;
    }
    for (deployment, number) in deployments.iter().zip(&numbers) {
        world.until_state(number, "3").await;
        world.judge_released(deployment);
        assert_eq!(world.changes_of(deployment).len(), 1, "one change was opened, and no extra");
    }
}

#[tokio::test]
async fn rabbitmq_is_killed_in_the_middle_of_a_load_and_no_webhook_is_refused_or_lost() {
    let mut world = Setup { private_broker: true, ..Setup::default() }.start().await;
    let mut deployments = Vec::new();
    for number in 0..12 {
        if number == 4 {
            world.private_broker().kill9();
        }
        deployments.push(world.deploy(&format!("acme/service-{number}")));
    }
    until_spooled(&world, 8.0).await;
    assert_eq!(world.readiness(Role::Ingress).await, Some(200), "there is room in the spool");
    world.private_broker().restart();
    go_well(&world, &deployments).await;
    until_drained(&world).await;
    nothing_was_refused(&world);
}

#[tokio::test]
async fn ingress_is_killed_while_it_holds_a_spool_and_publishes_it_in_its_next_life() {
    let mut world = Setup { private_broker: true, ..Setup::default() }.start().await;
    world.private_broker().kill9();
    let deployment = world.deploy("acme/payments-api");
    until_spooled(&world, 1.0).await;
    until("GitHub has its answer", SOON, async || (world.github.outbox().pending() == 0).then_some(())).await;
    nothing_was_refused(&world);
    world.kill(Role::Ingress);
    world.private_broker().restart();
    world.start_role(Role::Ingress).await;
    go_well(&world, &[deployment]).await;
}

#[tokio::test]
async fn a_spool_that_is_full_answers_503_and_what_it_took_is_published() {
    let setup = Setup { private_broker: true, spool_entries: Some(3), ..Setup::default() };
    let mut world = setup.start().await;
    world.private_broker().kill9();
    let posted = until("ingress answers 503", SOON, async || {
        world.post_probe().await.filter(|posted| posted.status == 503)
    })
    .await;
    assert!(posted.retry_after.is_some(), "{posted:?}");
    assert_eq!(world.metric(Role::Ingress, ENTRIES, &[]).await, 3.0);
    until("ingress is not ready", SOON, async || {
        world.readiness(Role::Ingress).await.filter(|status| *status == 503)
    })
    .await;
    world.private_broker().restart();
    world.until_ready(Role::Ingress).await;
    until_drained(&world).await;
    go_well(&world, &[world.deploy("acme/payments-api")]).await;
}

#[tokio::test]
async fn a_spooled_request_that_is_published_after_its_deadline_is_rejected_as_late_and_opens_no_change() {
    let policy = "    approval: { timeout_minutes: 1 }";
    let mut world = Setup { private_broker: true, policy, ..Setup::default() }.start().await;
    world.private_broker().kill9();
    let deployment = world.deploy_ago("acme/payments-api", TimeDelta::minutes(5));
    until_spooled(&world, 1.0).await;
    world.private_broker().restart();
    world.until_gate(&deployment, "rejected").await;
    world.until_told(&deployment, "gate.rejected").await;
    until_drained(&world).await;
    world.judge_not_released(&deployment);
    assert!(world.changes_of(&deployment).is_empty(), "nobody is asked for what is decided");
}
