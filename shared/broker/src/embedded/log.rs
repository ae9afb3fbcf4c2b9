//! The log: everything that was published, for a week.

use chrono::{DateTime, TimeDelta, Utc};
use interlock_runtime::ports::broker::LogEntry;
use rusqlite::{Connection, params};

use super::stored::read_event;
use crate::topology::LOG_DAYS;

/// How many entries are kept at most.
const ROWS_MAX: i64 = 1_000_000;
/// How many entries one publication clears away: more than it makes.
const PRUNE_ROWS: i64 = 256;

/// In nanoseconds, so that nothing seems older than a time that was taken before it.
fn nanos(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or(if at < DateTime::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

pub(super) fn append(
    connection: &Connection,
    at: DateTime<Utc>,
    ty: &str,
    event: &[u8],
) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO log (at, type, event) VALUES (?1, ?2, ?3)")?.execute(params![
        nanos(at),
        ty,
        event
    ])?;
    Ok(())
}

/// Forgets what is too old, and what is too much.
pub(super) fn prune(connection: &Connection, now: DateTime<Utc>) -> rusqlite::Result<()> {
    prune_to(connection, now, ROWS_MAX)
}

fn prune_to(connection: &Connection, now: DateTime<Utc>, rows_max: i64) -> rusqlite::Result<()> {
    let oldest = nanos(now - TimeDelta::days(LOG_DAYS.into()));
    connection
        .prepare_cached(
            "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute([oldest, PRUNE_ROWS])?;
    connection
        .prepare_cached(
            "DELETE FROM log WHERE id IN (
                SELECT id FROM log WHERE id <= (SELECT max(id) FROM log) - ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute([rows_max, PRUNE_ROWS])?;
    Ok(())
}

/// Entries since `since`, oldest first; all types if `types` is empty. What cannot be read is left out.
pub(super) fn read(
    connection: &Connection,
    since: DateTime<Utc>,
    types: &[String],
    limit: usize,
) -> rusqlite::Result<Vec<LogEntry>> {
    let types = if types.is_empty() { None } else { serde_json::to_string(types).ok() };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT at, event FROM log
         WHERE at >= ?1 AND (?2 IS NULL OR type IN (SELECT value FROM json_each(?2)))
         ORDER BY at, id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![nanos(since), types, limit], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let mut entries = Vec::new();
    for row in rows {
        let (at, event) = row?;
        if let Ok(event) = read_event(event) {
            entries.push(LogEntry { at: DateTime::from_timestamp_nanos(at), event });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forgets_what_is_old_and_what_is_too_much() {
        let directory = tempfile::tempdir().unwrap();
        let connection = super::super::file::open_for_writing(directory.path()).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for days in [8, 6, 5, 4] {
            append(&connection, now - TimeDelta::days(days), "t", b"{}").unwrap();
        }
        let rows =
            || -> i64 { connection.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap() };
        prune(&connection, now).unwrap();
        assert_eq!(rows(), 3);
        prune_to(&connection, now, 2).unwrap();
        assert_eq!(rows(), 2);
    }
}
