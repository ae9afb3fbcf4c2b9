//! The queues: rows that are due, in hand, or wait for their time.

use chrono::{DateTime, Utc};
use interlock_runtime::ports::broker::{Delivered, Prefetch, Receipt, Tier, Travel};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::stored::{read_event, read_travel, travel_text};

/// Deliveries of one claim and lane: a commit is waited for only once for all of them.
const CLAIM_MAX: u16 = 256;

/// What is taken up and what comes again; served first.
pub(super) const WATCH: i64 = 0;
/// What was published.
pub(super) const INTAKE: i64 = 1;

/// A message to be written down.
pub(super) struct Message<'a> {
    pub(super) worker: &'a str,
    pub(super) lane: i64,
    pub(super) due: Option<DateTime<Utc>>,
    pub(super) event: &'a [u8],
    pub(super) travel: &'a Travel,
    pub(super) direct: bool,
}

pub(super) fn put(connection: &Connection, message: &Message<'_>) -> Result<(), Failure> {
    let due = message.due.map_or(0, |due| due.timestamp_millis());
    let travel = travel_text(message.travel)?;
    connection
        .prepare_cached(
            "INSERT INTO message (worker, lane, due, event, travel, direct) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![message.worker, message.lane, due, message.event, travel, message.direct])?;
    Ok(())
}

/// Deliveries that are in the hand of a session now, and when to look again if there are none.
pub(super) struct Claimed {
    pub(super) deliveries: Vec<Delivered>,
    pub(super) next_due: Option<DateTime<Utc>>,
}

/// Takes what is due, watches first, as far as the prefetch of each lane allows.
pub(super) fn claim(
    connection: &Connection,
    worker: &str,
    session: u64,
    prefetch: Prefetch,
    now: DateTime<Utc>,
) -> Result<Claimed, Failure> {
    let mut claimed = Claimed { deliveries: Vec::new(), next_due: None };
    for (lane, most) in [(WATCH, prefetch.watch), (INTAKE, prefetch.intake)] {
        let room = most.saturating_sub(in_hand(connection, session, lane)?).min(CLAIM_MAX);
        if room == 0 {
            continue;
        }
        if lane == WATCH {
            mend_dues(connection, worker, now)?;
        }
        claim_lane(connection, (worker, lane), session, room, now, &mut claimed.deliveries)?;
        if lane == WATCH {
            claimed.next_due = next_due(connection, worker, now)?;
        }
    }
    Ok(claimed)
}

fn in_hand(connection: &Connection, session: u64, lane: i64) -> rusqlite::Result<u16> {
    connection
        .prepare_cached("SELECT count(*) FROM message WHERE session = ?1 AND lane = ?2")?
        .query_row(params![session.cast_signed(), lane], |row| row.get(0))
}

fn claim_lane(
    connection: &Connection,
    (worker, lane): (&str, i64),
    session: u64,
    room: u16,
    now: DateTime<Utc>,
    deliveries: &mut Vec<Delivered>,
) -> rusqlite::Result<()> {
    let mut due = connection.prepare_cached(
        "SELECT id, event, travel, redelivered, returned, direct FROM message
         WHERE worker = ?1 AND lane = ?2 AND session IS NULL AND due <= ?3 ORDER BY due, id LIMIT ?4",
    )?;
    let mut take = connection.prepare_cached("UPDATE message SET session = ?1 WHERE id = ?2")?;
    let mut rows = due.query(params![worker, lane, now.timestamp_millis(), room])?;
    let mut found = Vec::with_capacity(room.into());
    while let Some(row) = rows.next()? {
        found.push(delivered(row, lane, session)?);
    }
    for delivery in &found {
        take.execute(params![session.cast_signed(), delivery.receipt.number.cast_signed()])?;
    }
    deliveries.append(&mut found);
    Ok(())
}

fn delivered(row: &rusqlite::Row<'_>, lane: i64, session: u64) -> rusqlite::Result<Delivered> {
    let number: i64 = row.get(0)?;
    Ok(Delivered {
        event: read_event(row.get(1)?),
        travel: read_travel(row.get_ref(2)?.as_str()?)?,
        redelivered: row.get(3)?,
        returned: row.get(4)?,
        direct: row.get(5)?,
        receipt: Receipt { session, number: number.cast_unsigned(), watch: lane == WATCH },
    })
}

/// No delay is longer than the longest tier: a wall clock that was set back must not hold up a deadline.
fn mend_dues(connection: &Connection, worker: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let latest = (now + Tier::OneHour.duration()).timestamp_millis();
    connection
        .prepare_cached(
            "UPDATE message SET due = ?3 WHERE worker = ?1 AND lane = 0 AND session IS NULL AND due > ?2",
        )?
        .execute(params![worker, latest, now.timestamp_millis()])?;
    Ok(())
}

fn next_due(
    connection: &Connection,
    worker: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let due: Option<i64> = connection
        .prepare_cached("SELECT min(due) FROM message WHERE worker = ?1 AND lane = 0 AND session IS NULL")?
        .query_row([worker], |row| row.get(0))?;
    Ok(due.map(|due| DateTime::from_timestamp_millis(due).unwrap_or(now)))
}

/// What a delivery in hand consists of, taken out of its queue. The caller puts it where it goes, or
/// fails and so leaves it in hand.
pub(super) struct Taken {
    pub(super) worker: String,
    pub(super) event: Vec<u8>,
    pub(super) travel: Travel,
}

pub(super) fn take_out(connection: &Connection, receipt: &Receipt) -> Result<Taken, Failure> {
    connection
        .prepare_cached("DELETE FROM message WHERE id = ?1 AND session = ?2 RETURNING worker, event, travel")?
        .query_row(params![receipt.number.cast_signed(), receipt.session.cast_signed()], |row| {
            let travel = read_travel(row.get_ref(2)?.as_str()?)?;
            Ok(Taken { worker: row.get(0)?, event: row.get(1)?, travel })
        })
        .optional()?
        .ok_or(Failure::NotInHand)
}

/// Gives back what its holder handed out but did not handle. Not counted: nobody died over it.
pub(super) fn put_back(connection: &Connection, receipt: &Receipt) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE message SET session = NULL, redelivered = 1 WHERE id = ?1 AND session = ?2")?
        .execute(params![receipt.number.cast_signed(), receipt.session.cast_signed()])?;
    Ok(())
}

/// Gives back what was claimed and never handed out, as if it had never been claimed.
pub(super) fn unclaim(connection: &Connection, receipts: &[Receipt]) -> Result<(), Failure> {
    let mut give =
        connection.prepare_cached("UPDATE message SET session = NULL WHERE id = ?1 AND session = ?2")?;
    for receipt in receipts {
        give.execute(params![receipt.number.cast_signed(), receipt.session.cast_signed()])?;
    }
    Ok(())
}

/// The session is gone, and whoever had its deliveries in hand: they come again, counted.
pub(super) fn end_session(connection: &Connection, session: u64) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE message SET session = NULL, redelivered = 1, returned = returned + 1 WHERE session = ?1",
        )?
        .execute([session.cast_signed()])?;
    Ok(())
}

/// The process that had them in hand is gone.
pub(super) fn end_all_sessions(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE message SET session = NULL, redelivered = 1, returned = returned + 1 WHERE session IS NOT NULL",
        [],
    )
}

/// How many messages are ready in a worker's intake, counted up to `most`.
pub(super) fn intake_ready(connection: &Connection, worker: &str, most: u64) -> rusqlite::Result<u64> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM (
                SELECT 1 FROM message WHERE worker = ?1 AND lane = 1 AND session IS NULL LIMIT ?2)",
        )?
        .query_row(params![worker, most.cast_signed()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
