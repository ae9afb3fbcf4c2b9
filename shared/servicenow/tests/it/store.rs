//! A Store in memory, as far as the client uses one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};
use tokio::time::Instant;

/// Permits and pauses as a Store keeps them; it can be gone.
#[derive(Default)]
pub struct FakeStore {
    pub gone: AtomicBool,
    epoch: AtomicU64,
    permits: Mutex<BTreeMap<String, u32>>,
    pauses: Mutex<BTreeMap<String, Instant>>,
    keys: Mutex<BTreeMap<String, (String, Instant)>>,
}

impl FakeStore {
    fn there(&self) -> Result<(), StoreError> {
        if self.gone.load(Ordering::SeqCst) { Err(StoreError("gone".into())) } else { Ok(()) }
    }

    /// Forgets everything, as FLUSHALL does.
    pub fn flush(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.permits.lock().unwrap().clear();
        self.pauses.lock().unwrap().clear();
        self.keys.lock().unwrap().clear();
    }

    /// Permits that are out, and the limit that each was asked with.
    pub fn out(&self) -> BTreeMap<String, u32> {
        self.permits.lock().unwrap().clone()
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        _: Duration,
    ) -> Result<Admission, StoreError> {
        if let Some(left) = self.paused(instance).await? {
            return Ok(Admission::Paused(left));
        }
        let mut permits = self.permits.lock().unwrap();
        if permits.len() >= limit as usize {
            return Ok(Admission::Busy(Duration::from_millis(250)));
        }
        permits.insert(holder.to_owned(), limit);
        Ok(Admission::Admitted)
    }

    async fn give_back(&self, _: &str, holder: &str) -> Result<(), StoreError> {
        self.there()?;
        self.permits.lock().unwrap().remove(holder);
        Ok(())
    }

    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError> {
        self.there()?;
        self.pauses.lock().unwrap().insert(instance.to_owned(), Instant::now() + pause);
        Ok(())
    }

    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError> {
        self.there()?;
        let until = self.pauses.lock().unwrap().get(instance).copied();
        let left = until.and_then(|until| until.checked_duration_since(Instant::now()));
        Ok(left.filter(|left| !left.is_zero()))
    }

    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError> {
        self.there()?;
        let mut keys = self.keys.lock().unwrap();
        keys.retain(|_, (_, until)| *until > Instant::now());
        match keys.get(key) {
            Some((held, _)) => Ok(Claim::Held(held.clone())),
            None => {
                keys.insert(key.to_owned(), (value.to_owned(), Instant::now() + ttl));
                Ok(Claim::Won)
            }
        }
    }
    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.there()?;
        let holds = self.get(key).await?.as_deref() == Some(expected);
        if holds {
            self.put(key, value, ttl).await?;
        }
        Ok(holds)
    }
    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError> {
        self.there()?;
        let holds = self.get(key).await?.as_deref() == Some(expected);
        if holds {
            self.keys.lock().unwrap().remove(key);
        }
        Ok(holds)
    }
    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.there()?;
        let keys = self.keys.lock().unwrap();
        let held = keys.get(key).filter(|(_, until)| *until > Instant::now());
        Ok(held.map(|(value, _)| value.clone()))
    }
    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError> {
        self.there()?;
        self.keys.lock().unwrap().insert(key.to_owned(), (value.to_owned(), Instant::now() + ttl));
        Ok(())
    }
    async fn present(&self, _: &[String]) -> Result<Vec<bool>, StoreError> {
        unused()
    }
    async fn advance(&self, _: &str, _: u64, _: &str, _: Duration) -> Result<Chain, StoreError> {
        unused()
    }
    async fn project(&self, _: &str, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }
    async fn unproject(&self, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }
    async fn projected(&self, _: &str, _: &str) -> Result<Option<String>, StoreError> {
        unused()
    }
    async fn projection(&self, _: &str, _: usize) -> Result<Vec<(String, String)>, StoreError> {
        unused()
    }
    async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.there()?;
        let id = self.epoch.load(Ordering::SeqCst).to_string();
        Ok(Epoch { id, since: DateTime::UNIX_EPOCH, age: Duration::from_secs(3_600) })
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unused()
    }
}

fn unused<T>() -> Result<T, StoreError> {
    Err(StoreError("the client does not need this".into()))
}
