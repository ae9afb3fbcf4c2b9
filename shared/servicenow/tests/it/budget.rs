//! Permits and pauses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use interlock_servicenow::{Class, Lane};
use interlock_simulators::servicenow::{Effect, Fault};
use tokio::time::Instant;

use crate::world::{World, key};

fn paused(class: Class) -> Duration {
    match class {
        Class::Paused(wait) => wait,
        other => panic!("{other:?} is no pause"),
    }
}

/// Waits until so many permits are out, a minute of paused time at most.
async fn until_out(world: &World, permits: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.store.out().len() < permits {
        assert!(Instant::now() < deadline, "{permits} permits are not out within a minute");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Slow calls hold all permits for gates.
async fn without_permits() -> World {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::Latency { ms: 19_000 })).unwrap();
    for _ in 0..4 {
        let client = world.client.clone();
        tokio::spawn(async move { client.changes_of(&key().hash(), Lane::Gate).await });
    }
    until_out(&world, 4).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_429_with_advice_pauses_everybody_for_as_long() {
    let world = World::new();
    world.sim.fault(Fault::once(Effect::RateLimit429 { retry_after: Some(120) })).unwrap();
    let error = world.client.probe().await.unwrap_err();
    assert_eq!(paused(error.class()), Duration::from_secs(120));
    let before = world.asked("GET", "/api");
    tokio::time::advance(Duration::from_secs(60)).await;
    let left = paused(world.client.probe().await.unwrap_err().class());
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(55), "{left:?}");
    assert_eq!(world.asked("GET", "/api"), before, "nothing is sent meanwhile");
    tokio::time::advance(Duration::from_secs(61)).await;
    world.client.probe().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_429_without_advice_backs_off_further_each_time() {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::RateLimit429 { retry_after: None })).unwrap();
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        let wait = paused(world.client.probe().await.unwrap_err().class());
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(60), "{wait:?}");
        longest = longest.max(wait);
        tokio::time::advance(wait).await;
    }
    assert!(longest > Duration::from_secs(4), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_without_advice_halves_the_permits_and_each_minute_gives_one_back() {
    let world = World::in_paused_time(|_| {});
    let limit = || async {
        world.sim.fault(Fault::once(Effect::Latency { ms: 50 })).unwrap();
        let client = world.client.clone();
        let call = tokio::spawn(async move { client.changes_of(&key().hash(), Lane::Gate).await });
        until_out(&world, 1).await;
        let limit = world.store.out().values().copied().max().unwrap();
        call.await.unwrap().unwrap();
        limit
    };
    assert_eq!(limit().await, 4);
    world.sim.fault(Fault::once(Effect::RateLimit429 { retry_after: None })).unwrap();
    let wait = paused(world.client.probe().await.unwrap_err().class());
    tokio::time::advance(wait).await;
    assert_eq!(limit().await, 2);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(limit().await, 3);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(limit().await, 4);
}

#[tokio::test(start_paused = true)]
async fn the_last_permit_is_kept_for_gates() {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::Latency { ms: 19_000 })).unwrap();
    for _ in 0..3 {
        let client = world.client.clone();
        tokio::spawn(async move { client.probe().await });
    }
    until_out(&world, 3).await;
    let began = Instant::now();
    let refused = world.client.probe().await.unwrap_err();
    assert!(paused(refused.class()) > Duration::ZERO);
    assert!(began.elapsed() <= Duration::from_secs(5), "other lanes wait 5 seconds at most");
    world.sim.clear_faults();
    world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gate_waits_two_seconds_for_a_permit_at_most() {
    let world = without_permits().await;
    let began = Instant::now();
    paused(world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err().class());
    assert!(began.elapsed() <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_come_again_waits_for_a_permit_as_long_as_its_deadline_allows() {
    let world = without_permits().await;
    let last = |seconds| world.client.patiently().before(Instant::now() + Duration::from_secs(seconds));
    let began = Instant::now();
    paused(last(8).changes_of(&key().hash(), Lane::Gate).await.unwrap_err().class());
    let waited = began.elapsed().as_secs();
    assert!((5..8).contains(&waited), "it waited {waited} s, and an answer needs some of its 8 s");
    world.sim.clear_faults();
    last(20).changes_of(&key().hash(), Lane::Gate).await.unwrap();
    let waited = began.elapsed().as_secs();
    assert!((15..25).contains(&waited), "the permits came back after {waited} s");
}

#[tokio::test(start_paused = true)]
async fn permits_come_back_whatever_becomes_of_the_call() {
    let world = World::new();
    world.client.probe().await.unwrap();
    world.sim.fault(Fault::once(Effect::Down { reset: true })).unwrap();
    world.client.probe().await.unwrap_err();
    assert_eq!(world.store.out().len(), 0);
    world.sim.fault(Fault::once(Effect::Latency { ms: 10_000 })).unwrap();
    let given_up = tokio::time::timeout(Duration::from_secs(1), world.client.probe()).await;
    assert!(given_up.is_err());
    while !world.store.out().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_store_one_call_is_made_at_a_time() {
    let world = World::new();
    world.store.gone.store(true, Ordering::SeqCst);
    world.sim.fault(Fault::forever(Effect::Latency { ms: 100 })).unwrap();
    let began = Instant::now();
    let calls = [(); 3].map(|()| {
        let client = world.client.clone();
        tokio::spawn(async move { client.probe().await })
    });
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_the_store_this_process_still_keeps_a_pause() {
    let world = World::new();
    world.store.gone.store(true, Ordering::SeqCst);
    world.sim.fault(Fault::once(Effect::RateLimit429 { retry_after: Some(30) })).unwrap();
    paused(world.client.probe().await.unwrap_err().class());
    let before = world.asked("GET", "/api");
    paused(world.client.probe().await.unwrap_err().class());
    assert_eq!(world.asked("GET", "/api"), before);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_before_the_deadline_that_it_was_given() {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::Latency { ms: 60_000 })).unwrap();
    let began = Instant::now();
    let error = world.client.before(began + Duration::from_secs(3)).probe().await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(began.elapsed().as_secs(), 3);
    let error = world.client.probe().await.unwrap_err();
    assert_eq!((error.class(), began.elapsed().as_secs()), (Class::Transient, 23), "a read has 20 seconds");
}
