//! The Broker: what happened and what is to do.

mod message;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::Event;

pub use message::{Delivered, Prefetch, Receipt, Settlement, Then, Tier, Travel, Unreadable};

/// Publishes, delivers, delays, keeps the log and the dead letters: RabbitMQ, or SQLite in one process.
///
/// At least once. Nothing is acked before what follows from it is confirmed.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Publishes facts to everybody who subscribed, and to the log.
    ///
    /// `again` marks a publication that repeats an earlier one (sweep, spool, tool): a request so
    /// marked is never created from at once.
    ///
    /// # Errors
    /// [`PublishError`]; the events may be in some of the queues then. Publishing again is safe.
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError>;

    /// Starts to deliver a worker's watches and intake.
    ///
    /// # Errors
    /// [`BrokerError`] when the queues are not there, or the broker is not.
    async fn consume(&self, worker: &'static str, prefetch: Prefetch) -> Result<Box<dyn Inbox>, BrokerError>;

    /// Is everything there that core workers need? Readiness of ingress hangs on it.
    ///
    /// # Errors
    /// [`BrokerError`] names what is missing.
    async fn check(&self) -> Result<(), BrokerError>;

    /// Declares the whole topology.
    ///
    /// # Errors
    /// [`BrokerError`] when the user may not declare, or a queue stands with other arguments.
    async fn apply_topology(&self) -> Result<(), BrokerError>;

    /// A queue or binding may vanish beneath a running worker. Not so where publishing and queueing are
    /// one transaction.
    fn can_lose(&self) -> bool {
        true
    }

    /// Makes sure that a worker's queues and bindings stand, and says how many messages are ready in its intake.
    ///
    /// # Errors
    /// [`BrokerError`].
    async fn reassert(&self, worker: &'static str) -> Result<Standing, BrokerError>;

    /// The log from `since` on, oldest first, at most `limit` entries whose type is one of `types` (all if empty).
    ///
    /// # Errors
    /// [`BrokerError`].
    async fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError>;

    /// Delivers events of the log to one worker alone, marked as repeated.
    ///
    /// # Errors
    /// [`PublishError`].
    async fn take_up(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError>;

    /// Keeps facts that a queue refuses with their worker, who publishes them by and by ([`Travel::owed`]).
    ///
    /// # Errors
    /// [`PublishError`].
    async fn owe(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError>;

    /// A worker's dead letters, oldest first, at most `limit`. Looking does not change them.
    ///
    /// # Errors
    /// [`BrokerError`].
    async fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError>;

    /// Gives one dead letter back to its worker as [`Travel::replayed`] says, and removes it once that is
    /// confirmed; `edited` goes in place of its event. `Ok(false)`: not there.
    ///
    /// # Errors
    /// [`BrokerError`]; the letter still stands then.
    async fn replay_dead_letter(
        &self,
        worker: &str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
    ) -> Result<bool, BrokerError>;

    /// Removes one dead letter for good. `Ok(false)`: not there.
    ///
    /// # Errors
    /// [`BrokerError`]; the letter still stands then.
    async fn drop_dead_letter(&self, worker: &str, id: &str) -> Result<bool, BrokerError>;

    /// Stops taking in and waits until what was published is confirmed; then closes.
    async fn close(&self);
}

/// What one worker receives: watches first, then intake.
#[async_trait]
pub trait Inbox: Send {
    /// The next delivery; `None` when the inbox was closed, an error when its connection is gone
    /// (deliveries in hand come again; consume anew).
    async fn next(&mut self) -> Option<Result<Delivered, BrokerError>>;

    /// How outcomes are carried out; may be shared by the tasks that handle deliveries.
    fn settler(&self) -> std::sync::Arc<dyn Settler>;

    /// No more deliveries; those not yet handed out go back.
    async fn stop(&mut self);
}

/// Carries out the outcome of a delivery.
#[async_trait]
pub trait Settler: Send + Sync {
    /// Publishes what follows, waits until it is confirmed, then acks.
    ///
    /// # Errors
    /// [`PublishError::Gone`]: it comes again by itself, forget it. Any other: the delivery is still in
    /// hand, try again.
    async fn settle(&self, receipt: &Receipt, settlement: &Settlement) -> Result<(), PublishError>;

    /// Settles many at once, which costs less than one after the other.
    ///
    /// # Errors
    /// As [`Settler::settle`]. Some may be settled nevertheless: try each by itself.
    async fn settle_all(&self, outcomes: &[(Receipt, Settlement)]) -> Result<(), PublishError> {
        for (receipt, settlement) in outcomes {
            self.settle(receipt, settlement).await?;
        }
        Ok(())
    }

    /// Gives a delivery back untouched: shutting down. Not counted as an attempt where the broker allows.
    async fn put_back(&self, receipt: &Receipt);
}

/// A worker's queues, as they were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The intake queue was missing and had to be made.
    pub was_missing: bool,
    /// Messages ready in the intake; may read 0 for some seconds after a restart of the broker.
    pub ready: u64,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// When it was published.
    pub at: DateTime<Utc>,
    /// The event.
    pub event: Event,
}

/// One dead letter.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Identifies it within its worker's dead letters.
    pub id: String,
    /// The event, or its bytes where they are no event.
    pub event: Result<Event, Unreadable>,
    /// Why it is dead.
    pub reason: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it died; absent where the broker put it here by itself.
    pub at: Option<DateTime<Utc>>,
}

/// A publication that is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A queue that wants the event is full. Others have taken their copy, so repeats must be rare.
    #[error("the broker refused {what}: a queue that wants it is full")]
    Full {
        /// Which event.
        what: String,
    },
    /// The broker refuses the event: nobody's queue is bound, the exchange is gone, it cannot be written.
    #[error("the broker refused {what}: {reason}")]
    Refused {
        /// Which event or queue.
        what: String,
        /// Unroutable, unwritable, or no room in the one file.
        reason: String,
    },
    /// No confirmation in time; it may have been taken.
    #[error("the broker did not confirm {what} in {waited_ms} ms")]
    Unconfirmed {
        /// Which event.
        what: String,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The connection is gone; deliveries in hand come again.
    #[error("the connection to the broker is gone: {0}")]
    Gone(String),
}

impl PublishError {
    /// The broker lives and does not take it: the same try again has the same answer, until somebody acts.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Refused { .. })
    }
}

/// The broker is not there, or not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// No connection, or it broke.
    #[error("broker: {0}")]
    Unavailable(String),
    /// A queue or exchange is not there.
    #[error("broker: {0} does not exist; run `interlock topology apply`")]
    Missing(String),
    /// It stands, but not as our table says, or we may not declare it.
    #[error("broker: {0}")]
    Refused(String),
}
