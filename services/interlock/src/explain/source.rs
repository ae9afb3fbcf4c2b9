//! Where a story is read: the embedded broker's file, or RabbitMQ and Redis.

use std::sync::Arc;

use chrono::TimeDelta;
use interlock_broker::topology::LOG_DAYS;
use interlock_events::KeyHash;
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::broker::LogEntry;
use interlock_runtime::ports::clock::{Clock, SystemClock};
use interlock_runtime::ports::store::Store;

use super::gate::{self, Gate};
use crate::ports::{self, Bench};

/// So much of the log is looked through; more would not fit into the memory of a small machine.
const ENTRIES_MAX: usize = 200_000;
const WAITING_MAX: usize = 100_000;

/// The log, and the copies of open gates.
pub struct Source {
    bench: Bench,
    store: Option<Arc<dyn Store>>,
}

/// Opens what the configuration names, for reading.
pub async fn open(config: &Config) -> anyhow::Result<Source> {
    let bench = ports::bench(config).await?;
    // An embedded Store is held by the process that runs; an embedded broker shows the gate itself.
    let store = match config.store.place {
        Place::Remote(_) => Some(ports::store(config, Arc::new(SystemClock))?),
        Place::Embedded(_) => None,
    };
    Ok(Source { bench, store })
}

impl Source {
    /// The log as far as it is kept, oldest first.
    pub async fn log(&self) -> anyhow::Result<Vec<LogEntry>> {
        let since = SystemClock.now() - TimeDelta::days(LOG_DAYS.into());
        Ok(match &self.bench {
            Bench::File(file) => file.log(since, &[], ENTRIES_MAX)?,
            Bench::Server(broker) => broker.log(since, &[], ENTRIES_MAX).await?,
        })
    }

    /// How the gate of `key` stands, if it is open.
    pub async fn gate(&self, key: &KeyHash) -> anyhow::Result<Option<Gate>> {
        if let Bench::File(file) = &self.bench {
            let waiting = file.waiting(approval_worker::NAME, WAITING_MAX)?;
            return Ok(waiting.into_iter().find_map(|waiting| gate::of_watch(&waiting, key)));
        }
        let Some(store) = &self.store else { return Ok(None) };
        // Without the Store the story can still be told.
        let copy = store.projected("gates", key.as_str()).await.ok().flatten();
        Ok(copy.as_deref().and_then(gate::of_copy))
    }

    /// Leaves the broker in peace.
    pub async fn close(&self) {
        if let Bench::Server(broker) = &self.bench {
            broker.close().await;
        }
    }
}
