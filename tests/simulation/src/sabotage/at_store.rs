//! A Store's client that breaks its promises.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};

use super::Sabotage;

/// What the keys of hints begin with.
const HINT: &str = "hint:";
const HINT_LIFE: Duration = Duration::from_secs(3600);

pub(super) struct BrokenStore {
    store: Arc<dyn Store>,
    sabotage: Sabotage,
    seen: Mutex<HashSet<(String, u64)>>,
}

impl BrokenStore {
    pub(super) fn new(store: Arc<dyn Store>, sabotage: Sabotage) -> Self {
        Self { store, sabotage, seen: Mutex::default() }
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError> {
        let claim = self.store.claim(key, value, ttl).await?;
        let forgets = matches!(self.sabotage, Sabotage::RememberNothing | Sabotage::HideRedelivered);
        Ok(if forgets { Claim::Won } else { claim })
    }

    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.store.swap(key, expected, value, ttl).await
    }

    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError> {
        self.store.release(key, expected).await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let held = self.store.get(key).await?;
        match self.sabotage {
            Sabotage::RememberNothing => Ok(None),
            Sabotage::HintBeforeConfirm if key.starts_with(HINT) && held.is_none() => {
                self.store.put(key, "1", HINT_LIFE).await.map(|()| None)
            }
            _ => Ok(held),
        }
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError> {
        self.store.put(key, value, ttl).await
    }

    async fn present(&self, keys: &[String]) -> Result<Vec<bool>, StoreError> {
        self.store.present(keys).await
    }

    /// By a number alone: a tick that was seen before is taken for a copy's, so it grows for ever.
    async fn advance(&self, key: &str, tick: u64, tag: &str, ttl: Duration) -> Result<Chain, StoreError> {
        if self.sabotage == Sabotage::WatchDroppedByNumber && tick > 0 {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let known = !seen.insert((key.to_owned(), tick));
            return Ok(Chain::Other { tick: if known { u64::MAX } else { tick } });
        }
        let chain = self.store.advance(key, tick, tag, ttl).await?;
        Ok(if self.sabotage == Sabotage::RememberNothing { Chain::Holder } else { chain })
    }

    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<(), StoreError> {
        self.store.project(projection, field, value).await
    }

    async fn unproject(&self, projection: &str, field: &str) -> Result<(), StoreError> {
        self.store.unproject(projection, field).await
    }

    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>, StoreError> {
        self.store.projected(projection, field).await
    }

    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.store.projection(projection, limit).await
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.store.epoch().await
    }

    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Admission, StoreError> {
        self.store.acquire(instance, holder, limit, lease).await
    }

    async fn give_back(&self, instance: &str, holder: &str) -> Result<(), StoreError> {
        self.store.give_back(instance, holder).await
    }

    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError> {
        self.store.pause(instance, pause).await
    }

    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError> {
        self.store.paused(instance).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
