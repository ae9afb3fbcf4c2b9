//! What every write leaves behind: journal entries of the record, webhooks, and the simulator's own journal.

use super::World;
use crate::servicenow::record::Record;

/// What the journal tells of a new record; the rest are defaults.
pub(super) const TOLD_AT_CREATION: [&str; 12] = [
    "approval",
    "assignment_group",
    "chg_model",
    "correlation_display",
    "element",
    "end_date",
    "parent",
    "short_description",
    "start_date",
    "state",
    "type",
    "value",
];
const JOURNAL_VALUE_MAX: usize = 300;

impl World {
    pub(super) fn keep_notes(
        &mut self,
        table: &str,
        sys_id: &str,
        notes: Vec<(String, String)>,
        actor: &str,
    ) {
        for (element, value) in notes {
            let entry = Record::of(&[
                ("name", table),
                ("element", &element),
                ("element_id", sys_id),
                ("value", &value),
            ]);
            // A generated id is unique, so the row is always new.
            let _ = self.add("sys_journal_field", entry, actor);
        }
    }

    pub(super) fn emit(&mut self, table: &str, sys_id: &str) {
        let Some(row) = self.row(table, sys_id).filter(|_| self.webhooks.tell_of(table)) else {
            return;
        };
        let task = match table {
            "sysapproval_approver" => self.row("change_request", row.get("sysapproval")),
            _ => Some(row),
        };
        let body = crate::servicenow::webhook::payload(table, row, task);
        self.webhooks.emit(self.now, &body);
    }

    pub(super) fn note_effect<'a>(
        &self,
        table: &str,
        row: &Record,
        actor: &str,
        what: &str,
        set: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let mut ids =
            vec![("table".to_owned(), table.to_owned()), ("sys_id".to_owned(), row.get("sys_id").to_owned())];
        for known in ["number", "correlation_id", "sysapproval", "approver", "element_id"] {
            if !row.get(known).is_empty() {
                ids.push((known.to_owned(), row.get(known).to_owned()));
            }
        }
        for (field, value) in set.filter(|(field, _)| !field.starts_with("sys_")) {
            let short: String = value.chars().take(JOURNAL_VALUE_MAX).collect();
            ids.push((format!("set.{field}"), short));
        }
        let ids: Vec<_> = ids.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.journal.record(self.now, actor, what, &ids);
    }
}
