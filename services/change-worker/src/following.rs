//! What a deployment's watch carries from tick to tick, and what one look saw.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_rules::{ChangeRow, CheckAsked, SharedGate, Sibling, Terms};
use interlock_servicenow::Known;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fields that were not taken and that are named.
const IGNORED_MAX: usize = 30;

/// What travels with a deployment's watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Following {
    /// The policy's terms, as they were at the request.
    pub terms: Terms,
    /// Since when a create that we know nothing of is waited for.
    pub settle_from: Option<DateTime<Utc>>,
    /// When a change was created or first found.
    pub found_at: Option<DateTime<Utc>>,
    /// The change that was told.
    pub told: Option<String>,
    /// Its number.
    #[serde(default)]
    pub told_number: Option<String>,
    /// Extras, and when each was first seen.
    pub extras: BTreeMap<String, DateTime<Utc>>,
    /// When the platform was last asked.
    pub run_read: Option<DateTime<Utc>>,
    /// Who shares the gate, once that was read; nobody, if it is this deployment's alone.
    #[serde(default)]
    pub siblings: Option<Vec<Sibling>>,
    /// The change stands under another's key.
    #[serde(default)]
    pub shares: bool,
    /// Fields of the change that was told that the instance did not take as they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The change that was seen beyond New: whoever takes it back there wants it there.
    #[serde(default)]
    pub asked: Option<String>,
    /// That it covers this deployment too stands in its notes.
    #[serde(default)]
    pub noted: bool,
    /// The check for conflicts that was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckAsked>,
    /// What was read of the change, where it waits for people or for its deployment's end, and nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// Nothing is to be done, and until then nothing can show that was not there at the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_until: Option<DateTime<Utc>>,
    /// It was in Implement then.
    #[serde(default)]
    pub runs: bool,
}

/// What one look saw in ServiceNow.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub shared: &'a SharedGate,
    /// The canonical one.
    pub row: &'a ChangeRow,
    /// Those that count.
    pub rows: &'a [ChangeRow],
    /// Those of everybody who shares the gate.
    pub all: &'a [ChangeRow],
}

impl Following {
    pub(crate) fn begin(terms: Terms) -> Self {
        Self {
            terms,
            settle_from: None,
            found_at: None,
            told: None,
            told_number: None,
            extras: BTreeMap::new(),
            run_read: None,
            siblings: None,
            shares: false,
            ignored: Vec::new(),
            asked: None,
            noted: false,
            check: None,
            known: None,
            quiet_until: None,
            runs: false,
        }
    }

    /// Without the change that it went by.
    pub(crate) fn anew(self) -> Self {
        Self { siblings: self.siblings, ..Self::begin(self.terms) }
    }

    /// The state travels in a header, so it names some of very many.
    pub(crate) fn not_taken(&mut self, mut fields: Vec<String>) {
        fields.truncate(IGNORED_MAX);
        self.ignored = fields;
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}
