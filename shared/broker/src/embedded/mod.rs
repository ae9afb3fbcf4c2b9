//! The Broker in one SQLite file, for a single process: durable, without a server.
//!
//! A claim is on the disk before its delivery is handed out; what follows from a delivery, its successor and
//! its ack are one transaction. So a process may die anywhere: what it had in hand comes again, counted.

mod dead;
pub(crate) mod failure;
mod file;
mod inbox;
mod inspect;
pub(crate) mod lock;
mod log;
mod publish;
mod queue;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Inbox, LogEntry, Prefetch, PublishError, Standing,
};
use interlock_runtime::ports::clock::Clock;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

pub use self::inspect::{Inspection, Waiting};

use self::failure::Failure;
use self::inbox::{EmbeddedInbox, Session};
use self::lock::Lock;
use self::publish::{INTAKE_MAX, Mark};
use self::writer::Writer;
use crate::topology::{WORKERS, intake};

const ONE_PROCESS: &str =
    "an embedded broker has room for one process; stop that one, or use `amqp://` for several";

/// The Broker within one process.
pub struct Embedded {
    writer: Writer,
    writing: Mutex<Option<JoinHandle<()>>>,
    reader: Arc<Mutex<Connection>>,
    sessions: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    /// Opens, or begins, the broker in `directory`, and locks it until the broker is closed or dropped.
    ///
    /// What a process that died had in hand comes again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When another process holds the directory, which the message names; when the file cannot be used.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        Handle::try_current().context("an embedded broker needs a tokio runtime")?;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
        let lock = Lock::take(directory, ONE_PROCESS)?;
        let connection = file::open_for_writing(directory)?;
        let returned =
            queue::end_all_sessions(&connection).context("cannot take over the deliveries in hand")?;
        if returned > 0 {
            tracing::info!(returned, "deliveries that a former process had in hand come again");
        }
        let reader = Arc::new(Mutex::new(file::open_for_reading(directory)?));
        let (writer, writing) = Writer::start(connection, lock);
        let writing = Mutex::new(Some(writing));
        Ok(Arc::new(Self { writer, writing, reader, sessions: AtomicU64::new(1), clock }))
    }

    /// Looks into the broker in `directory` without a lock and without changing it: for tools.
    ///
    /// # Errors
    /// When there is no such broker, or its file cannot be read.
    pub fn inspect(directory: &Path) -> anyhow::Result<Inspection> {
        Inspection::open(directory)
    }

    fn mark(&self, again: bool) -> Mark {
        Mark { now: self.clock.now(), tag: self.clock.tag(), again }
    }

    /// Reads beside the writer, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let reader = self.reader.clone();
        let reading = spawn_blocking(move || read(&reader.lock().unwrap_or_else(PoisonError::into_inner)));
        match reading.await {
            Ok(read) => read.map_err(|fault| Failure::from(fault).at_broker()),
            Err(aborted) => Err(BrokerError::Unavailable(format!("a read was aborted: {aborted}"))),
        }
    }
}

/// The name in the topology; events for anybody else have nowhere to go.
fn known(worker: &str) -> Result<&'static str, BrokerError> {
    let known = WORKERS.iter().find(|known| known.name == worker);
    known.map(|known| known.name).ok_or_else(|| BrokerError::Missing(intake(worker)))
}

#[async_trait]
impl Broker for Embedded {
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        let (events, mark) = (events.to_vec(), self.mark(again));
        let published = self
            .writer
            .ask(move |connection, rung| publish::publish(connection, rung, &events, &mark, INTAKE_MAX));
        published.await.map_err(Failure::at_publish)
    }

    async fn consume(&self, worker: &'static str, prefetch: Prefetch) -> Result<Box<dyn Inbox>, BrokerError> {
        let worker = known(worker)?;
        let bell = self.writer.bell(worker).ok_or_else(|| BrokerError::Missing(intake(worker)))?;
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let session = Session::new(number, worker, self.writer.clone(), self.clock.clone());
        Ok(Box::new(EmbeddedInbox::new(session, prefetch, bell)))
    }

    /// The file has every queue from the start; so this asks whether it can still be written.
    async fn check(&self) -> Result<(), BrokerError> {
        self.writer.ask(|_, _| Ok(())).await.map_err(Failure::at_broker)
    }

    async fn apply_topology(&self) -> Result<(), BrokerError> {
        self.check().await
    }

    async fn reassert(&self, worker: &'static str) -> Result<Standing, BrokerError> {
        let worker = known(worker)?;
        let ready =
            self.read(move |connection| queue::intake_ready(connection, worker, i64::MAX as u64)).await?;
        Ok(Standing { was_missing: false, ready })
    }

    async fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError> {
        let types: Vec<_> = types.iter().map(|ty| (*ty).to_owned()).collect();
        self.read(move |connection| log::read(connection, since, &types, limit)).await
    }

    async fn take_up(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        let (events, mark) = (events.to_vec(), self.mark(true));
        let worker = known(worker)
            .map_err(|fault| PublishError::Refused { what: intake(worker), reason: fault.to_string() })?;
        let taken_up = self
            .writer
            .ask(move |connection, rung| publish::take_up(connection, rung, worker, &events, &mark));
        taken_up.await.map_err(Failure::at_publish)
    }

    async fn owe(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        let (events, mark) = (events.to_vec(), self.mark(false));
        let owed =
            self.writer.ask(move |connection, rung| publish::owe(connection, rung, worker, &events, &mark));
        owed.await.map_err(Failure::at_publish)
    }

    async fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let worker = known(worker)?;
        self.read(move |connection| dead::read(connection, worker, limit)).await
    }

    async fn replay_dead_letter(
        &self,
        worker: &str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
    ) -> Result<bool, BrokerError> {
        let worker = known(worker)?;
        let Ok(id) = id.parse() else { return Ok(false) };
        let edited = edited.map(stored::event_bytes).transpose().map_err(Failure::at_broker)?;
        let (nonce, now) = (nonce.to_owned(), self.clock.now());
        let replayed = self.writer.ask(move |connection, rung| {
            rung.insert(worker);
            dead::replay(connection, (worker, id), edited.as_deref(), &nonce, now)
        });
        replayed.await.map_err(Failure::at_broker)
    }

    async fn drop_dead_letter(&self, worker: &str, id: &str) -> Result<bool, BrokerError> {
        let worker = known(worker)?;
        let Ok(id) = id.parse::<i64>() else { return Ok(false) };
        let dropped = self.writer.ask(move |connection, _| dead::remove(connection, worker, id));
        dropped.await.map_err(Failure::at_broker)
    }

    async fn close(&self) {
        self.writer.close();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            // It ends by itself; were it aborted, it would have said so.
            let _ = writing.await;
        }
    }
}
