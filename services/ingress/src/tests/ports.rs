//! A broker that records what it is given and fails as told, and a Store in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::{AttributesReader, Event};
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Inbox, LogEntry, Prefetch, PublishError, Standing,
};
use interlock_runtime::ports::spool::{Entry, Fill, Spool, SpoolError};
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};

#[derive(Default)]
pub struct RecordingBroker {
    pub published: Mutex<Vec<Event>>,
    /// How many of them came out of the spool.
    pub again: AtomicUsize,
    /// So many publications are refused.
    pub refuse: AtomicUsize,
    /// So many publications find a full queue.
    pub full: AtomicUsize,
    /// The event of this id is refused for ever.
    pub poison: Mutex<String>,
    /// How often it was tried.
    pub tried: AtomicUsize,
    /// No publication is ever confirmed.
    pub hang: AtomicBool,
    /// A core queue is missing.
    pub missing: AtomicBool,
    pub checks: AtomicUsize,
}

impl RecordingBroker {
    pub fn published(&self) -> Vec<Event> {
        self.published.lock().unwrap().clone()
    }
}

fn not_here<T>() -> Result<T, BrokerError> {
    Err(BrokerError::Unavailable("ingress must not ask for this".into()))
}

#[async_trait]
impl Broker for RecordingBroker {
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let refuse = self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let poison = self.poison.lock().unwrap().clone();
        if refuse.is_ok() || events.iter().any(|event| event.id() == poison) {
            return Err(PublishError::Refused { what: "event".into(), reason: "unroutable".into() });
        }
        if self.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(PublishError::Full { what: "event".into() });
        }
        self.again.fetch_add(if again { events.len() } else { 0 }, Ordering::SeqCst);
        self.published.lock().unwrap().extend_from_slice(events);
        Ok(())
    }

    async fn consume(&self, _: &'static str, _: Prefetch) -> Result<Box<dyn Inbox>, BrokerError> {
        not_here()
    }

    async fn check(&self) -> Result<(), BrokerError> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        if self.missing.load(Ordering::SeqCst) {
            return Err(BrokerError::Missing("interlock.change-worker".into()));
        }
        Ok(())
    }

    async fn apply_topology(&self) -> Result<(), BrokerError> {
        not_here()
    }

    async fn reassert(&self, _: &'static str) -> Result<Standing, BrokerError> {
        not_here()
    }

    async fn log(&self, _: DateTime<Utc>, _: &[&str], _: usize) -> Result<Vec<LogEntry>, BrokerError> {
        not_here()
    }

    async fn take_up(&self, _: &'static str, _: &[Event]) -> Result<(), PublishError> {
        Err(PublishError::Gone("ingress must not ask for this".into()))
    }

    async fn owe(&self, _: &'static str, _: &[Event]) -> Result<(), PublishError> {
        Err(PublishError::Gone("ingress must not ask for this".into()))
    }

    async fn dead_letters(&self, _: &str, _: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        not_here()
    }

    async fn replay_dead_letter(
        &self,
        _: &str,
        _: &str,
        _: Option<&Event>,
        _: &str,
    ) -> Result<bool, BrokerError> {
        not_here()
    }

    async fn drop_dead_letter(&self, _: &str, _: &str) -> Result<bool, BrokerError> {
        not_here()
    }

    async fn close(&self) {}
}

/// As much as the tests of the drain need; the real one has tests of its own.
#[derive(Default)]
pub struct MemorySpool {
    pub entries: Mutex<Vec<Entry>>,
    pub aside: Mutex<Vec<String>>,
    /// It takes no more than this.
    pub room: AtomicUsize,
}

impl MemorySpool {
    /// Puts an entry in that cannot be read.
    pub fn spoil(&self) {
        let mut entries = self.entries.lock().unwrap();
        let id = entries.last().map_or(1, |last| last.id + 1);
        entries.push(Entry { id, events: Err("no JSON".into()) });
    }
}

#[async_trait]
impl Spool for MemorySpool {
    async fn keep(&self, events: &[Event]) -> Result<(), SpoolError> {
        let mut entries = self.entries.lock().unwrap();
        if entries.len() >= self.room.load(Ordering::SeqCst) {
            return Err(SpoolError::Full { entries: entries.len() as u64, bytes: 0 });
        }
        let id = entries.last().map_or(1, |last| last.id + 1);
        entries.push(Entry { id, events: Ok(events.to_vec()) });
        Ok(())
    }

    async fn oldest(&self, limit: usize) -> Result<Vec<Entry>, SpoolError> {
        Ok(self.entries.lock().unwrap().iter().take(limit).cloned().collect())
    }

    async fn forget(&self, ids: &[i64]) -> Result<(), SpoolError> {
        self.entries.lock().unwrap().retain(|entry| !ids.contains(&entry.id));
        Ok(())
    }

    async fn set_aside(&self, id: i64, reason: &str) -> Result<(), SpoolError> {
        self.aside.lock().unwrap().push(reason.to_owned());
        self.forget(&[id]).await
    }

    fn fill(&self) -> Fill {
        let entries = self.entries.lock().unwrap().len();
        Fill {
            entries: entries as u64,
            has_room: entries < self.room.load(Ordering::SeqCst),
            ..Fill::default()
        }
    }
}

#[derive(Default)]
pub struct MemoryStore {
    entries: Mutex<BTreeMap<String, String>>,
    /// It does not answer.
    pub gone: AtomicBool,
}

impl MemoryStore {
    pub fn keys(&self) -> Vec<String> {
        self.entries.lock().unwrap().keys().cloned().collect()
    }

    async fn answer<T>(
        &self,
        answer: impl FnOnce(&mut BTreeMap<String, String>) -> T,
    ) -> Result<T, StoreError> {
        if self.gone.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(answer(&mut self.entries.lock().unwrap()))
    }
}

fn unasked<T>() -> Result<T, StoreError> {
    Err(StoreError("ingress must not ask for this".into()))
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, _: &str, _: &str, _: Duration) -> Result<Claim, StoreError> {
        unasked()
    }

    async fn swap(&self, _: &str, _: &str, _: &str, _: Duration) -> Result<bool, StoreError> {
        unasked()
    }

    async fn release(&self, _: &str, _: &str) -> Result<bool, StoreError> {
        unasked()
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.answer(|entries| entries.get(key).cloned()).await
    }

    async fn put(&self, key: &str, value: &str, _: Duration) -> Result<(), StoreError> {
        self.answer(|entries| drop(entries.insert(key.to_owned(), value.to_owned()))).await
    }

    async fn present(&self, _: &[String]) -> Result<Vec<bool>, StoreError> {
        unasked()
    }

    async fn advance(&self, _: &str, _: u64, _: &str, _: Duration) -> Result<Chain, StoreError> {
        unasked()
    }

    async fn project(&self, _: &str, _: &str, _: &str) -> Result<(), StoreError> {
        unasked()
    }

    async fn unproject(&self, _: &str, _: &str) -> Result<(), StoreError> {
        unasked()
    }

    async fn projected(&self, _: &str, _: &str) -> Result<Option<String>, StoreError> {
        unasked()
    }

    async fn projection(&self, _: &str, _: usize) -> Result<Vec<(String, String)>, StoreError> {
        unasked()
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        unasked()
    }

    async fn acquire(&self, _: &str, _: &str, _: u32, _: Duration) -> Result<Admission, StoreError> {
        unasked()
    }

    async fn give_back(&self, _: &str, _: &str) -> Result<(), StoreError> {
        unasked()
    }

    async fn pause(&self, _: &str, _: Duration) -> Result<(), StoreError> {
        unasked()
    }

    async fn paused(&self, _: &str) -> Result<Option<Duration>, StoreError> {
        unasked()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        unasked()
    }
}
