//! Changes over time, out of ServiceNow's journal.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use interlock_simulators::journal::JournalEntry;

/// The integration user's name.
const US: &str = "interlock";

/// A change and how it stood from when on.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Its number.
    pub number: String,
    /// Its correlation id, as it was created.
    pub correlation_id: String,
    /// How it stood from when on, oldest first.
    pub history: Vec<(DateTime<Utc>, Snapshot)>,
    /// When people last rejected it.
    pub rejected: Option<DateTime<Utc>>,
}

/// How a change stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of its state.
    pub state: String,
    /// Its approval.
    pub approval: String,
    /// Since when it is approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// Whether it is on hold.
    pub on_hold: bool,
    /// Planned start and end.
    pub window: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// Its close code.
    pub close_code: String,
}

impl Snapshot {
    /// It permits a release, inside its window.
    #[must_use]
    pub fn permits(&self) -> bool {
        matches!(self.state.as_str(), "-2" | "-1") && self.approval == "approved" && !self.on_hold
    }

    /// It permits at some moment between two.
    fn permits_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        let (start, end) = self.window;
        let begun = start.is_none_or(|start| start <= to);
        // The instance's times are whole seconds: the last one counts whole.
        let over = end.is_some_and(|end| end + TimeDelta::seconds(1) < from);
        self.permits() && begun && !over
    }
}

impl Record {
    /// Its state in the end.
    #[must_use]
    pub fn state(&self) -> &str {
        self.history.last().map_or("", |(_, snapshot)| snapshot.state.as_str())
    }

    /// Its close code in the end.
    #[must_use]
    pub fn close_code(&self) -> &str {
        self.history.last().map_or("", |(_, snapshot)| snapshot.close_code.as_str())
    }

    /// How it stood at a moment.
    #[must_use]
    pub fn at(&self, moment: DateTime<Utc>) -> Option<&Snapshot> {
        self.history.iter().rev().find(|(at, _)| *at <= moment).map(|(_, snapshot)| snapshot)
    }

    /// It permitted at some moment between two, both included.
    #[must_use]
    pub fn permitted_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.history.iter().enumerate().any(|(place, (begin, snapshot))| {
            let end = self.history.get(place + 1).map_or(DateTime::<Utc>::MAX_UTC, |(at, _)| *at);
            *begin <= to && end >= from && snapshot.permits_between(from.max(*begin), to.min(end))
        })
    }

    /// It was opened although `first` covered its deployment: of one key there is one change for ever, and who
    /// shares a gate gets a change of its own only when the others' is over.
    pub(super) fn doubles(&self, first: &Self) -> bool {
        let (Some((created, _)), Some((before, _))) = (self.history.first(), first.history.first()) else {
            return false;
        };
        let was_live = first.at(*created).is_some_and(|then| !matches!(then.state.as_str(), "3" | "4"));
        (before, &first.number) < (created, &self.number) && (self.key() == first.key() || was_live)
    }

    /// The part of its correlation id that names the deployment.
    fn key(&self) -> Option<&str> {
        self.correlation_id.split('.').nth(1)
    }

    /// It was approved at some time.
    #[must_use]
    pub fn was_approved(&self) -> bool {
        self.history.iter().any(|(_, snapshot)| snapshot.approved_at.is_some())
    }

    /// People took it back to New, which nobody but people undoes.
    #[must_use]
    pub fn is_held_by_people(&self) -> bool {
        self.state() == "-5" && self.rejected.is_some()
    }
}

/// All changes of ours, in the order of their creation.
pub(super) fn read(journal: &[JournalEntry]) -> Vec<Record> {
    let mut order = Vec::new();
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    for entry in journal {
        let id = |name: &str| entry.ids.get(name).cloned().unwrap_or_default();
        if entry.what == "approval.rejected" && entry.actor != US {
            if let Some(record) = records.get_mut(&id("change")) {
                record.rejected = Some(entry.at);
            }
            continue;
        }
        if id("table") != "change_request" || !entry.what.starts_with("record.") {
            continue;
        }
        let record = records.entry(id("sys_id")).or_insert_with(|| {
            order.push(id("sys_id"));
            Record { number: id("number"), correlation_id: id("correlation_id"), ..Record::default() }
        });
        let before = record.history.last().map(|(_, snapshot)| snapshot.clone()).unwrap_or_default();
        record.history.push((entry.at, after(before, entry)));
    }
    order.iter().filter_map(|sys_id| records.remove(sys_id)).collect()
}

fn after(mut snapshot: Snapshot, entry: &JournalEntry) -> Snapshot {
    let set = |field: &str| entry.ids.get(&format!("set.{field}"));
    if let Some(state) = set("state") {
        snapshot.state.clone_from(state);
    }
    if let Some(approval) = set("approval") {
        snapshot.approved_at = (approval == "approved").then_some(entry.at);
        snapshot.approval.clone_from(approval);
    }
    if let Some(on_hold) = set("on_hold") {
        snapshot.on_hold = on_hold == "true";
    }
    if let Some(start) = set("start_date") {
        snapshot.window.0 = time(start);
    }
    if let Some(end) = set("end_date") {
        snapshot.window.1 = time(end);
    }
    if let Some(code) = set("close_code") {
        snapshot.close_code.clone_from(code);
    }
    snapshot
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|time| time.and_utc())
}
