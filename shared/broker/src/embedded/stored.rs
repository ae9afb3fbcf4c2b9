//! How events, and what travels beside them, are written down.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use interlock_runtime::ports::broker::{Travel, Unreadable};
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::Failure;

/// How large an event may be: evidence travels by reference.
pub(super) const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// How large a watch's state may be, as on RabbitMQ.
pub(super) const STATE_BYTES_MAX: usize = 16 * 1024;
/// How much of a reason is kept.
const REASON_BYTES_MAX: usize = 8 * 1024;

/// An event in structured mode.
pub(super) fn event_bytes(event: &Event) -> Result<Vec<u8>, Failure> {
    let bytes = serde_json::to_vec(event).map_err(|fault| Failure::refused("an event", fault.to_string()))?;
    if bytes.len() > EVENT_BYTES_MAX {
        let reason = format!("it has {} bytes, at most {EVENT_BYTES_MAX} are allowed", bytes.len());
        return Err(Failure::refused("an event", reason));
    }
    Ok(bytes)
}

/// What cannot be read stays as it is, for the dead letters.
pub(super) fn read_event(bytes: Vec<u8>) -> Result<Event, Unreadable> {
    serde_json::from_slice(&bytes).map_err(|fault| Unreadable {
        reason: format!("it is no CloudEvent in structured mode: {fault}"),
        bytes: Bytes::from(bytes),
    })
}

pub(super) fn travel_text(travel: &Travel) -> Result<String, Failure> {
    let state = travel.state.as_ref().map_or(0, |state| state.to_string().len());
    if state > STATE_BYTES_MAX {
        let reason = format!("it has {state} bytes, at most {STATE_BYTES_MAX} are allowed");
        return Err(Failure::refused("the state of a watch", reason));
    }
    let stored = Stored::from(travel.clone());
    serde_json::to_string(&stored).map_err(|fault| Failure::Storage(fault.to_string()))
}

/// We wrote it, so anything else is a damaged file.
pub(super) fn read_travel(text: &str) -> rusqlite::Result<Travel> {
    let stored: Stored = serde_json::from_str(text)
        .map_err(|fault| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(fault)))?;
    Ok(stored.into())
}

/// At most so much of a reason as is kept, cut between characters.
pub(super) fn short(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[derive(Serialize, Deserialize)]
struct Stored {
    attempt: u32,
    first_at: DateTime<Utc>,
    state: Option<Value>,
    tick: u64,
    tag: String,
    noted: Option<u64>,
    again: bool,
    #[serde(default)]
    owed: bool,
    crashes: u32,
    reason: Option<String>,
    traceparent: Option<String>,
}

impl From<Travel> for Stored {
    fn from(travel: Travel) -> Self {
        let Travel { attempt, first_at, state, tick, tag, noted, again, owed, crashes, reason, traceparent } =
            travel;
        let reason = reason.map(|reason| short(&reason).to_owned());
        Self { attempt, first_at, state, tick, tag, noted, again, owed, crashes, reason, traceparent }
    }
}

impl From<Stored> for Travel {
    fn from(stored: Stored) -> Self {
        let Stored { attempt, first_at, state, tick, tag, noted, again, owed, crashes, reason, traceparent } =
            stored;
        Self { attempt, first_at, state, tick, tag, noted, again, owed, crashes, reason, traceparent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_is_read_as_it_was_written() {
        let mut travel = Travel::first(DateTime::from_timestamp_millis(1_234_567).unwrap(), "tag".into());
        assert_eq!(read_travel(&travel_text(&travel).unwrap()).unwrap(), travel);
        travel.state = Some(Value::Null);
        travel.noted = Some(u64::MAX);
        travel.tick = u64::MAX;
        travel.reason = Some("slow".into());
        let read = read_travel(&travel_text(&travel).unwrap()).unwrap();
        assert_eq!((read.noted, read.tick, read.reason), (travel.noted, travel.tick, travel.reason));
    }

    #[test]
    fn a_state_over_its_bound_is_refused() {
        let mut travel = Travel::first(Utc::now(), "tag".into());
        travel.state = Some(Value::String("x".repeat(STATE_BYTES_MAX)));
        assert!(matches!(travel_text(&travel), Err(Failure::Refused { .. })));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "é".repeat(REASON_BYTES_MAX) + "x";
        assert_eq!(short(&reason).len(), REASON_BYTES_MAX);
        assert_eq!(short(&format!("x{reason}")).len(), REASON_BYTES_MAX - 1);
        assert_eq!(short("brief"), "brief");
    }

    #[test]
    fn what_is_no_event_keeps_its_bytes() {
        let unreadable = read_event(b"{}".to_vec()).unwrap_err();
        assert_eq!(unreadable.bytes, "{}");
    }
}
