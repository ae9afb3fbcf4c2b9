//! Two processes before an instance that takes so many calls an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interlock_servicenow::{Class, Lane, ServiceNow};
use interlock_simulators::servicenow::{Effect, Fault};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::Instant;

use crate::world::{World, canned, key};

fn limited(per_hour: u32) -> World {
    let world = World::in_paused_time(|knobs| knobs.rate_limit_flush_s = 0);
    let rule = [("limit", per_hour.to_string()), ("active", "true".into()), ("name", "all".into())];
    let rule: Vec<(&str, &str)> = rule.iter().map(|(field, value)| (*field, value.as_str())).collect();
    world.sim.insert("sys_rate_limit_rules", &rule).unwrap();
    world
}

/// Calls one after the other for as long as it is let.
fn bulk(client: ServiceNow, done: Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match client.probe().await {
                Ok(_) => done.fetch_add(1, Ordering::SeqCst),
                Err(_) => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
        }
    })
}

#[tokio::test(start_paused = true)]
async fn under_a_thousand_calls_an_hour_no_gate_waits_behind_the_bulk_of_two_processes() {
    let world = limited(1_000);
    world.sim.fault(Fault::forever(Effect::Latency { ms: 200 })).unwrap();
    let (other, done) = (world.another_process(), Arc::<AtomicUsize>::default());
    let bulks: Vec<_> = (0..12)
        .map(|nth| bulk(if nth % 2 == 0 { world.client.clone() } else { other.clone() }, done.clone()))
        .collect();
    let began = Instant::now();
    let mut nth = 0;
    while began.elapsed() < Duration::from_secs(50 * 60) {
        let (client, asked) = (if nth % 2 == 0 { &world.client } else { &other }, Instant::now());
        client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(1), "gate call {nth} took {:?}", asked.elapsed());
        nth += 1;
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    bulks.iter().for_each(tokio::task::JoinHandle::abort);
    let done = done.load(Ordering::SeqCst);
    assert!((600..=710).contains(&done), "the bulk made {done} calls of the 700 that it may");
    assert!(nth >= 240, "{nth} gate calls");
    let refused = world.sim.requests().find(&Default::default());
    assert_eq!(refused.iter().filter(|request| request.status == 429).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_429_nobody_calls_before_the_hour_is_over_but_for_calls_under_way() {
    let world = limited(40);
    world.sim.fault(Fault::forever(Effect::Latency { ms: 200 })).unwrap();
    let other = world.another_process();
    let gates: Vec<_> = (0..8)
        .map(|nth| {
            let client = if nth % 2 == 0 { world.client.clone() } else { other.clone() };
            tokio::spawn(async move {
                loop {
                    let _ = client.changes_of(&key().hash(), Lane::Gate).await;
                    tokio::time::sleep(Duration::from_millis(700)).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(5 * 60)).await;
    let (newcomer, before) = (world.another_process(), world.calls());
    newcomer.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
    assert_eq!(world.calls(), before, "a process that was refused nothing itself knows of the pause");
    tokio::time::sleep(Duration::from_secs(49 * 60)).await;
    gates.iter().for_each(tokio::task::JoinHandle::abort);
    let log = world.sim.requests().find(&Default::default());
    let refused: Vec<_> = log.iter().filter(|request| request.status == 429).collect();
    let first = refused.first().expect("the limit is reached").at;
    let next_hour = (first.timestamp() / 3_600 + 1) * 3_600;
    let before: Vec<_> =
        log.iter().filter(|request| request.at >= first && request.at.timestamp() < next_hour).collect();
    assert!(before.len() <= 4, "{before:#?}");
    assert!(before.iter().all(|request| (request.at - first).num_milliseconds() <= 250), "{before:#?}");
    assert!(log.iter().any(|request| request.at.timestamp() >= next_hour), "then it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_429_that_names_a_rule_and_no_pause_is_one_until_the_hour_ends() {
    let (http, client) = canned();
    let now = chrono::Utc::now().timestamp();
    let reset = (now / 3_600 + 1) * 3_600;
    http.headed(429, &[("x-ratelimit-limit", "1000".into()), ("x-ratelimit-reset", reset.to_string())]);
    let error = client.probe().await.unwrap_err();
    let Class::Paused(wait) = error.class() else { panic!("{error}") };
    let left = reset - now;
    assert!((left - 20..=left).contains(&i64::try_from(wait.as_secs()).unwrap()), "{wait:?} of {left} s");
}

#[tokio::test(start_paused = true)]
async fn permits_that_one_process_does_without_all_do_without() {
    let world = World::in_paused_time(|_| {});
    world.sim.fault(Fault::once(Effect::RateLimit429 { retry_after: None })).unwrap();
    world.client.probe().await.unwrap_err();
    tokio::time::advance(Duration::from_secs(30)).await;
    let other = world.another_process();
    world.sim.fault(Fault::forever(Effect::Latency { ms: 1_000 })).unwrap();
    for _ in 0..4 {
        let client = other.clone();
        tokio::spawn(async move { client.changes_of(&key().hash(), Lane::Gate).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.store.out().len(), 2, "half of the four");
}

#[test]
fn the_hours_calls_and_who_is_held_back_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let world = limited(10);
            for _ in 0..7 {
                world.client.probe().await.unwrap();
            }
            let error = world.client.probe().await.unwrap_err();
            assert!(error.to_string().contains("kept for gates"), "{error}");
            world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
        });
    });
    let text = metrics.render();
    for line in [
        "interlock_servicenow_hour_limit{instance=\"acme.example.com\"} 10",
        "interlock_servicenow_hour_calls{instance=\"acme.example.com\"} 8",
        "interlock_servicenow_permits{instance=\"acme.example.com\"} 4",
        "interlock_servicenow_held_back_total{instance=\"acme.example.com\",lane=\"rest\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
