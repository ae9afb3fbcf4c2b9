//! The file: where it is, how it is locked, what it looks like inside.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rusqlite::{Connection, ErrorCode};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entry (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires);
CREATE TABLE IF NOT EXISTS projection (
    name TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, written INTEGER NOT NULL,
    PRIMARY KEY (name, field)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS projection_written ON projection (written);
CREATE TABLE IF NOT EXISTS permit (
    instance TEXT NOT NULL, holder TEXT NOT NULL, ends INTEGER NOT NULL,
    PRIMARY KEY (instance, holder)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pause (instance TEXT PRIMARY KEY, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, since INTEGER NOT NULL, boot TEXT
);";

/// Opens the Store's file in `directory`, which is made if need be.
pub(super) fn open(directory: &Path) -> anyhow::Result<Connection> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    let path = directory.join("store.sqlite3");
    let connection =
        Connection::open(&path).with_context(|| format!("cannot open the Store {}", path.display()))?;
    match prepare(&connection) {
        Err(fault) if fault.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            bail!(
                "the Store {} is held by another process; an embedded Store has room for one",
                path.display()
            )
        }
        prepared => prepared.with_context(|| format!("cannot use the Store {}", path.display()))?,
    }
    Ok(connection)
}

/// An exclusive lock is taken by the first write and ends with the connection, also when the process is killed.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(&format!("BEGIN IMMEDIATE;{SCHEMA}COMMIT;"))
}

/// Which start of the machine this is; nothing where the system does not say.
pub(super) fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
