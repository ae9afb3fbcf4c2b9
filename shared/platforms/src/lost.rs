//! What a platform could not tell us, as its own API shows it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_events::GateHandle;

/// A webhook that was sent and not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The platform's id of the delivery.
    pub id: String,
    /// When it was tried.
    pub at: DateTime<Utc>,
}

/// What a look back at the deliveries showed.
#[derive(Debug, Clone, Default)]
pub struct LookBack {
    /// The most important first.
    pub undelivered: Vec<Undelivered>,
    /// It went as far back as was asked.
    pub whole: bool,
}

/// Where gates may wait: a repository, a project. Its ids mean something to its platform alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub BTreeMap<String, String>);

impl Place {
    /// Where a known gate waits, or waited.
    #[must_use]
    pub fn of(gate: &GateHandle, ids: &[&str]) -> Option<Self> {
        let ids = ids.iter().map(|id| Some(((*id).to_owned(), gate.ids.get(*id)?.clone())));
        ids.collect::<Option<_>>().map(Self)
    }
}
