//! The instance's memory: tables, counters and what is still to happen. Every write ends in `add` or
//! `save`, which keep the system fields, the journal and the webhooks true.

mod effects;
mod readers;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::api::{Actor, ApiError, ApiRequest};
use super::auth::Tokens;
use super::dictionary::{self, Kind};
use super::limits::Counts;
use super::options::{Account, Knobs};
use super::past::Past;
use super::query::Asker;
use super::record::{Record, Table};
use super::webhook::Webhooks;
use super::zone::{Zone, stored as wire_time_of};
use crate::journal::Journal;

/// What happens later, on the simulator's own schedule.
#[derive(Debug, Clone)]
pub(super) enum Later {
    /// A request whose transaction outlives its answer.
    Commit(Box<ApiRequest>),
    /// The approvals of this level appear.
    AskApprovers { change: String, level: u8 },
    /// The approval is taken back.
    Revoke { change: String },
    /// A check for conflicts ends.
    CheckConflicts { job: String },
    /// Whoever is asked says yes.
    AutoApprove { change: String },
}

/// How many effects may be scheduled; more are refused, loudly.
const SCHEDULED_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) knobs: Knobs,
    pub(super) accounts: Vec<Account>,
    pub(super) tokens: Tokens,
    pub(super) webhooks: Webhooks,
    pub(super) journal: Journal,
    pub(super) counts: Counts,
    /// Contents of attachments, by sys_id.
    contents: HashMap<String, Bytes>,
    past: Past,
    tables: BTreeMap<String, Table>,
    schedule: Vec<(DateTime<Utc>, Later)>,
    /// Approver rows by change, so that a long run does not search all of them at each step.
    approver_rows: HashMap<String, Vec<String>>,
    /// As `approver_rows`, of change tasks.
    task_rows: HashMap<String, Vec<String>>,
    numbers: BTreeMap<&'static str, u64>,
    seed: String,
    made: u64,
}

impl World {
    pub(super) fn new(
        now: DateTime<Utc>,
        seed: &str,
        knobs: Knobs,
        webhooks: Webhooks,
        journal: Journal,
    ) -> Self {
        Self {
            now,
            knobs,
            accounts: Vec::new(),
            tokens: Tokens::default(),
            webhooks,
            journal,
            counts: Counts::default(),
            contents: HashMap::new(),
            past: Past::default(),
            tables: BTreeMap::new(),
            schedule: Vec::new(),
            approver_rows: HashMap::new(),
            task_rows: HashMap::new(),
            numbers: BTreeMap::new(),
            seed: seed.to_owned(),
            made: 0,
        }
    }

    /// Turns the knobs. A time zone of all users and the lengths of fields are written into their records.
    pub(super) fn set_knobs(&mut self, knobs: Knobs) {
        self.knobs = knobs;
        if let (Some(zone), Some(users)) = (&self.knobs.user_time_zone, self.tables.get_mut("sys_user")) {
            for user in users.iter_mut() {
                user.set("time_zone", zone);
            }
        }
        for entry in self.tables.get_mut("sys_dictionary").into_iter().flat_map(Table::iter_mut) {
            if let Some(max) = self.knobs.text_max.get(entry.get("element")) {
                entry.set("max_length", &max.to_string());
            }
        }
    }

    /// The rows of a table and of those that extend it.
    pub(super) fn rows<'a>(&'a self, table: &'a str) -> Box<dyn Iterator<Item = (&'a str, &'a Record)> + 'a> {
        let own = move |name: &'a str| {
            let table = self.tables.get(name);
            table.into_iter().flat_map(Table::iter).map(move |row| (name, row))
        };
        Box::new(dictionary::with_children(table).flat_map(own))
    }

    /// A row by table and sys_id; a table has the rows of those that extend it.
    pub(super) fn row(&self, table: &str, sys_id: &str) -> Option<&Record> {
        dictionary::with_children(table).find_map(|name| self.tables.get(name)?.get(sys_id))
    }

    /// The table that holds a row: the one that is named, or one that extends it.
    pub(super) fn class_of<'a>(&self, table: &'a str, sys_id: &str) -> &'a str {
        let mut names = dictionary::with_children(table);
        names
            .find(|name| self.tables.get(*name).is_some_and(|rows| rows.get(sys_id).is_some()))
            .unwrap_or(table)
    }

    /// When and for whom a query of this actor runs.
    pub(super) fn asker(&self, actor: &Actor) -> Asker {
        let zone = self.row("sys_user", &actor.sys_id).map(Zone::of).unwrap_or_default();
        Asker { now: self.now, user: actor.sys_id.clone(), zone }
    }

    /// A change by its number or sys_id.
    pub(super) fn change_named(&self, name: &str) -> Option<&Record> {
        self.row("change_request", name)
            .or_else(|| self.rows("change_request").map(|(_, row)| row).find(|row| row.get("number") == name))
    }

    /// The approver rows of a change, in the order in which they came.
    pub(super) fn approvers_of(&self, change: &str) -> impl Iterator<Item = &Record> {
        let ids = self.approver_rows.get(change).into_iter().flatten();
        ids.filter_map(|id| self.row("sysapproval_approver", id))
    }

    /// The tasks of a change, in the order in which they came.
    pub(super) fn tasks_of_change(&self, change: &str) -> impl Iterator<Item = &Record> {
        let ids = self.task_rows.get(change).into_iter().flatten();
        ids.filter_map(|id| self.row("change_task", id))
    }

    /// The number of the next import set.
    pub(super) fn next_import_set(&mut self) -> String {
        let next = self.numbers.entry("ISET").or_insert(10_001);
        let number = format!("ISET{next:07}");
        *next += 1;
        number
    }

    /// A new 32-digit id; the same seed gives the same ids.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        let digest = Sha256::digest(format!("{}/{}", self.seed, self.made));
        hex::encode(&digest[..16])
    }

    /// The next number of a table, such as `CHG0030001`.
    pub(super) fn next_number(&mut self, table: &str) -> Option<String> {
        let (prefix, first) = match table {
            "change_request" => ("CHG", 30_001),
            "incident" => ("INC", 10_001),
            "problem" => ("PRB", 40_001),
            "change_task" => ("CTASK", 10_001),
            _ => return None,
        };
        let next = self.numbers.entry(prefix).or_insert(first);
        let number = format!("{prefix}{next:07}");
        *next += 1;
        Some(number)
    }

    /// Adds a row with its system fields. A `sys_id` in the record is kept.
    pub(super) fn add(&mut self, table: &str, mut record: Record, actor: &str) -> Result<String, ApiError> {
        if record.get("sys_id").is_empty() {
            let id = self.new_id();
            record.set("sys_id", &id);
        }
        if record.get("number").is_empty()
            && let Some(number) = self.next_number(table)
        {
            record.set("number", &number);
        }
        let now = wire_time(self.now);
        for (field, value) in [
            ("sys_created_on", now.as_str()),
            ("sys_updated_on", now.as_str()),
            ("sys_created_by", actor),
            ("sys_updated_by", actor),
            ("sys_mod_count", "0"),
            ("sys_class_name", table),
            ("sys_domain", "global"),
            ("sys_domain_path", "/"),
        ] {
            record.set(field, value);
        }
        self.cut(table, &mut record);
        let notes = take_notes(table, &mut record);
        let sys_id = record.get("sys_id").to_owned();
        self.remember(table, &sys_id);
        let rows = self.tables.entry(table.to_owned()).or_default();
        if !rows.insert(record.clone()) {
            return Err(ApiError::duplicate_key(&sys_id, self.knobs.duplicate_sys_id_status));
        }
        if table == "sysapproval_approver" {
            let change = record.get("sysapproval").to_owned();
            self.approver_rows.entry(change).or_default().push(sys_id.clone());
        }
        if table == "change_task" {
            let change = record.get("change_request").to_owned();
            self.task_rows.entry(change).or_default().push(sys_id.clone());
        }
        let told = record.iter().filter(|(field, _)| effects::TOLD_AT_CREATION.contains(field));
        self.note_effect(table, &record, actor, "record.created", told);
        self.keep_notes(table, &sys_id, notes, actor);
        self.emit(table, &sys_id);
        Ok(sys_id)
    }

    /// Changes a row; what is equal already counts as nothing. Tells whether anything changed.
    pub(super) fn save(&mut self, table: &str, sys_id: &str, mut changes: Record, actor: &str) -> bool {
        self.cut(table, &mut changes);
        let notes = take_notes(table, &mut changes);
        let now = wire_time(self.now);
        self.remember(table, sys_id);
        let rows = self.tables.get_mut(table);
        let Some(row) = rows.and_then(|rows| rows.get_mut(sys_id)) else {
            return false;
        };
        let effective: Vec<_> = changes.iter().filter(|(field, value)| row.get(field) != *value).collect();
        if effective.is_empty() && notes.is_empty() {
            return false;
        }
        for (field, value) in &effective {
            row.set(field, value);
        }
        let count: u64 = row.get("sys_mod_count").parse().unwrap_or(0);
        row.set("sys_mod_count", &(count + 1).to_string());
        row.set("sys_updated_on", &now);
        row.set("sys_updated_by", actor);
        let row = row.clone();
        self.note_effect(table, &row, actor, "record.updated", effective.into_iter());
        self.keep_notes(table, sys_id, notes, actor);
        self.emit(table, sys_id);
        true
    }

    /// Takes a row out.
    pub(super) fn delete(&mut self, table: &str, sys_id: &str, actor: &str) -> Option<Record> {
        self.remember(table, sys_id);
        let gone = self.tables.get_mut(table)?.remove(sys_id)?;
        self.contents.remove(sys_id);
        self.note_effect(table, &gone, actor, "record.deleted", std::iter::empty());
        Some(gone)
    }

    /// Schedules an effect.
    pub(super) fn later(&mut self, after_ms: u64, effect: Later) {
        if self.schedule.len() >= SCHEDULED_MAX {
            tracing::error!("schedule is full, an effect is lost");
            return;
        }
        let after = i64::try_from(after_ms).map_or(chrono::Duration::MAX, chrono::Duration::milliseconds);
        self.schedule.push((self.now + after, effect));
    }

    /// Takes the earliest effect that is due.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Later)> {
        let due = self.schedule.iter().enumerate();
        let (place, _) =
            due.filter(|(_, (at, _))| *at <= now).min_by_key(|(place, (at, _))| (*at, *place))?;
        Some(self.schedule.remove(place))
    }

    /// When the next effect is due.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.schedule.iter().map(|(at, _)| *at).min()
    }

    /// Over-long text is cut without a word.
    fn cut(&self, table: &str, record: &mut Record) {
        if !self.knobs.string_truncate {
            return;
        }
        let long: Vec<_> = record
            .iter()
            .filter_map(|(field, value)| match dictionary::kind(table, field) {
                Some(Kind::Text(max)) => {
                    let max = self.knobs.text_max.get(field).copied().unwrap_or(max);
                    let (end, _) = value.char_indices().nth(max)?;
                    Some((field.to_owned(), value[..end].to_owned()))
                }
                _ => None,
            })
            .collect();
        for (field, value) in long {
            record.set(&field, &value);
        }
    }
}

/// A date-time as the instance writes it.
pub(super) fn wire_time(at: DateTime<Utc>) -> String {
    wire_time_of(at)
}

/// Journal fields are not stored in the row: each write becomes an entry.
fn take_notes(table: &str, record: &mut Record) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    for field in ["work_notes", "comments"] {
        let journal = dictionary::kind(table, field) == Some(Kind::Journal);
        if let Some(text) = journal.then(|| record.remove(field)).flatten()
            && !text.is_empty()
        {
            notes.push((field.to_owned(), text));
        }
    }
    notes
}
