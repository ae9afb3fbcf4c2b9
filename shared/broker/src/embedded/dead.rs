//! Dead letters: kept until a person replays or drops them.

use chrono::{DateTime, Utc};
use interlock_runtime::ports::broker::DeadLetter;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::stored::{read_event, short};
use crate::topology::dead;

/// How many dead letters a worker may have; what dies beyond that stays in hand.
const LETTERS_MAX: i64 = 100_000;

pub(super) fn put(
    connection: &Connection,
    worker: &str,
    event: &[u8],
    (reason, attempts): (&str, u32),
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let letters: i64 = connection
        .prepare_cached("SELECT count(*) FROM dead_letter WHERE worker = ?1")?
        .query_row([worker], |row| row.get(0))?;
    if letters >= LETTERS_MAX {
        return Err(Failure::refused(dead(worker), format!("{letters} dead letters stand there")));
    }
    connection
        .prepare_cached(
            "INSERT INTO dead_letter (worker, at, reason, attempts, event) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![worker, at.timestamp_millis(), short(reason), attempts, event])?;
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

/// Removes one letter and gives its bytes.
pub(super) fn take_out(connection: &Connection, worker: &str, id: i64) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = connection
        .prepare_cached("DELETE FROM dead_letter WHERE id = ?1 AND worker = ?2 RETURNING event")?
        .query_row(params![id, worker], |row| row.get(0))
        .optional()?;
    Ok(bytes)
}
