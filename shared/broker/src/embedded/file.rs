//! The file: where it is, and what it looks like inside.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};

use crate::sqlite::{BUSY_TIMEOUT, Form};

const FORM: Form = Form { schema: SCHEMA, version: 1 };

/// `lane`: 0 watch, 1 intake. `session`: who has it in hand. `due`, and when a letter died: milliseconds since
/// 1970, 0 for at once; the log's `at`: nanoseconds.
///
/// Ids are never used again, so that an old receipt cannot fit a newer message.
const SCHEMA: &str = "
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    lane INTEGER NOT NULL,
    due INTEGER NOT NULL,
    session INTEGER,
    event BLOB NOT NULL,
    travel TEXT NOT NULL,
    direct INTEGER NOT NULL,
    redelivered INTEGER NOT NULL DEFAULT 0,
    returned INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX message_ready ON message (worker, lane, due, id) WHERE session IS NULL;
CREATE INDEX message_held ON message (session, lane) WHERE session IS NOT NULL;
CREATE TABLE log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, event BLOB NOT NULL);
CREATE INDEX log_at ON log (at);
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    event BLOB NOT NULL,
    travel TEXT NOT NULL
);
CREATE INDEX dead_letter_worker ON dead_letter (worker, id);
PRAGMA user_version = 1;";

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("broker.sqlite3")
}

/// The one connection that writes.
pub(super) fn open_for_writing(directory: &Path) -> anyhow::Result<Connection> {
    FORM.open(&path(directory))
}

/// A connection that cannot write, for tools and for long reads.
pub(super) fn open_for_reading(directory: &Path) -> anyhow::Result<Connection> {
    let path = path(directory);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)
        .with_context(|| format!("cannot read {}: is there an embedded broker?", path.display()))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    FORM.check(&connection).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(connection)
}
