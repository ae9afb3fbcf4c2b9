use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;

/// A clock that stands until it is moved.
#[derive(Default)]
struct Hand {
    millis: AtomicI64,
    drawn: AtomicU64,
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + self.millis.load(Ordering::SeqCst)).unwrap()
    }

    fn instant(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::SeqCst)
    }
}

struct Bench {
    directory: tempfile::TempDir,
    clock: Arc<Hand>,
    store: Arc<EmbeddedStore>,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hand::default());
    let store = EmbeddedStore::open(directory.path(), clock.clone()).unwrap();
    Bench { directory, clock, store }
}

impl Bench {
    fn pass(&self, seconds: i64) {
        self.clock.millis.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn reopen(&mut self) {
        let aside = tempfile::tempdir().unwrap();
        self.store = EmbeddedStore::open(aside.path(), self.clock.clone()).unwrap();
        self.store = EmbeddedStore::open(self.directory.path(), self.clock.clone()).unwrap();
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_claim_ends_at_its_time() {
    let bench = bench();
    assert_eq!(bench.store.claim("create:a", "one", MINUTE).await.unwrap(), Claim::Won);
    bench.pass(59);
    assert_eq!(bench.store.claim("create:a", "two", MINUTE).await.unwrap(), Claim::Held("one".into()));
    bench.pass(1);
    assert_eq!(bench.store.claim("create:a", "two", MINUTE).await.unwrap(), Claim::Won);
}

#[tokio::test]
async fn expired_entries_are_cleared_away_by_later_writes() {
    let bench = bench();
    for number in 0..100 {
        bench.store.put(&format!("hint:{number}"), "", MINUTE).await.unwrap();
    }
    bench.pass(61);
    for number in 0..10 {
        bench.store.put(&format!("later:{number}"), "", MINUTE).await.unwrap();
    }
    let connection = bench.store.connection.lock().unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 10);
}

#[tokio::test]
async fn everything_is_there_after_it_was_opened_again() {
    let mut bench = bench();
    bench.store.put("hint:a", "seen", MINUTE).await.unwrap();
    bench.store.project("gates", "a", "{}").await.unwrap();
    let before = bench.store.epoch().await.unwrap();
    bench.reopen();
    assert_eq!(bench.store.get("hint:a").await.unwrap().as_deref(), Some("seen"));
    assert_eq!(bench.store.projection("gates", 9).await.unwrap(), [("a".to_owned(), "{}".to_owned())]);
    assert_eq!(bench.store.epoch().await.unwrap().id, before.id);
}

#[tokio::test]
async fn another_start_of_the_machine_is_another_epoch() {
    let bench = bench();
    let before = bench.store.epoch().await.unwrap();
    bench.pass(90);
    assert_eq!(bench.store.epoch().await.unwrap().age, Duration::from_secs(90));
    bench.store.connection.lock().unwrap().execute("UPDATE epoch SET boot = 'another'", []).unwrap();
    let after = bench.store.epoch().await.unwrap();
    assert_ne!(after.id, before.id);
    assert_eq!(after.age, Duration::ZERO);
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lives() {
    let bench = bench();
    let refused = EmbeddedStore::open(bench.directory.path(), bench.clock.clone()).err().unwrap();
    assert!(refused.to_string().contains("held by another process"), "{refused:#}");
}

#[tokio::test]
async fn a_permit_ends_with_its_lease_and_a_pause_comes_first() {
    let bench = bench();
    let store = &bench.store;
    assert_eq!(store.acquire("prod", "a", 1, MINUTE).await.unwrap(), Admission::Admitted);
    assert!(matches!(store.acquire("prod", "b", 1, MINUTE).await.unwrap(), Admission::Busy(_)));
    bench.pass(60);
    assert_eq!(store.acquire("prod", "b", 1, MINUTE).await.unwrap(), Admission::Admitted);
    store.pause("prod", MINUTE).await.unwrap();
    store.pause("prod", Duration::from_secs(5)).await.unwrap();
    assert_eq!(store.acquire("prod", "b", 1, MINUTE).await.unwrap(), Admission::Paused(MINUTE));
}

#[tokio::test]
async fn more_keys_than_one_look_may_ask_for_are_refused() {
    let bench = bench();
    let keys: Vec<_> = (0..=crate::PRESENT_MAX).map(|number| number.to_string()).collect();
    assert!(bench.store.present(&keys).await.is_err());
    assert_eq!(bench.store.present(&keys[..2]).await.unwrap(), [false, false]);
}
