//! A look at the file for tools, while the process that holds it runs, or after it ended.

use std::path::Path;

use chrono::{DateTime, Utc};
use interlock_events::Event;
use interlock_runtime::ports::broker::{BrokerError, DeadLetter, LogEntry, Travel, Unreadable};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::stored::{read_event, read_travel};
use super::{dead, file, log, queue};

/// Reads the file of an embedded broker; changes nothing, and needs no lock.
pub struct Inspection {
    connection: Connection,
}

/// A message that waits in a worker's queues, or is in hand.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The event, or why it cannot be read.
    pub event: Result<Event, Unreadable>,
    /// What travels beside it.
    pub travel: Travel,
    /// When it comes; absent where it is ready.
    pub due: Option<DateTime<Utc>>,
    /// It comes again or was taken up, it is no first delivery.
    pub watch: bool,
    /// A worker has it in hand.
    pub in_hand: bool,
}

impl Inspection {
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self { connection: file::open_for_reading(directory)? })
    }

    /// The log from `since` on, oldest first; all types if `types` is empty.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError> {
        let types: Vec<_> = types.iter().map(|ty| (*ty).to_owned()).collect();
        log::read(&self.connection, since, &types, limit).map_err(at_broker)
    }

    /// A worker's dead letters, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        dead::read(&self.connection, worker, limit).map_err(at_broker)
    }

    /// What waits for a worker or is in its hand, the next due first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting(&self, worker: &str, limit: usize) -> Result<Vec<Waiting>, BrokerError> {
        waiting(&self.connection, worker, limit).map_err(at_broker)
    }
}

fn at_broker(fault: rusqlite::Error) -> BrokerError {
    Failure::from(fault).at_broker()
}

fn waiting(connection: &Connection, worker: &str, limit: usize) -> rusqlite::Result<Vec<Waiting>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare(
            "SELECT event, travel, due, lane, session IS NOT NULL FROM message
             WHERE worker = ?1 ORDER BY due, id LIMIT ?2",
        )?
        .query_map(params![worker, limit], |row| {
            let due: i64 = row.get(2)?;
            Ok(Waiting {
                event: read_event(row.get(0)?),
                travel: read_travel(row.get_ref(1)?.as_str()?)?,
                due: if due == 0 { None } else { DateTime::from_timestamp_millis(due) },
                watch: row.get::<_, i64>(3)? == queue::WATCH,
                in_hand: row.get(4)?,
            })
        })?
        .collect()
}
