//! What passes between a broker and a worker.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use serde_json::Value;

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

    /// What goes beside a dead letter that is given back: attempts start over, a watch keeps its state. Its chain
    /// goes on with the next tick, for with an earlier one it would be a copy beside the chain that died with it.
    #[must_use]
    pub fn replayed(self, now: DateTime<Utc>, nonce: &str) -> Self {
        Self {
            state: self.state,
            tick: self.tick.saturating_add(1),
            traceparent: self.traceparent,
            again: true,
            owed: self.owed,
            ..Self::first(now, nonce.to_owned())
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
