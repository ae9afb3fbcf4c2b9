//! Dead letters: kept until a person replays or drops them.

use chrono::{DateTime, Utc};
use interlock_runtime::ports::broker::{DeadLetter, Travel};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::queue::{self, Message, Taken};
use super::stored::{read_event, read_travel, short, travel_text};
use crate::topology::dead;

/// How many dead letters a worker may have; what dies beyond that stays in hand.
const LETTERS_MAX: i64 = 100_000;

pub(super) fn put(
    connection: &Connection,
    taken: &Taken,
    (reason, attempts): (&str, u32),
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let letters: i64 = connection
        .prepare_cached("SELECT count(*) FROM dead_letter WHERE worker = ?1")?
        .query_row([&taken.worker], |row| row.get(0))?;
    if letters >= LETTERS_MAX {
        return Err(Failure::refused(dead(&taken.worker), format!("{letters} dead letters stand there")));
    }
    connection
        .prepare_cached(
            "INSERT INTO dead_letter (worker, at, reason, attempts, event, travel)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            taken.worker,
            at.timestamp_millis(),
            short(reason),
            attempts,
            taken.event,
            travel_text(&taken.travel)?
        ])?;
    Ok(())
}

pub(super) fn read(connection: &Connection, worker: &str, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT id, event, reason, attempts, at FROM dead_letter WHERE worker = ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map(params![worker, limit], |row| {
            Ok(DeadLetter {
                id: row.get::<_, i64>(0)?.to_string(),
                event: read_event(row.get(1)?),
                reason: row.get(2)?,
                attempts: row.get(3)?,
                at: DateTime::from_timestamp_millis(row.get(4)?),
            })
        })?
        .collect()
}

/// Gives one letter back to its worker, and removes it.
pub(super) fn replay(
    connection: &Connection,
    (worker, id): (&str, i64),
    edited: Option<&[u8]>,
    nonce: &str,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let letter = connection
        .prepare_cached("DELETE FROM dead_letter WHERE id = ?1 AND worker = ?2 RETURNING event, travel")?
        .query_row(params![id, worker], |row| Ok((row.get(0)?, read_travel(row.get_ref(1)?.as_str()?)?)))
        .optional()?;
    let Some((event, before)): Option<(Vec<u8>, Travel)> = letter else { return Ok(false) };
    let travel = before.replayed(now, nonce);
    let message = Message {
        worker,
        lane: queue::WATCH,
        due: None,
        event: edited.unwrap_or(&event),
        travel: &travel,
        direct: false,
    };
    queue::put(connection, &message)?;
    Ok(true)
}

/// Removes one letter for good.
pub(super) fn remove(connection: &Connection, worker: &str, id: i64) -> Result<bool, Failure> {
    let removed = connection
        .prepare_cached("DELETE FROM dead_letter WHERE id = ?1 AND worker = ?2")?
        .execute(params![id, worker])?;
    Ok(removed > 0)
}
