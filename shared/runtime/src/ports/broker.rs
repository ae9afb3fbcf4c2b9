//! The Broker: what happened and what is to do.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use serde_json::Value;

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

    /// Gives one dead letter back to its worker, as a fresh delivery (tick 0), and removes it once that is
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

    /// Gives a delivery back untouched: shutting down. Not counted as an attempt where the broker allows.
    async fn put_back(&self, receipt: &Receipt);
}

/// How many deliveries may be in hand.
#[derive(Debug, Clone, Copy)]
pub struct Prefetch {
    /// From the intake queue.
    pub intake: u16,
    /// From the watch queue.
    pub watch: u16,
}

/// Identifies a delivery in hand to its broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Which consumer session it belongs to; it is void with that session.
    pub session: u64,
    /// The broker's own number.
    pub number: u64,
    /// It came from the watch queue.
    pub watch: bool,
}

/// A delivery as it came off the broker.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The event, or why it cannot be read.
    pub event: Result<Event, Unreadable>,
    /// What travels beside it.
    pub travel: Travel,
    /// The broker has delivered this copy before.
    pub redelivered: bool,
    /// How often the broker counts this copy as returned (crashes of who held it).
    pub returned: u32,
    /// Straight from `interlock.events`: no tier, no repeat.
    pub direct: bool,
    /// For settling.
    pub receipt: Receipt,
}

/// A message that is no event.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Its bytes, for the dead letter.
    pub bytes: Bytes,
    /// What is wrong, and where.
    pub reason: String,
}

/// What travels beside an event, in headers of our own (`interlock-…`). Every publish builds them anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Travel {
    /// Failed attempts so far, plus one.
    pub attempt: u32,
    /// When the first copy was published.
    pub first_at: DateTime<Utc>,
    /// A watch's state; absent on a first delivery.
    pub state: Option<Value>,
    /// The chain's tick.
    pub tick: u64,
    /// Minted by the publisher of this copy.
    pub tag: String,
    /// A copy that is not its chain's holder noted the holder's tick.
    pub noted: Option<u64>,
    /// A repeat by spool, sweep, tool or log.
    pub again: bool,
    /// A fact that a queue refused: its worker publishes it, and does nothing else with it.
    pub owed: bool,
    /// How often a process died with it in hand, as far as we counted.
    pub crashes: u32,
    /// Why it came here by way of a delay.
    pub reason: Option<String>,
    /// `traceparent` of the hop that published it.
    pub traceparent: Option<String>,
}

impl Travel {
    /// What goes beside a first publication.
    #[must_use]
    pub fn first(now: DateTime<Utc>, tag: String) -> Self {
        Self {
            attempt: 1,
            first_at: now,
            state: None,
            tick: 0,
            tag,
            noted: None,
            again: false,
            owed: false,
            crashes: 0,
            reason: None,
            traceparent: None,
        }
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Facts that follow from it, published first.
    pub publish: Vec<Event>,
    /// Where the delivery itself goes.
    pub then: Then,
}

/// Where a delivery goes after what follows from it was published.
#[derive(Debug, Clone)]
pub enum Then {
    /// It is done with: ack.
    Ack,
    /// It comes again to this worker's watch queue after a delay of one tier.
    Again {
        /// At least so long; rounded to a tier by [`Tier::within`].
        tier: Tier,
        /// What travels with it.
        travel: Box<Travel>,
    },
    /// It goes to this worker's dead letters.
    Dead {
        /// What failed, where, and how to cure it.
        reason: String,
        /// Attempts that were made.
        attempts: u32,
    },
}

/// The delay tiers. Fixed, because a queue-level time to live expires in order and a message's own does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 1 second.
    OneSecond,
    /// 5 seconds.
    FiveSeconds,
    /// 30 seconds.
    ThirtySeconds,
    /// 2 minutes.
    TwoMinutes,
    /// 10 minutes.
    TenMinutes,
    /// 1 hour.
    OneHour,
}

impl Tier {
    /// All tiers, shortest first.
    pub const ALL: [Self; 6] = [
        Self::OneSecond,
        Self::FiveSeconds,
        Self::ThirtySeconds,
        Self::TwoMinutes,
        Self::TenMinutes,
        Self::OneHour,
    ];

    /// How long it delays.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::OneSecond => 1,
            Self::FiveSeconds => 5,
            Self::ThirtySeconds => 30,
            Self::TwoMinutes => 120,
            Self::TenMinutes => 600,
            Self::OneHour => 3600,
        })
    }

    /// As it stands in queue names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneSecond => "1s",
            Self::FiveSeconds => "5s",
            Self::ThirtySeconds => "30s",
            Self::TwoMinutes => "2m",
            Self::TenMinutes => "10m",
            Self::OneHour => "1h",
        }
    }

    /// The longest tier not beyond `delay`; at least one second.
    #[must_use]
    pub fn within(delay: Duration) -> Self {
        Self::ALL.into_iter().rev().find(|tier| tier.duration() <= delay).unwrap_or(Self::OneSecond)
    }
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
