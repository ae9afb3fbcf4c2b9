//! What is published where.

use chrono::{DateTime, Utc};
use cloudevents::AttributesReader;
use interlock_events::{Event, traceparent_of};
use interlock_runtime::ports::broker::{PublishError, Tier, Travel, Unreadable};

use super::publisher::Outgoing;
use crate::{codec, topology};

/// Where a copy for one worker goes.
#[derive(Debug, Clone, Copy)]
pub enum Destination {
    /// Its delay tier, and from there its watch queue.
    Delay(&'static str, Tier),
    /// Its watch queue, at once.
    Resume(&'static str),
    /// Its dead letters.
    Dead(&'static str),
}

impl Destination {
    fn route(self) -> (&'static str, String) {
        match self {
            Self::Delay(worker, tier) => (topology::DELAY, topology::delay_key(worker, tier)),
            Self::Resume(worker) => (topology::RESUME, worker.to_owned()),
            Self::Dead(worker) => (topology::DEAD, worker.to_owned()),
        }
    }
}

/// A fact, for everybody.
pub fn fact(event: &Event, again: bool, now: DateTime<Utc>, tag: String) -> Result<Outgoing, PublishError> {
    let travel = Travel { again, traceparent: traceparent_of(event), ..Travel::first(now, tag) };
    write(topology::EVENTS, event.ty().to_owned(), &Ok(event.clone()), &travel, now)
}

/// A copy for one worker, with what travels beside it.
pub fn to(
    destination: &Destination,
    event: &Result<Event, Unreadable>,
    travel: &Travel,
    now: DateTime<Utc>,
) -> Result<Outgoing, PublishError> {
    let (exchange, routing_key) = destination.route();
    write(exchange, routing_key, event, travel, now)
}

fn write(
    exchange: &'static str,
    routing_key: String,
    event: &Result<Event, Unreadable>,
    travel: &Travel,
    now: DateTime<Utc>,
) -> Result<Outgoing, PublishError> {
    let named = match event {
        Ok(event) => format!("event {} ({})", event.id(), event.ty()),
        Err(_) => "a message that is no event".to_owned(),
    };
    let what =
        if exchange == topology::EVENTS { named } else { format!("{named} to {exchange} {routing_key}") };
    match codec::encode(event, travel, now) {
        Ok(message) => Ok(Outgoing { exchange, routing_key, message, what }),
        Err(error) => Err(PublishError::Refused { what, reason: error.to_string() }),
    }
}
