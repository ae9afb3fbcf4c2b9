//! The Store in one SQLite file, for a single process.
//!
//! Each call is one short transaction, carried out in the calling task: no helper thread, so that paused time in
//! tests stays exact. SQLite is told `synchronous = NORMAL`: a crash of the process loses nothing, a loss of
//! power may lose the last writes, and then another epoch begins.

mod calls;
mod file;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};
use rusqlite::{Connection, Transaction};

use crate::within_bound;

/// The Store within one process.
pub struct EmbeddedStore {
    connection: Mutex<Connection>,
    clock: Arc<dyn Clock>,
    boot: Option<String>,
}

impl EmbeddedStore {
    /// Opens, or begins, `store.sqlite3` in `directory`, and locks it for as long as the Store lives.
    ///
    /// # Errors
    /// When the file cannot be opened, or another process holds it.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let connection = file::open(directory)?;
        Ok(Arc::new(Self { connection: Mutex::new(connection), clock, boot: file::boot() }))
    }

    /// Carries out one call in one transaction, at one time.
    fn call<T>(
        &self,
        verb: &str,
        call: impl FnOnce(&Transaction<'_>, DateTime<Utc>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        // A panic cannot leave a transaction half done: it is rolled back as it unwinds.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transacted = connection.transaction().and_then(|transaction| {
            let value = call(&transaction, now)?;
            transaction.commit()?;
            Ok(value)
        });
        transacted.map_err(|fault| StoreError(format!("{verb}: {fault}")))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError> {
        self.call("claim", |tx, now| {
            if let Some(held) = calls::get(tx, key, now)? {
                return Ok(Claim::Held(held));
            }
            calls::put(tx, key, value, now, ttl)?;
            Ok(Claim::Won)
        })
    }

    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.call("swap", |tx, now| {
            let holds = calls::get(tx, key, now)?.as_deref() == Some(expected);
            if holds {
                calls::put(tx, key, value, now, ttl)?;
            }
            Ok(holds)
        })
    }

    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError> {
        self.call("release", |tx, now| {
            let holds = calls::get(tx, key, now)?.as_deref() == Some(expected);
            if holds {
                tx.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key])?;
            }
            Ok(holds)
        })
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.call("get", |tx, now| calls::get(tx, key, now))
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError> {
        self.call("put", |tx, now| calls::put(tx, key, value, now, ttl))
    }

    async fn present(&self, keys: &[String]) -> Result<Vec<bool>, StoreError> {
        within_bound(keys)?;
        self.call("present", |tx, now| {
            keys.iter().map(|key| Ok(calls::get(tx, key, now)?.is_some())).collect()
        })
    }

    async fn advance(&self, key: &str, tick: u64, tag: &str, ttl: Duration) -> Result<Chain, StoreError> {
        self.call("advance", |tx, now| calls::advance(tx, key, (tick, tag), now, ttl))
    }

    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<(), StoreError> {
        self.call("project", |tx, now| calls::project(tx, projection, field, value, now))
    }

    async fn unproject(&self, projection: &str, field: &str) -> Result<(), StoreError> {
        self.call("unproject", |tx, _| {
            tx.prepare_cached("DELETE FROM projection WHERE name = ?1 AND field = ?2")?
                .execute([projection, field])?;
            Ok(())
        })
    }

    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>, StoreError> {
        self.call("projected", |tx, _| calls::projected(tx, projection, field))
    }

    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.call("projection", |tx, _| calls::projection(tx, projection, limit))
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        let fresh = self.clock.tag();
        self.call("epoch", |tx, now| calls::epoch(tx, &fresh, self.boot.as_deref(), now))
    }

    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Admission, StoreError> {
        self.call("acquire", |tx, now| calls::acquire(tx, instance, holder, limit, (now, lease)))
    }

    async fn give_back(&self, instance: &str, holder: &str) -> Result<(), StoreError> {
        self.call("give_back", |tx, _| {
            tx.prepare_cached("DELETE FROM permit WHERE instance = ?1 AND holder = ?2")?
                .execute([instance, holder])?;
            Ok(())
        })
    }

    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError> {
        self.call("pause", |tx, now| calls::pause(tx, instance, now, pause))
    }

    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError> {
        self.call("paused", |tx, now| calls::paused(tx, instance, now))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call("ping", |tx, _| tx.query_row("SELECT 1", [], |_| Ok(())))
    }
}
