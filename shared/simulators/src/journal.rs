//! What came of the requests: an append-only list of effects that a judge reads after a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// How many effects are kept; later ones are only counted.
pub const ENTRIES_MAX: usize = 500_000;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// The simulator's time.
    pub at: DateTime<Utc>,
    /// The user, application or engine behind it.
    pub actor: String,
    /// What happened, such as `record.created`.
    pub what: String,
    /// The things it happened to, and their values.
    #[serde(flatten)]
    pub ids: BTreeMap<String, String>,
}

/// The effects so far. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<JournalEntry>,
    left_out: u64,
}

impl Journal {
    /// Appends an effect.
    pub fn record(&self, at: DateTime<Utc>, actor: &str, what: &str, ids: &[(&str, &str)]) {
        let mut inner = self.lock();
        if inner.entries.len() >= ENTRIES_MAX {
            inner.left_out += 1;
            return;
        }
        inner.entries.push(JournalEntry {
            at,
            actor: actor.to_owned(),
            what: what.to_owned(),
            ids: ids.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        });
    }

    /// All effects, oldest first.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.lock().entries.clone()
    }

    /// How many effects came after the list was full.
    pub fn left_out(&self) -> u64 {
        self.lock().left_out
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_serialises_flat() {
        let journal = Journal::default();
        let at = "2026-03-01T10:00:00Z".parse().unwrap();
        journal.record(at, "bob", "record.created", &[("number", "CHG0030001")]);
        let entry = serde_json::to_value(&journal.entries()[0]).unwrap();
        assert_eq!(entry["number"], "CHG0030001");
        assert_eq!(entry["actor"], "bob");
    }
}
