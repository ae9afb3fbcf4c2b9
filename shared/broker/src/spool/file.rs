//! The file: entries in the order of arrival, and their sum.

use std::path::Path;

use chrono::DateTime;
use interlock_runtime::ports::spool::{Entry, Fill};
use rusqlite::{Connection, OptionalExtension as _};

use super::Bounds;
use crate::embedded::failure::Failure;
use crate::sqlite::Form;

const FORM: Form = Form { schema: SCHEMA, version: 1 };

/// `at`: milliseconds since 1970. `aside`: why it cannot be published. `fill` is kept by triggers, since counting
/// a hundred thousand rows at every webhook would take longer than keeping it.
const SCHEMA: &str = "
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    aside TEXT,
    events BLOB NOT NULL
);
CREATE INDEX entry_waiting ON entry (id) WHERE aside IS NULL;
CREATE INDEX entry_aside ON entry (id) WHERE aside IS NOT NULL;
CREATE TABLE fill (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO fill VALUES (0, 0);
CREATE TRIGGER entry_comes AFTER INSERT ON entry BEGIN
    UPDATE fill SET entries = entries + 1, bytes = bytes + length(NEW.events);
END;
CREATE TRIGGER entry_goes AFTER DELETE ON entry BEGIN
    UPDATE fill SET entries = entries - 1, bytes = bytes - length(OLD.events);
END;
PRAGMA user_version = 1;";

/// Opens, or begins, the file. What could not be published by another process waits again.
pub(super) fn open(directory: &Path) -> anyhow::Result<Connection> {
    let connection = FORM.open(&directory.join("spool.sqlite3"))?;
    connection.execute("UPDATE entry SET aside = NULL WHERE aside IS NOT NULL", [])?;
    Ok(connection)
}

/// Adds an entry; refuses one that goes beyond a bound.
pub(super) fn keep(
    connection: &Connection,
    at: i64,
    events: &[u8],
    bounds: Bounds,
) -> Result<Option<Fill>, Failure> {
    let before = fill(connection, bounds)?;
    if before.entries >= bounds.entries || before.bytes + events.len() as u64 > bounds.bytes {
        return Ok(None);
    }
    let mut insert = connection.prepare_cached("INSERT INTO entry (at, events) VALUES (?1, ?2)")?;
    insert.execute((at, events))?;
    fill(connection, bounds).map(Some)
}

pub(super) fn oldest(connection: &Connection, limit: usize) -> Result<Vec<Entry>, Failure> {
    const QUERY: &str = "SELECT id, events FROM entry WHERE aside IS NULL ORDER BY id LIMIT ?1";
    let mut query = connection.prepare_cached(QUERY)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_map([limit], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let entry = |(id, bytes): (i64, Vec<u8>)| Entry {
        id,
        events: serde_json::from_slice(&bytes).map_err(|fault| fault.to_string()),
    };
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().map(entry).collect())
}

pub(super) fn forget(connection: &Connection, ids: &[i64]) -> Result<(), Failure> {
    let mut delete = connection.prepare_cached("DELETE FROM entry WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}

pub(super) fn set_aside(connection: &Connection, id: i64, reason: &str) -> Result<(), Failure> {
    connection.execute("UPDATE entry SET aside = ?2 WHERE id = ?1", (id, reason))?;
    Ok(())
}

pub(super) fn fill(connection: &Connection, bounds: Bounds) -> Result<Fill, Failure> {
    const SUM: &str = "SELECT entries, bytes, (SELECT COUNT(*) FROM entry WHERE aside IS NOT NULL) FROM fill";
    const OLDEST: &str = "SELECT at FROM entry WHERE aside IS NULL ORDER BY id LIMIT 1";
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let mut sum = connection.prepare_cached(SUM)?;
    let (entries, bytes, aside) =
        sum.query_row([], |row| Ok((number(row.get(0)?), number(row.get(1)?), number(row.get(2)?))))?;
    let oldest: Option<i64> =
        connection.prepare_cached(OLDEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(Fill {
        entries,
        aside,
        bytes,
        oldest: oldest.and_then(DateTime::from_timestamp_millis),
        has_room: entries < bounds.entries && bytes < bounds.bytes,
    })
}
