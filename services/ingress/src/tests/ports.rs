//! A broker that records what it is given and fails as told, and a Store in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Inbox, LogEntry, Prefetch, PublishError, Standing,
};
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};

#[derive(Default)]
pub struct RecordingBroker {
    pub published: Mutex<Vec<Event>>,
    /// So many publications are refused.
    pub refuse: AtomicUsize,
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
        assert!(!again, "a webhook is no repeat of ours");
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let refuse = self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if refuse.is_ok() {
            return Err(PublishError::Refused { what: "event".into(), reason: "full".into() });
        }
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

    async fn dead_letters(&self, _: &str, _: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        not_here()
    }

    async fn replay_dead_letter(&self, _: &str, _: &str, _: &str) -> Result<bool, BrokerError> {
        not_here()
    }

    async fn close(&self) {}
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

    async fn ping(&self) -> Result<(), StoreError> {
        unasked()
    }
}
