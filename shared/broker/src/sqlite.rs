//! A file of ours: how it is opened for writing, and which version of it we know.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;

/// How long to wait for a tool that looks into the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a file holds. The schema sets `user_version`, which changes with it.
pub(crate) struct Form {
    pub(crate) schema: &'static str,
    pub(crate) version: i64,
}

impl Form {
    /// The one connection that writes; begins the file where there is none. A commit has reached the disk when it
    /// returns.
    pub(crate) fn open(&self, path: &Path) -> anyhow::Result<Connection> {
        let connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        self.prepare(&connection).with_context(|| format!("cannot use {}", path.display()))?;
        Ok(connection)
    }

    fn prepare(&self, connection: &Connection) -> anyhow::Result<()> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        if version(connection)? == 0 {
            connection.execute_batch(&format!("BEGIN IMMEDIATE;{}COMMIT;", self.schema))?;
        }
        self.check(connection)
    }

    /// Refuses a file of another version.
    pub(crate) fn check(&self, connection: &Connection) -> anyhow::Result<()> {
        let (found, known) = (version(connection)?, self.version);
        ensure!(found == known, "it has version {found}, this program knows version {known}");
        Ok(())
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
