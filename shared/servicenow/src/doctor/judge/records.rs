//! What must be read of changes, approvals and notes.

use http::StatusCode;
use serde_json::{Map, Value};

use super::access::api_closed;
use super::{may_not_see, why};
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Heard, Readings, Sight, field};
use crate::doctor::written::CORRELATION_CHARS;
use crate::row::{APPROVER_FIELDS, CHANGE_FIELDS};

const CORRELATION: [&str; 2] = ["correlation_id", "correlation_display"];
const ACL: &str = "in System Security > Access Control (ACL), as security_admin,";

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Fields that no row of a list shows.
fn absent<'a>(rows: &[Map<String, Value>], wanted: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    wanted.filter(|field| rows.iter().all(|row| !row.contains_key(*field))).collect()
}

pub(super) fn changes(readings: &Readings) -> Verdict {
    let heard = &readings.changes;
    let finding = match heard.sight() {
        Sight::Some(rows) => {
            let hidden = absent(rows, names(CHANGE_FIELDS).filter(|field| !CORRELATION.contains(field)));
            (!hidden.is_empty()).then(|| {
                Finding::fault(
                    Name::ChangeFieldsHidden,
                    format!("these fields of a change are not shown to the user: {}", hidden.join(", ")),
                    format!("{ACL} let it read change_request.*, or these fields"),
                )
            })
        }
        Sight::Refused(said) => Some(api_closed(heard).unwrap_or_else(|| changes_hidden(said))),
        Sight::Hidden => {
            Some(changes_hidden("there are changes, and access controls hide every one of those seen"))
        }
        Sight::Nothing => {
            let reason = "the instance shows no change at all; --write opens one and reads it back";
            return Verdict::unseen(Check::Changes, reason);
        }
        Sight::Unknown(reason) => return Verdict::unseen(Check::Changes, reason),
    };
    Verdict::of(Check::Changes, finding.into_iter().collect(), "changes can be read, with every field needed")
}

fn changes_hidden(said: &str) -> Finding {
    Finding::fault(
        Name::ChangesHidden,
        format!("the user may not read changes: {said}"),
        format!(
            "give it a role with read on change_request (itil, sn_change_read), or {ACL} a rule of its own"
        ),
    )
}

pub(super) fn change_api(heard: &Heard) -> Verdict {
    let finding = match heard {
        Heard::Refused { status: StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, said } => {
            Some(Finding::fault(
                Name::ChangeApiMissing,
                format!("the Change Management API does not answer: {said}"),
                "activate the plug-in Change Management - REST API (com.snc.change_management.rest_api)",
            ))
        }
        Heard::Refused { said, .. } => Some(Finding::fault(
            Name::NoApiAccess,
            format!("the Change Management API is closed to the user: {said}"),
            "give the user sn_change_write, and look at System Web Services > REST > API ACLs",
        )),
        Heard::Rows(_) => None,
        other => return Verdict::unseen(Check::ChangeApi, why(other)),
    };
    Verdict::of(Check::ChangeApi, finding.into_iter().collect(), "the Change Management API answers")
}

pub(super) fn approvals(readings: &Readings) -> Verdict {
    let heard = &readings.approvers;
    let finding = match heard.sight() {
        Sight::Some(rows) => {
            let needed = names(APPROVER_FIELDS).filter(|field| *field != "approver.user_name");
            let hidden = absent(rows, needed);
            (!hidden.is_empty())
                .then(|| approvers_hidden(&format!("these fields are not shown: {}", hidden.join(", "))))
        }
        Sight::Refused(said) => Some(api_closed(heard).unwrap_or_else(|| approvers_hidden(said))),
        Sight::Hidden => Some(approvers_hidden("access controls hide every row of those that were seen")),
        Sight::Nothing if readings.waiting.rows().is_empty() => {
            return Verdict::unseen(
                Check::Approvals,
                "no approval stands on the instance, nor a change that waits",
            );
        }
        Sight::Nothing if !readings.approvers_of_waiting.rows().is_empty() => None,
        Sight::Nothing => {
            Some(approvers_hidden("changes wait for their approvals, and no approver row is shown"))
        }
        Sight::Unknown(reason) => return Verdict::unseen(Check::Approvals, reason),
    };
    Verdict::of(Check::Approvals, finding.into_iter().collect(), "approver rows can be read")
}

fn approvers_hidden(said: &str) -> Finding {
    Finding::fault(
        Name::ApproversHidden,
        format!("the user may not read who approves: {said}"),
        format!(
            "{ACL} let it read sysapproval_approver and sysapproval_approver.*, for records of others too"
        ),
    )
}

pub(super) fn work_notes(heard: &Heard) -> Verdict {
    let finding = match heard.sight() {
        Sight::Some(rows) => {
            let hidden = absent(rows, ["element_id", "value"].into_iter());
            (!hidden.is_empty()).then(|| journal_hidden(&format!("not shown: {}", hidden.join(", "))))
        }
        Sight::Refused(said) => Some(api_closed(heard).unwrap_or_else(|| journal_hidden(said))),
        Sight::Hidden => Some(journal_hidden("there are work notes, and access controls hide them")),
        Sight::Nothing => return Verdict::unseen(Check::WorkNotes, "no work note of a change stands there"),
        Sight::Unknown(reason) => return Verdict::unseen(Check::WorkNotes, reason),
    };
    Verdict::of(Check::WorkNotes, finding.into_iter().collect(), "work notes can be read")
}

pub(super) fn journal_hidden(said: &str) -> Finding {
    Finding::fault(
        Name::JournalHidden,
        format!("the user may not read work notes in sys_journal_field: {said}"),
        format!(
            "{ACL} let it read sys_journal_field, and change_request.work_notes: Interlock looks for its own notes \
             before it writes one again"
        ),
    )
}

pub(super) fn correlation(readings: &Readings) -> Verdict {
    let mut findings = Vec::new();
    let rows = readings.changes.rows();
    let hidden = absent(rows, CORRELATION.into_iter().filter(|_| !rows.is_empty()));
    if !hidden.is_empty() {
        findings.push(correlation_hidden(&hidden.join(" and ")));
    }
    let entries = entries(readings, CORRELATION[0]);
    for element in CORRELATION {
        for entry in self::entries(readings, element) {
            findings.extend(of_entry(entry, element));
        }
    }
    if !findings.is_empty() {
        return Verdict::of(Check::Correlation, findings, "");
    }
    if rows.is_empty() {
        return Verdict::unseen(
            Check::Correlation,
            "no change is shown; --write opens one and reads it back",
        );
    }
    if entries.is_empty() {
        let reason = may_not_see(&readings.dictionary, "sys_dictionary");
        let text = format!("it can be read; whether it keeps 100 characters shows --write: {reason}");
        return Verdict::unseen(Check::Correlation, text);
    }
    Verdict::seen(Check::Correlation, format!("it can be read and keeps {CORRELATION_CHARS} characters"))
}

pub(super) fn correlation_hidden(fields: &str) -> Finding {
    Finding::fault(
        Name::CorrelationHidden,
        format!("{fields} of a change cannot be read: a change would not be found again"),
        format!(
            "{ACL} let the user read both change_request.correlation_id and change_request.correlation_display"
        ),
    )
}

fn entries<'a>(readings: &'a Readings, element: &str) -> Vec<&'a Map<String, Value>> {
    readings.dictionary.rows().iter().filter(|entry| field(entry, "element") == element).collect()
}

fn of_entry(entry: &Map<String, Value>, element: &str) -> Option<Finding> {
    let max: Option<usize> = field(entry, "max_length").parse().ok();
    let table = field(entry, "name");
    if field(entry, "read_only") == "true" {
        return Some(not_writable(&format!("the dictionary says that {table}.{element} is read only")));
    }
    let needed = if element == CORRELATION[0] { CORRELATION_CHARS } else { CORRELATION_DISPLAY_CHARS };
    max.filter(|max| *max < needed)
        .map(|max| cut(&format!("{table}.{element} keeps {max} characters"), needed))
}

const CORRELATION_DISPLAY_CHARS: usize = interlock_events::CORRELATION_DISPLAY.len();

pub(super) fn cut(what: &str, needed: usize) -> Finding {
    Finding::fault(
        Name::CorrelationCut,
        format!("{what}, and needs {needed}: what is over is cut without a word"),
        "set Max length of the field back to 100 in System Definition > Dictionary",
    )
}

pub(super) fn not_writable(what: &str) -> Finding {
    Finding::fault(
        Name::CorrelationNotWritable,
        format!("{what}: a change would not be found again, and opened twice"),
        format!(
            "{ACL} let the user write change_request.correlation_id and change_request.correlation_display"
        ),
    )
}
