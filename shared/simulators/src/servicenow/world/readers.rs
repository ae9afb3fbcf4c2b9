//! What readers see of the world: files, and tables as they were.

use bytes::Bytes;

use super::World;

/// How much the attachments hold together.
const CONTENTS_BYTES_MAX: usize = 512 * 1024 * 1024;

impl World {
    /// Lets somebody read the tables as they were so long ago.
    pub(in crate::servicenow) fn reading<T>(&mut self, lag_ms: u64, read: impl FnOnce(&mut Self) -> T) -> T {
        let lag = i64::try_from(lag_ms).unwrap_or(i64::MAX / 1_000_000);
        if lag == 0 {
            return read(self);
        }
        let at = self.now - chrono::Duration::milliseconds(lag);
        let past = self.past.tables_at(at, &self.tables);
        let present = std::mem::replace(&mut self.tables, past);
        let done = read(self);
        self.tables = present;
        done
    }

    /// Keeps what a row is until now, when there are readers who see it later.
    pub(super) fn remember(&mut self, table: &str, sys_id: &str) {
        if self.knobs.list_lag_ms > 0 || self.webhooks.early_ms() > 0 {
            let row = self.tables.get(table).and_then(|rows| rows.get(sys_id)).cloned();
            self.past.keep(self.now, table, sys_id, row);
        }
    }

    /// Whether another attachment of this size fits into memory.
    pub(in crate::servicenow) fn has_room_for(&self, size: usize) -> bool {
        self.contents.values().map(Bytes::len).sum::<usize>() + size <= CONTENTS_BYTES_MAX
    }

    /// Keeps the content of an attachment.
    pub(in crate::servicenow) fn keep_content(&mut self, sys_id: &str, content: Bytes) {
        self.contents.insert(sys_id.to_owned(), content);
    }

    /// The content of an attachment.
    pub(in crate::servicenow) fn content(&self, sys_id: &str) -> Option<Bytes> {
        self.contents.get(sys_id).cloned()
    }
}
