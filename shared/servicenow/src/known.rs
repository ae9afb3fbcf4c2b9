//! Whether what was read of a change is still all there is. One process follows what changes ([`crate::Mark`]) and
//! leaves in the Store what it saw; whoever watches a change asks the Store then, and not the instance.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{KeyHash, RecordChanged};
use interlock_rules::{ChangeRow, Reading, hangs_on_approvers};
use serde::{Deserialize, Serialize};

use crate::client::ServiceNow;

/// How long it is remembered that a change was seen to move.
const MOVED_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// What was read longer ago is read again: what is remembered of it ends soon.
const KNOWN_FOR: TimeDelta = TimeDelta::days(6);
/// Beyond this difference of clocks nothing is judged by times, and the change is read.
const SKEW_SECONDS_MAX: i64 = 60;
/// More rows or keys are read at each look.
const ROWS_MAX: usize = 8;

/// What was last read of a deployment's change. Small: it travels with a watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    at: DateTime<Utc>,
    /// Each row and its version.
    rows: BTreeMap<String, String>,
    /// When the last approver row was written.
    decided: Option<DateTime<Utc>>,
    /// Approver rows do not matter to whom it was read for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rows_alone: bool,
    /// Whoever waits for a change of it may go by it.
    sure: bool,
}

impl Known {
    /// What a reading shows; `None` of no rows, or of very many.
    #[must_use]
    pub fn of(reading: &Reading) -> Option<Self> {
        let is_near = reading.skew_seconds.is_none_or(|seconds| seconds.abs() <= SKEW_SECONDS_MAX);
        let rows = &reading.rows;
        (1..=ROWS_MAX).contains(&rows.len()).then(|| Self {
            at: reading.at,
            rows: rows.iter().map(|row| (row.sys_id.clone(), version(row))).collect(),
            decided: rows.iter().flat_map(|row| &row.approvers).filter_map(|row| row.at).max(),
            rows_alone: false,
            // What a state means may be told by another configuration.
            sure: is_near && rows.iter().all(|row| row.state.is_some()),
        })
    }

    /// The same of a reading by [`ServiceNow::changes_to_write`].
    #[must_use]
    pub fn to_write(reading: &Reading) -> Option<Self> {
        Some(Self { rows_alone: !hangs_on_approvers(&reading.rows), ..Self::of(reading)? })
    }

    /// The change was among what was read.
    #[must_use]
    pub fn shows(&self, sys_id: &str) -> bool {
        self.rows.contains_key(sys_id)
    }

    /// The row was read as it is now.
    #[must_use]
    pub fn has(&self, row: &ChangeRow) -> bool {
        self.rows.get(&row.sys_id) == Some(&version(row))
    }
}

impl Known {
    /// An approver row that was written then was read with it.
    #[must_use]
    pub fn counts(&self, decided: DateTime<Utc>) -> bool {
        self.decided.is_some_and(|known| known >= decided)
    }
}

impl Known {
    /// What the hint tells was read already: the row in that version or a later one; of an approval, one of then or
    /// later.
    #[must_use]
    pub fn tells(&self, hint: &RecordChanged) -> bool {
        if hint.sys_id != hint.change_sys_id {
            return hint.updated.is_some_and(|at| self.counts(at));
        }
        let count = |text: &str| text.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        let read = self.rows.get(&hint.sys_id).and_then(|version| count(version));
        read.is_some_and(|read| count(&hint.mod_count).is_some_and(|told| told <= read))
    }
}

fn version(row: &ChangeRow) -> String {
    format!("{} {}", row.updated.timestamp(), row.mod_count)
}

impl ServiceNow {
    /// Nothing of these keys has moved since it was read, as far as whoever follows the changes has seen. `false`
    /// where that cannot be told: read then.
    pub async fn is_as_read(&self, keys: &[KeyHash], known: &Known) -> bool {
        let now = self.shared.clock.now();
        if !known.sure || keys.len() > ROWS_MAX || now - known.at >= KNOWN_FOR {
            return false;
        }
        let store = &self.shared.store;
        if self.followed_since().await.is_none_or(|since| since > known.at) {
            return false;
        }
        for key in keys {
            let Ok(moved) = store.get(&self.key("moved", key.as_str())).await else { return false };
            let Ok(decided) = store.get(&self.key("decided", key.as_str())).await else { return false };
            let is_known = |row: &str| {
                row.split_once(' ').is_some_and(|(sys_id, version)| {
                    known.rows.get(sys_id).is_some_and(|known| known == version)
                })
            };
            let is_counted = |at: &str| {
                known.rows_alone
                    || at.parse().is_ok_and(|at| known.decided.is_some_and(|known| known.timestamp() >= at))
            };
            if moved.is_some_and(|row| !is_known(&row)) || decided.is_some_and(|at| !is_counted(&at)) {
                return false;
            }
        }
        true
    }

    /// Since when everything is followed. What was written before the Store forgot says nothing.
    async fn followed_since(&self) -> Option<DateTime<Utc>> {
        let store = &self.shared.store;
        let told = store.get(&self.key("followed", "all")).await.ok()??;
        let (epoch, since) = told.split_once(' ')?;
        (store.epoch().await.ok()?.id == epoch).then(|| since.parse().ok())?
    }

    /// Remembers that this row was seen; `false` where the Store does not.
    pub async fn note_moved(&self, key: &KeyHash, row: &ChangeRow) -> bool {
        let seen = format!("{} {}", row.sys_id, version(row));
        self.shared.store.put(&self.key("moved", key.as_str()), &seen, MOVED_LIFE).await.is_ok()
    }

    /// Remembers that an approval was seen; `false` where the Store does not.
    pub async fn note_decided(&self, key: &KeyHash, at: DateTime<Utc>) -> bool {
        let seen = at.timestamp().to_string();
        self.shared.store.put(&self.key("decided", key.as_str()), &seen, MOVED_LIFE).await.is_ok()
    }

    /// Tells everybody, for so long, that whatever has changed since was seen, and is remembered in this epoch of
    /// the Store.
    pub async fn note_followed(&self, since: DateTime<Utc>, epoch: &str, for_so_long: Duration) {
        let told = format!("{epoch} {}", since.to_rfc3339());
        // Where this fails everybody reads.
        let _ = self.shared.store.put(&self.key("followed", "all"), &told, for_so_long).await;
    }

    fn key(&self, what: &str, whose: &str) -> String {
        format!("{what}:{}@{}:{whose}", self.name(), self.shared.settings.base_url.authority())
    }
}
