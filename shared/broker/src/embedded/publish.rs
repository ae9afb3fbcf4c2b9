//! Publishing: a copy for each worker that subscribed, and one for the log.

use chrono::{DateTime, Utc};
use cloudevents::AttributesReader as _;
use interlock_events::{Event, traceparent_of};
use interlock_runtime::ports::broker::Travel;
use rusqlite::Connection;

use super::failure::Failure;
use super::queue::{self, Message, Taken};
use super::writer::Rung;
use super::{dead, log, stored};
use crate::topology::{OWED_FOR, WORKERS, intake};

/// How many messages may be ready in an intake before the door closes.
pub(super) const INTAKE_MAX: u64 = 10_000;
/// What follows from a delivery may go beyond that, or two full workers would wait for each other.
pub(super) const FOLLOW_UPS_MAX: u64 = 2 * INTAKE_MAX;

const NO_ROOM: &str = "its worker's queue is full; give it back when that has caught up";

/// How a publication is marked.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) now: DateTime<Utc>,
    pub(super) tag: String,
    pub(super) again: bool,
}

impl Mark {
    pub(super) fn travel(&self, event: &Event) -> Travel {
        Travel {
            again: self.again,
            traceparent: traceparent_of(event),
            ..Travel::first(self.now, self.tag.clone())
        }
    }
}

/// Publishes all of `events` or, when an intake that wants one of them has no room, none. What a worker has no room
/// for that yields goes to its dead letters.
pub(super) fn publish(
    connection: &Connection,
    rung: &mut Rung,
    events: &[Event],
    mark: &Mark,
    intake_max: u64,
) -> Result<(), Failure> {
    for event in events {
        let bytes = stored::event_bytes(event)?;
        for worker in WORKERS.iter().filter(|worker| worker.types.contains(&event.ty())) {
            if queue::intake_ready(connection, worker.name, intake_max)? >= intake_max {
                if worker.yields {
                    let (worker, travel) = (worker.name.to_owned(), mark.travel(event));
                    let taken = Taken { worker, event: bytes.clone(), travel };
                    dead::put(connection, &taken, (NO_ROOM, 1), mark.now)?;
                    continue;
                }
                return Err(Failure::refused(
                    intake(worker.name),
                    format!("{intake_max} messages are ready"),
                ));
            }
            let message = Message {
                worker: worker.name,
                lane: queue::INTAKE,
                due: None,
                event: &bytes,
                travel: &mark.travel(event),
                direct: !mark.again,
            };
            queue::put(connection, &message)?;
            rung.insert(worker.name);
        }
        log::append(connection, mark.now, event.ty(), &bytes)?;
    }
    log::prune(connection, mark.now)?;
    Ok(())
}

/// Delivers events of the log to one worker alone.
pub(super) fn take_up(
    connection: &Connection,
    rung: &mut Rung,
    worker: &'static str,
    events: &[Event],
    mark: &Mark,
) -> Result<(), Failure> {
    events.iter().try_for_each(|event| to_watch(connection, worker, event, None, &mark.travel(event)))?;
    rung.insert(worker);
    Ok(())
}

/// Keeps refused facts with their worker.
pub(super) fn owe(
    connection: &Connection,
    rung: &mut Rung,
    worker: &'static str,
    events: &[Event],
    mark: &Mark,
) -> Result<(), Failure> {
    let due = Some(mark.now + OWED_FOR.duration());
    let owed = |event| Travel { owed: true, ..mark.travel(event) };
    events.iter().try_for_each(|event| to_watch(connection, worker, event, due, &owed(event)))?;
    rung.insert(worker);
    Ok(())
}

/// By the lane that has no bound.
fn to_watch(
    connection: &Connection,
    worker: &'static str,
    event: &Event,
    due: Option<DateTime<Utc>>,
    travel: &Travel,
) -> Result<(), Failure> {
    let event = &stored::event_bytes(event)?;
    queue::put(connection, &Message { worker, lane: queue::WATCH, due, event, travel, direct: false })
}
