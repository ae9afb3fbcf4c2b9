//! ServiceNow is away, or does not take our credentials: it is left alone by all, and afterwards all goes on.

use std::time::Duration;

use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, Role, Setup, World, until};

const DEPLOYMENTS: usize = 200;
/// A pause is a minute at most, a change comes again after half a minute.
const RECOVERED: Duration = Duration::from_secs(240);
/// Each change is some calls, four at once; a machine that does much else makes half a change a second.
const ALL_RECOVERED: Duration = Duration::from_secs(600);
const WORKERS: [Role; 2] = [Role::ChangeWorker, Role::ApprovalWorker];

fn calls(world: &World) -> usize {
    world.service_now.requests().find(&Default::default()).len()
}

async fn pass(time: Duration) {
    let end = tokio::time::Instant::now() + time;
    until("time passes", time * 2, async || (tokio::time::Instant::now() >= end).then_some(())).await;
}

/// Nothing of the outage was counted as an attempt, and nothing died of it.
async fn nothing_was_used_up(world: &World) {
    for role in WORKERS {
        for outcome in [r#"outcome="later""#, r#"outcome="dead""#] {
            let count = world.metric(role, "interlock_deliveries_total", &[outcome]).await;
            assert!(count == 0.0, "{}: {count} deliveries with {outcome}", role.name());
        }
    }
    assert_eq!(world.dead_letters().await, Vec::<String>::new());
}

#[tokio::test]
async fn with_servicenow_away_two_hundred_deployments_wait_and_then_go_on() {
    let world = Setup { poll_seconds: 5, ..Setup::default() }.start().await;
    world.service_now.fault(Fault::forever(Effect::Down { reset: true })).expect("there is room for a fault");
    let before = calls(&world);
    let all: Vec<Deployment> =
        (0..DEPLOYMENTS).map(|number| world.deploy(&format!("acme/service-{number}"))).collect();
    for _ in 0..4 {
        pass(Duration::from_secs(5)).await;
        world.redis.flush();
    }
    let during = calls(&world) - before;
    assert!((3..=60).contains(&during), "{during} calls while it was away, for {DEPLOYMENTS} deployments");
    nothing_was_used_up(&world).await;
    assert!(world.service_now.changes().is_empty());

    world.service_now.clear_faults();
    until("every deployment has its change", ALL_RECOVERED, async || {
        let asked =
            all.iter().filter(|one| world.changes_of(one).iter().any(|change| change["state"] == "-4"));
        (asked.count() == DEPLOYMENTS).then_some(())
    })
    .await;
    for deployment in &all {
        assert_eq!(world.live_changes_of(deployment).len(), 1);
    }
    for deployment in all.iter().step_by(DEPLOYMENTS / 10) {
        world.approve(&world.until_asked(deployment).await);
        world.until_gate_within(deployment, "approved", RECOVERED).await;
        world.judge_released(deployment);
    }
    nothing_was_used_up(&world).await;
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_once_and_a_new_secret_is_taken_up_by_itself() {
    let world = World::start().await;
    let waiting = world.deploy("acme/waiting");
    let number = world.until_asked(&waiting).await;
    world.set_service_now_password("wrong");
    let late = world.deploy("acme/late");
    let told = until("the fault is told", Duration::from_secs(40), async || faults(&world).await.pop()).await;
    assert!(told.contains("401"), "{told}");
    let before = calls(&world);
    pass(Duration::from_secs(20)).await;
    let logins = calls(&world) - before;
    assert!(logins <= 2, "{logins} logins with a wrong password in 20 s");
    assert_eq!(faults(&world).await.len(), 1, "told once");
    assert!(world.changes_of(&late).is_empty());

    world.set_service_now_password("interlock");
    let second = until("the other deployment has its change", RECOVERED, async || {
        let asked = world.changes_of(&late).into_iter().find(|change| change["state"] == "-4")?;
        asked["number"].as_str().map(ToOwned::to_owned)
    })
    .await;
    world.approve(&number);
    world.approve(&second);
    for deployment in [&waiting, &late] {
        world.until_gate_within(deployment, "approved", RECOVERED).await;
        world.judge_released(deployment);
    }
    assert_eq!(world.dead_letters().await, Vec::<String>::new());
}

/// The reasons of faults that were raised.
async fn faults(world: &World) -> Vec<String> {
    let raised = world.events().await.into_iter().filter(is_fault);
    raised.filter_map(|event| serde_json::to_string(&event).ok()).collect()
}

fn is_fault(event: &interlock_events::Event) -> bool {
    interlock_events::AttributesReader::ty(event) == "io.interlock.fault.raised.v1"
}
