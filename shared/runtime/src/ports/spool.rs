//! The Spool: what came in while the Broker did not take it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::Event;

/// Keeps what a webhook said on this machine until the Broker has it. Held by one process.
///
/// An entry is forgotten only after its confirm, so that a crash in between repeats it: event ids make that harmless.
#[async_trait]
pub trait Spool: Send + Sync + 'static {
    /// Keeps events as one entry. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing is promised then.
    async fn keep(&self, events: &[Event]) -> Result<(), SpoolError>;

    /// The entries that wait, oldest first, at most `limit`; none that stands aside.
    ///
    /// # Errors
    /// [`SpoolError::Storage`].
    async fn oldest(&self, limit: usize) -> Result<Vec<Entry>, SpoolError>;

    /// Forgets entries that the Broker has.
    ///
    /// # Errors
    /// [`SpoolError::Storage`].
    async fn forget(&self, ids: &[i64]) -> Result<(), SpoolError>;

    /// Puts an entry aside that cannot be published, so that the others pass; the next process tries it again.
    ///
    /// # Errors
    /// [`SpoolError::Storage`].
    async fn set_aside(&self, id: i64, reason: &str) -> Result<(), SpoolError>;

    /// How full it is.
    fn fill(&self) -> Fill;
}

/// What one webhook said.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the order of arrival.
    pub id: i64,
    /// Its events, or why they cannot be read.
    pub events: Result<Vec<Event>, String>,
}

/// How full a spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// All entries.
    pub entries: u64,
    /// Of them those that stand aside.
    pub aside: u64,
    /// What all of them take.
    pub bytes: u64,
    /// Since when the oldest waits that does not stand aside.
    pub oldest: Option<DateTime<Utc>>,
    /// Neither of its bounds is reached.
    pub has_room: bool,
}

/// What cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// A bound is reached.
    #[error("the spool is full: {entries} entries of {bytes} bytes")]
    Full {
        /// How many it holds.
        entries: u64,
        /// What they take.
        bytes: u64,
    },
    /// The disk does not take it.
    #[error("the spool's file: {0}")]
    Storage(String),
}
