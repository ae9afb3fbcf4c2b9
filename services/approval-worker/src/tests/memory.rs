//! A Store in memory, by tokio's clock. It can be flushed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, StoreError>;

#[derive(Default)]
pub struct Memory(Mutex<Held>);

#[derive(Default)]
struct Held {
    keys: HashMap<String, (String, Instant)>,
    projections: BTreeMap<String, BTreeMap<String, String>>,
    pauses: HashMap<String, Instant>,
    epoch: u32,
    young: bool,
}

impl Held {
    fn live(&self, key: &str) -> Option<&String> {
        self.keys.get(key).filter(|(_, ends)| *ends > Instant::now()).map(|(value, _)| value)
    }

    fn set(&mut self, key: &str, value: &str, ttl: Duration) {
        self.keys.insert(key.to_owned(), (value.to_owned(), Instant::now() + ttl));
    }
}

impl Memory {
    /// Forgets everything, as FLUSHALL does.
    pub fn flush(&self) {
        let epoch = self.held().epoch + 1;
        *self.held() = Held { epoch, ..Held::default() };
    }

    /// It was begun just now, whatever it knows.
    #[allow(dead_code, reason = "change-worker's tests share this file")]
    pub fn be_young(&self) {
        self.held().young = true;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim> {
        let mut held = self.held();
        if let Some(value) = held.live(key) {
            return Ok(Claim::Held(value.clone()));
        }
        held.set(key, value, ttl);
        Ok(Claim::Won)
    }
    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool> {
        let mut held = self.held();
        let holds = held.live(key).is_some_and(|held| held == expected);
        if holds {
            held.set(key, value, ttl);
        }
        Ok(holds)
    }
    async fn release(&self, key: &str, expected: &str) -> Result<bool> {
        let mut held = self.held();
        let holds = held.live(key).is_some_and(|held| held == expected);
        if holds {
            held.keys.remove(key);
        }
        Ok(holds)
    }
    async fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(self.held().live(key).cloned())
    }
    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        self.held().set(key, value, ttl);
        Ok(())
    }
    async fn present(&self, keys: &[String]) -> Result<Vec<bool>> {
        let held = self.held();
        Ok(keys.iter().map(|key| held.live(key).is_some()).collect())
    }
    async fn advance(&self, _: &str, _: u64, _: &str, _: Duration) -> Result<Chain> {
        Ok(Chain::Holder)
    }
    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<()> {
        let mut held = self.held();
        held.projections.entry(projection.to_owned()).or_default().insert(field.to_owned(), value.to_owned());
        Ok(())
    }
    async fn unproject(&self, projection: &str, field: &str) -> Result<()> {
        self.held().projections.entry(projection.to_owned()).or_default().remove(field);
        Ok(())
    }
    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>> {
        Ok(self.held().projections.get(projection).and_then(|fields| fields.get(field)).cloned())
    }
    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let held = self.held();
        let fields = held.projections.get(projection).into_iter().flatten();
        Ok(fields.take(limit).map(|(field, value)| (field.clone(), value.clone())).collect())
    }
    async fn epoch(&self) -> Result<Epoch> {
        let Held { epoch, young, .. } = &*self.held();
        let age = Duration::from_secs(if *young { 0 } else { 3_600 });
        Ok(Epoch { id: epoch.to_string(), since: DateTime::UNIX_EPOCH, age })
    }
    async fn acquire(&self, instance: &str, _: &str, _: u32, _: Duration) -> Result<Admission> {
        Ok(self.paused(instance).await?.map_or(Admission::Admitted, Admission::Paused))
    }
    async fn give_back(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
    async fn pause(&self, instance: &str, pause: Duration) -> Result<()> {
        self.held().pauses.insert(instance.to_owned(), Instant::now() + pause);
        Ok(())
    }
    async fn paused(&self, instance: &str) -> Result<Option<Duration>> {
        let until = self.held().pauses.get(instance).copied();
        let left = until.and_then(|until| until.checked_duration_since(Instant::now()));
        Ok(left.filter(|left| !left.is_zero()))
    }
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
