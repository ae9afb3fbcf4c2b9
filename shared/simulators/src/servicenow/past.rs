//! Readers that see an old state: a list from a replica that lags, or whoever follows a webhook that was
//! sent before its transaction was visible.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};

use super::record::{Record, Table};

/// How many states are kept; older ones are seen by nobody any more.
const STATES_MAX: usize = 10_000;

/// What rows were before they were written.
#[derive(Debug, Default)]
pub(super) struct Past(VecDeque<Before>);

#[derive(Debug)]
struct Before {
    until: DateTime<Utc>,
    table: String,
    sys_id: String,
    /// `None`: there was no such row.
    row: Option<Record>,
}

impl Past {
    /// Keeps what a row was until now.
    pub(super) fn keep(&mut self, until: DateTime<Utc>, table: &str, sys_id: &str, row: Option<Record>) {
        if self.0.len() >= STATES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Before { until, table: table.to_owned(), sys_id: sys_id.to_owned(), row });
    }

    /// The tables as they were at an instant.
    pub(super) fn tables_at(
        &self,
        at: DateTime<Utc>,
        tables: &BTreeMap<String, Table>,
    ) -> BTreeMap<String, Table> {
        let mut tables = tables.clone();
        for before in self.0.iter().rev().take_while(|before| before.until > at) {
            let table = tables.entry(before.table.clone()).or_default();
            match (&before.row, table.get_mut(&before.sys_id)) {
                (Some(row), Some(now)) => now.clone_from(row),
                (Some(row), None) => {
                    table.insert(row.clone());
                }
                (None, _) => {
                    table.remove(&before.sys_id);
                }
            }
        }
        tables
    }
}
