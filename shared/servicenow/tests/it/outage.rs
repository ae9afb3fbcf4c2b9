//! An instance that does not answer is left alone by all, and asked by one at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use interlock_events::{DeploymentKey, KeyHash};
use interlock_servicenow::{Class, Lane, ServiceNow};
use interlock_simulators::servicenow::{Effect, Fault};
use tokio::time::{Instant, advance};

use crate::world::World;

const DOWN: Effect = Effect::Down { reset: true };

fn key(number: usize) -> KeyHash {
    let occurrence = number.to_string();
    DeploymentKey { occurrence, ..crate::world::key() }.hash()
}

async fn look_up(client: &ServiceNow, number: usize) -> Result<(), Class> {
    client.changes_of(&key(number), Lane::Gate).await.map(|_| ()).map_err(|error| error.class())
}

/// Looks up one deployment after the other, as watches do, until `within` is over.
async fn keep_looking(clients: &[&ServiceNow], within: Duration) {
    let end = Instant::now() + within;
    for number in 0.. {
        for client in clients {
            let _ = look_up(client, number % 200).await;
        }
        if Instant::now() >= end {
            return;
        }
        advance(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_answer_is_left_alone_by_all_processes() {
    for effect in [DOWN, Effect::Down { reset: false }, Effect::Html200, Effect::Maintenance503] {
        let world = World::new();
        let other = world.another_process();
        world.sim.fault(Fault::forever(effect.clone())).unwrap();
        keep_looking(&[&world.client, &other], Duration::from_secs(120)).await;
        let calls = world.calls();
        assert!((4..=20).contains(&calls), "{effect:?}: {calls} calls in two minutes");
        let before = world.calls();
        for number in 0..200 {
            assert!(matches!(look_up(&other, number).await, Err(Class::Paused(_))));
        }
        assert_eq!(world.calls(), before, "nobody else calls");

        world.sim.clear_faults();
        advance(Duration::from_secs(61)).await;
        keep_looking(&[&world.client, &other], Duration::from_secs(1)).await;
        look_up(&world.client, 1).await.unwrap();
        look_up(&other, 2).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_hangs_is_left_alone_too() {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::TimeoutBeforeCommit { hang_ms: 60_000 })).unwrap();
    keep_looking(&[&world.client], Duration::from_secs(300)).await;
    assert!(world.calls() <= 15, "{} calls in five minutes", world.calls());
}

#[tokio::test(start_paused = true)]
async fn one_slow_record_pauses_nobody() {
    let world = World::new();
    let slow = key(0).correlation_prefix();
    for _ in 0..20 {
        world.sim.fault(Fault::once(Effect::TimeoutBeforeCommit { hang_ms: 60_000 })).unwrap();
        assert_eq!(look_up(&world.client, 0).await, Err(Class::Transient), "{slow}");
        look_up(&world.client, 1).await.unwrap();
    }
    world.sim.fault(Fault::forever(Effect::TimeoutBeforeCommit { hang_ms: 60_000 })).unwrap();
    for _ in 0..20 {
        assert_eq!(look_up(&world.client, 0).await, Err(Class::Transient), "the same record again");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failing_table_pauses_nobody() {
    let world = World::new();
    let other = world.another_process();
    let fault = Fault::forever(Effect::Status { code: 500, body: None }).on_table("change_request");
    world.sim.fault(fault).unwrap();
    for number in 0..60 {
        let client = if number % 2 == 0 { &world.client } else { &other };
        assert_eq!(look_up(client, number).await, Err(Class::Transient), "look-up {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_by_one_call_at_a_time_then_by_two() {
    let world = World::new();
    world.sim.fault(Fault::forever(DOWN)).unwrap();
    keep_looking(&[&world.client], Duration::from_secs(10)).await;
    world.sim.clear_faults();
    world.sim.fault(Fault::forever(Effect::Latency { ms: 300 })).unwrap();
    advance(Duration::from_secs(61)).await;
    let mut most_at_once = Vec::new();
    for _ in 0..8 {
        let calls: Vec<_> = (0..30)
            .map(|number| {
                let client = world.client.clone();
                tokio::spawn(async move { look_up(&client, number).await.is_ok() })
            })
            .collect();
        let mut done = 0;
        for call in calls {
            done += usize::from(call.await.unwrap());
        }
        most_at_once.push(done);
    }
    assert_eq!(most_at_once[..4], [1, 1, 2, 2], "{most_at_once:?}");
    assert!(*most_at_once.last().unwrap() > 4, "{most_at_once:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_in_between_forgets_no_outage() {
    let world = World::new();
    let other = world.another_process();
    world.sim.fault(Fault::forever(DOWN)).unwrap();
    keep_looking(&[&world.client, &other], Duration::from_secs(60)).await;
    let before = world.calls();
    for _ in 0..12 {
        world.store.flush();
        keep_looking(&[&world.client, &other], Duration::from_secs(5)).await;
    }
    assert!(world.calls() - before <= 5, "{} calls in a minute with twelve flushes", world.calls() - before);
    world.store.flush();
    world.sim.clear_faults();
    advance(Duration::from_secs(61)).await;
    look_up(&world.client, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_the_store_each_process_leaves_it_alone_by_itself() {
    let world = World::new();
    world.store.gone.store(true, Ordering::SeqCst);
    world.sim.fault(Fault::forever(DOWN)).unwrap();
    keep_looking(&[&world.client], Duration::from_secs(120)).await;
    assert!((4..=15).contains(&world.calls()), "{} calls in two minutes", world.calls());
    world.sim.clear_faults();
    advance(Duration::from_secs(61)).await;
    look_up(&world.client, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_to_ask_is_told_at_once() {
    let world = World::new();
    world.sim.fault(Fault::forever(DOWN)).unwrap();
    keep_looking(&[&world.client], Duration::from_secs(1)).await;
    advance(Duration::from_secs(61)).await;
    let before = world.calls();
    let began = Instant::now();
    let hurried = world.client.before(began + Duration::from_secs(4));
    assert!(matches!(look_up(&hurried, 1).await, Err(Class::Paused(_))));
    assert_eq!((world.calls(), began.elapsed()), (before, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_are_tried_a_few_times_an_hour() {
    let world = World::with_password("wrong");
    let other = world.another_process();
    assert_eq!(look_up(&world.client, 0).await, Err(Class::Permanent));
    keep_looking(&[&world.client, &other], Duration::from_secs(3_600)).await;
    assert!((4..=14).contains(&world.calls()), "{} logins in an hour", world.calls());
    assert!(world.client.refused().is_some_and(|said| said.contains("401") && !said.contains("wrong")));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_changed_is_tried_at_once() {
    let world = World::with_password("wrong");
    let other = world.another_process();
    keep_looking(&[&world.client, &other], Duration::from_secs(1_800)).await;
    assert!(matches!(look_up(&world.client, 0).await, Err(Class::Paused(_))));
    world.rotate("interlock");
    let began = Instant::now();
    look_up(&world.client, 1).await.unwrap();
    assert_eq!(world.client.refused(), None);
    look_up(&other, 2).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_cannot_come_again_asks_every_few_seconds_whether_it_is_back() {
    let world = World::new();
    world.sim.fault(Fault::forever(DOWN)).unwrap();
    keep_looking(&[&world.client], Duration::from_secs(120)).await;
    let last_chance = world.client.patiently();
    let before = world.calls();
    keep_looking(&[&last_chance], Duration::from_secs(30)).await;
    let asked = world.calls() - before;
    assert!((4..=9).contains(&asked), "{asked} questions in half a minute");
    world.sim.clear_faults();
    assert!(
        matches!(look_up(&world.client, 1).await, Err(Class::Paused(_))),
        "others wait for the pause to end"
    );
    advance(Duration::from_secs(4)).await;
    look_up(&last_chance, 2).await.unwrap();
}
