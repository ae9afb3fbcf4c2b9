//! The Spool in one SQLite file, for a single process of ingress.

mod file;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use async_trait::async_trait;
use interlock_events::Event;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::spool::{Entry, Fill, Spool, SpoolError};
use rusqlite::Connection;
use tokio::runtime::Handle;

use crate::embedded::failure::Failure;
use crate::embedded::lock::Lock;
use crate::embedded::writer::Writer;

const ONE_PROCESS: &str =
    "a spool has room for one process; stop that one, or give each process of ingress a folder of its own";

/// How much a spool may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Entries, those set aside too.
    pub entries: u64,
    /// Bytes of all entries; the file is somewhat larger, and does not shrink.
    pub bytes: u64,
}

/// What came in while RabbitMQ did not take it.
pub struct FileSpool {
    writer: Writer,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    fill: Arc<Mutex<Fill>>,
}

impl FileSpool {
    /// Opens, or begins, the spool in `directory`, and locks it until the spool is dropped. What a former process
    /// left in it waits again, also what it had set aside. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When another process holds the directory, which the message names; when the file cannot be used.
    pub fn open(directory: &Path, bounds: Bounds, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        Handle::try_current().context("a spool needs a tokio runtime")?;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
        let lock = Lock::take(directory, ONE_PROCESS)?;
        let connection = file::open(directory)?;
        let fill = file::fill(&connection, bounds).context("cannot read the spool")?;
        if fill.entries > 0 {
            tracing::info!(entries = fill.entries, "the spool holds what a former process took in");
        }
        // Its task ends with the writer, and the lock with its task.
        let (writer, _) = Writer::start(connection, lock);
        Ok(Arc::new(Self { writer, clock, bounds, fill: Arc::new(Mutex::new(fill)) }))
    }

    /// Changes the file, and notes within the same transaction how full it is then.
    async fn change(
        &self,
        change: impl FnOnce(&Connection) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), SpoolError> {
        let (bounds, noted) = (self.bounds, self.fill.clone());
        let changed = self.writer.ask(move |connection, _| {
            change(connection)?;
            note(&noted, file::fill(connection, bounds)?);
            Ok(())
        });
        changed.await.map_err(storage)
    }
}

#[async_trait]
impl Spool for FileSpool {
    async fn keep(&self, events: &[Event]) -> Result<(), SpoolError> {
        let bytes = serde_json::to_vec(events).map_err(|fault| SpoolError::Storage(fault.to_string()))?;
        let (at, bounds, noted) = (self.clock.now().timestamp_millis(), self.bounds, self.fill.clone());
        let kept = self.writer.ask(move |connection, _| {
            let kept = file::keep(connection, at, &bytes, bounds)?;
            if let Some(fill) = kept {
                note(&noted, fill);
            }
            Ok(kept.is_some())
        });
        if kept.await.map_err(storage)? {
            return Ok(());
        }
        let Fill { entries, bytes, .. } = self.fill();
        Err(SpoolError::Full { entries, bytes })
    }

    async fn oldest(&self, limit: usize) -> Result<Vec<Entry>, SpoolError> {
        self.writer.ask(move |connection, _| file::oldest(connection, limit)).await.map_err(storage)
    }

    async fn forget(&self, ids: &[i64]) -> Result<(), SpoolError> {
        let ids = ids.to_vec();
        self.change(move |connection| file::forget(connection, &ids)).await
    }

    async fn set_aside(&self, id: i64, reason: &str) -> Result<(), SpoolError> {
        let reason = reason.to_owned();
        self.change(move |connection| file::set_aside(connection, id, &reason)).await
    }

    fn fill(&self) -> Fill {
        *self.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(noted: &Mutex<Fill>, fill: Fill) {
    *noted.lock().unwrap_or_else(PoisonError::into_inner) = fill;
}

fn storage(failure: Failure) -> SpoolError {
    SpoolError::Storage(failure.to_string())
}
