//! A Store in memory: expiry by tokio's clock, answers inline, can be flushed or gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};
use tokio::time::{Instant, sleep};

use crate::process::Process;

/// How long a call to a Store that is gone takes to fail.
const GONE_AFTER: Duration = Duration::from_millis(50);
/// `present` answers for so many keys at once.
const KEYS_MAX: usize = 1_000;

/// What all processes share.
#[derive(Debug)]
pub struct StoreCore {
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    keys: HashMap<String, (String, Instant)>,
    chains: HashMap<String, (u64, String, Instant)>,
    projections: BTreeMap<String, BTreeMap<String, String>>,
    permits: BTreeMap<String, BTreeMap<String, Instant>>,
    pauses: BTreeMap<String, Instant>,
    epoch: u64,
    /// Set at the first look.
    since: Option<(DateTime<Utc>, Instant)>,
    away_until: Option<Instant>,
}

impl Memory {
    fn empty(epoch: u64) -> Self {
        Self {
            keys: HashMap::new(),
            chains: HashMap::new(),
            projections: BTreeMap::new(),
            permits: BTreeMap::new(),
            pauses: BTreeMap::new(),
            epoch,
            since: None,
            away_until: None,
        }
    }

    fn live(&self, key: &str) -> Option<&String> {
        self.keys.get(key).filter(|(_, ends)| *ends > Instant::now()).map(|(value, _)| value)
    }

    fn set(&mut self, key: &str, value: &str, ttl: Duration) {
        self.keys.insert(key.to_owned(), (value.to_owned(), Instant::now() + ttl));
    }
}

impl StoreCore {
    /// An empty Store.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { memory: Mutex::new(Memory::empty(1)) })
    }

    /// Forgets everything, as FLUSHALL does.
    pub fn flush(&self) {
        let mut memory = self.lock();
        let (epoch, away) = (memory.epoch + 1, memory.away_until);
        *memory = Memory { away_until: away, ..Memory::empty(epoch) };
    }

    /// Is gone for a while.
    pub fn away(&self, how_long: Duration) {
        self.lock().away_until = Some(Instant::now() + how_long);
    }

    /// The Store as one process has it.
    #[must_use]
    pub fn of(self: &Arc<Self>, process: &Arc<Process>, clock: &Arc<dyn Clock>) -> SimStore {
        SimStore { core: self.clone(), process: process.clone(), clock: clock.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self) -> bool {
        self.lock().away_until.is_some_and(|until| Instant::now() < until)
    }
}

/// One process's connection to the Store.
pub struct SimStore {
    core: Arc<StoreCore>,
    process: Arc<Process>,
    clock: Arc<dyn Clock>,
}

impl SimStore {
    async fn call<T>(&self, what: &str, work: impl FnOnce(&mut Memory) -> T + Send) -> Result<T, StoreError>
    where
        T: Send,
    {
        self.process.point(what).await;
        if self.core.is_away() {
            sleep(GONE_AFTER).await;
            return Err(StoreError("it is gone".into()));
        }
        Ok(work(&mut self.core.lock()))
    }
}

#[async_trait]
impl Store for SimStore {
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError> {
        self.call("store claim", |memory| match memory.live(key) {
            Some(held) => Claim::Held(held.clone()),
            None => {
                memory.set(key, value, ttl);
                Claim::Won
            }
        })
        .await
    }

    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.call("store swap", |memory| {
            let holds = memory.live(key).is_some_and(|held| held == expected);
            if holds {
                memory.set(key, value, ttl);
            }
            holds
        })
        .await
    }

    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError> {
        self.call("store release", |memory| {
            let holds = memory.live(key).is_some_and(|held| held == expected);
            if holds {
                memory.keys.remove(key);
            }
            holds
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.call("store get", |memory| memory.live(key).cloned()).await
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError> {
        self.call("store put", |memory| memory.set(key, value, ttl)).await
    }

    async fn present(&self, keys: &[String]) -> Result<Vec<bool>, StoreError> {
        if keys.len() > KEYS_MAX {
            return Err(StoreError(format!("more than {KEYS_MAX} keys")));
        }
        self.call("store present", |memory| keys.iter().map(|key| memory.live(key).is_some()).collect()).await
    }

    async fn advance(&self, key: &str, tick: u64, tag: &str, ttl: Duration) -> Result<Chain, StoreError> {
        self.call("store advance", |memory| {
            let now = Instant::now();
            let held = memory.chains.get(key).filter(|(_, _, ends)| *ends > now);
            match held {
                Some((held_tick, held_tag, _))
                    if tick < *held_tick || (tick == *held_tick && tag != held_tag) =>
                {
                    Chain::Other { tick: *held_tick }
                }
                _ => {
                    memory.chains.insert(key.to_owned(), (tick, tag.to_owned(), now + ttl));
                    Chain::Holder
                }
            }
        })
        .await
    }

    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<(), StoreError> {
        self.call("store project", |memory| {
            let map = memory.projections.entry(projection.to_owned()).or_default();
            map.insert(field.to_owned(), value.to_owned());
        })
        .await
    }

    async fn unproject(&self, projection: &str, field: &str) -> Result<(), StoreError> {
        self.call("store unproject", |memory| {
            if let Some(map) = memory.projections.get_mut(projection) {
                map.remove(field);
            }
        })
        .await
    }

    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>, StoreError> {
        self.call("store projected", |memory| memory.projections.get(projection)?.get(field).cloned()).await
    }

    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.call("store projection", |memory| {
            let map = memory.projections.get(projection).into_iter().flatten();
            map.take(limit).map(|(field, value)| (field.clone(), value.clone())).collect()
        })
        .await
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        let now = self.clock.now();
        self.call("store epoch", |memory| {
            let (since, instant) = *memory.since.get_or_insert((now, Instant::now()));
            Epoch { id: memory.epoch.to_string(), since, age: instant.elapsed() }
        })
        .await
    }

    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Admission, StoreError> {
        self.call("store acquire", |memory| {
            let now = Instant::now();
            if let Some(until) = memory.pauses.get(instance).filter(|until| **until > now) {
                return Admission::Paused(*until - now);
            }
            let held = memory.permits.entry(instance.to_owned()).or_default();
            held.retain(|_, ends| *ends > now);
            let full = held.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            if full && !held.contains_key(holder) {
                return Admission::Busy(Duration::from_millis(100));
            }
            held.insert(holder.to_owned(), now + lease);
            Admission::Admitted
        })
        .await
    }

    async fn give_back(&self, instance: &str, holder: &str) -> Result<(), StoreError> {
        self.call("store give back", |memory| {
            if let Some(held) = memory.permits.get_mut(instance) {
                held.remove(holder);
            }
        })
        .await
    }

    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError> {
        self.call("store pause", |memory| {
            let until = Instant::now() + pause;
            let kept = memory.pauses.entry(instance.to_owned()).or_insert(until);
            *kept = (*kept).max(until);
        })
        .await
    }

    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError> {
        self.call("store paused", |memory| {
            let until = memory.pauses.get(instance)?;
            until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call("store ping", |_| ()).await
    }
}
