//! A reaction: a delivery in, an outcome out. It never publishes, acks or waits with a delivery in hand.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::{Event, EventData, NotOurs, data_of};
use serde_json::Value;
use tokio::time::Instant;

/// One reaction of a worker to one event type.
#[async_trait]
pub trait Subscriber: Send + Sync + 'static {
    /// What it reacts to.
    type Data: EventData;

    /// The thing whose chain this delivery keeps, if it comes again as a watch: of all copies of one
    /// key's watch only one acts. `None`: it is no chain.
    fn chain(&self, _data: &Self::Data) -> Option<String> {
        None
    }

    /// Reads, decides, acts; says what becomes of the delivery.
    async fn handle(&self, delivery: Delivery<Self::Data>) -> Handled;
}

/// An event on its way through a worker.
#[derive(Debug, Clone)]
pub struct Delivery<T> {
    /// The fact.
    pub data: T,
    /// Its event's `time`, or when its first copy was published.
    pub time: DateTime<Utc>,
    /// The broker has delivered this copy before.
    pub redelivered: bool,
    /// 1 on the first attempt.
    pub attempt: u32,
    /// First attempt, straight from `interlock.events`, and not marked as a repeat.
    pub first_and_direct: bool,
    /// When the first copy was published.
    pub first_at: DateTime<Utc>,
    /// A watch's state, as its last tick left it.
    pub state: Option<Value>,
    /// Another copy holds this key's chain: act for a deadline alone.
    pub spare: bool,
    /// The trace that the event's story began with.
    pub traceparent: Option<String>,
    /// When this tick began: outward writes leave within 10 seconds of it.
    pub began: Instant,
}

/// What becomes of a delivery.
#[derive(Debug, Clone)]
pub enum Handled {
    /// Done, with what follows from it.
    Done(Vec<Event>),
    /// Nothing to do, and why.
    Ignored(String),
    /// Come again, not counted as an attempt.
    Watch {
        /// At least so long; rounded down to a delay tier, a second at least.
        after: Duration,
        /// Small (16 KiB at most) and JSON: what the next tick needs.
        state: Value,
        /// What follows from this tick.
        events: Vec<Event>,
    },
    /// A failed attempt: come again by and by, to the dead letters after ten.
    Later {
        /// What failed, where, and how to cure it.
        reason: String,
    },
    /// To the dead letters.
    Dead {
        /// What failed, where, and how to cure it.
        reason: String,
    },
}

impl Handled {
    /// The word for metrics and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Ignored(_) => "ignored",
            Self::Watch { .. } => "watch",
            Self::Later { .. } => "later",
            Self::Dead { .. } => "dead",
        }
    }
}

/// A subscriber without its type, for the worker's table.
#[async_trait]
pub(super) trait Reaction: Send + Sync {
    fn chain(&self, event: &Event) -> Result<Option<String>, NotOurs>;
    async fn handle(&self, event: &Event, delivery: Delivery<()>) -> Handled;
}

pub(super) struct Typed<S>(pub S);

#[async_trait]
impl<S: Subscriber> Reaction for Typed<S> {
    fn chain(&self, event: &Event) -> Result<Option<String>, NotOurs> {
        Ok(self.0.chain(&data_of::<S::Data>(event)?))
    }

    async fn handle(&self, event: &Event, delivery: Delivery<()>) -> Handled {
        match data_of::<S::Data>(event) {
            Ok(data) => self.0.handle(delivery.with(data)).await,
            Err(fault) => Handled::Dead { reason: fault.to_string() },
        }
    }
}

impl Delivery<()> {
    fn with<T>(self, data: T) -> Delivery<T> {
        let Self { data: (), time, redelivered, attempt, first_and_direct, .. } = self;
        let Self { first_at, state, spare, traceparent, began, .. } = self;
        Delivery {
            data,
            time,
            redelivered,
            attempt,
            first_and_direct,
            first_at,
            state,
            spare,
            traceparent,
            began,
        }
    }
}
