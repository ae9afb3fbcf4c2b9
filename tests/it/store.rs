//! The Store's conformance on Redis and on SQLite, and what only a server can do: forget, stop, freeze.

use std::sync::Arc;
use std::time::Duration;

use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::store::{Claim, Store};
use interlock_store::{EmbeddedStore, RedisStore};
use interlock_tests::servers::PrivateRedis;
use interlock_tests::store_conformance::{Subject, everything_errs_in_time, until};

const LONG: Duration = Duration::from_secs(600);

fn store_on(redis: &PrivateRedis, prefix: &str) -> Arc<dyn Store> {
    RedisStore::open(&redis.redis_url(), prefix, Arc::new(SystemClock)).expect("the URL is one of Redis")
}

/// A server and its Store; starting a server blocks.
async fn redis() -> (PrivateRedis, Arc<dyn Store>) {
    let redis = tokio::task::spawn_blocking(PrivateRedis::start).await.expect("it starts");
    let store = store_on(&redis, "interlock:");
    (redis, store)
}

mod on_redis {
    use super::*;

    async fn subject() -> Subject {
        let (redis, store) = redis().await;
        Subject { store, keep: Box::new(redis) }
    }

    interlock_tests::store_conformance!(subject);
}

mod embedded {
    use super::*;

    async fn subject() -> Subject {
        let directory = tempfile::tempdir().expect("a directory");
        let store = EmbeddedStore::open(directory.path(), Arc::new(SystemClock)).expect("it opens");
        Subject { store, keep: Box::new(directory) }
    }

    interlock_tests::store_conformance!(subject);
}

async fn answers(store: &Arc<dyn Store>) {
    until("the Store answers again", async || store.ping().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_begins_another_epoch() {
    let (redis, store) = redis().await;
    let before = store.epoch().await.expect("it answers");
    redis.flush();
    let after = store.epoch().await.expect("it answers");
    assert_ne!(after.id, before.id);
    assert!(after.since >= before.since);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_gone_is_told_in_time_and_found_again() {
    let (mut redis, store) = redis().await;
    let before = store.epoch().await.expect("it answers");
    redis.kill9();
    everything_errs_in_time(&store).await;
    let redis = tokio::task::spawn_blocking(move || {
        redis.restart();
        redis
    });
    let redis = redis.await.expect("it starts again");
    answers(&store).await;
    assert_ne!(store.epoch().await.expect("it answers").id, before.id);
    drop(redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_told_in_time_and_goes_on() {
    let (redis, store) = redis().await;
    let before = store.epoch().await.expect("it answers");
    redis.freeze();
    everything_errs_in_time(&store).await;
    redis.thaw();
    answers(&store).await;
    assert_eq!(store.epoch().await.expect("it answers").id, before.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_without_its_redis_and_finds_it_later() {
    let (mut redis, _) = redis().await;
    redis.kill9();
    let store = store_on(&redis, "interlock:");
    everything_errs_in_time(&store).await;
    let redis = tokio::task::spawn_blocking(move || {
        redis.restart();
        redis
    });
    let _redis = redis.await.expect("it starts again");
    answers(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_prefixes_share_a_redis_and_nothing_in_it() {
    let (redis, one) = redis().await;
    let other = store_on(&redis, "other:");
    assert_eq!(one.claim("create:a", "one", LONG).await.expect("it answers"), Claim::Won);
    assert_eq!(other.claim("create:a", "other", LONG).await.expect("it answers"), Claim::Won);
    assert_ne!(one.epoch().await.expect("it answers").id, other.epoch().await.expect("it answers").id);
}

#[test]
fn an_address_that_cannot_be_read_is_refused_without_its_password() {
    let refused = RedisStore::open("http://:hunter2@host:port", "interlock:", Arc::new(SystemClock));
    let fault = format!("{:#}", refused.err().expect("it is no Redis URL"));
    assert!(!fault.contains("hunter2"), "{fault}");
}
