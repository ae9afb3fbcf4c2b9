//! What the test change showed.

use interlock_rules::ChangeState;
use serde_json::{Map, Value};

use super::access::api_closed;
use super::records::{correlation_hidden, cut, journal_hidden, not_writable};
use super::why;
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Heard, field};
use crate::doctor::written::{CORRELATION_CHARS, Written};
use crate::next_states::{missing, transitions};
use crate::row::text;
use crate::settings::Settings;

const CORRELATION: [&str; 2] = ["correlation_id", "correlation_display"];

pub(in crate::doctor) fn written(written: &Written, settings: &Settings) -> Verdict {
    let mut findings = Vec::new();
    findings.extend(created(written));
    if let Some(record) = &written.record {
        findings.extend(kept(record, written));
        findings.extend(read_back(written));
        findings.extend(updated(written));
        findings.extend(noted(written));
        findings.extend(attached(written));
        findings.extend(settable(&written.next, settings));
        findings.extend(left(record, written, settings));
    }
    let number = written.record.as_ref().map(|record| field(record, "number")).unwrap_or_default();
    Verdict::of(Check::TestChange, findings, format!("{number} was opened, read back and canceled"))
}

fn created(written: &Written) -> Option<Finding> {
    let by_hand = format!(
        "if a change with the correlation id {} appears, cancel it by hand",
        written.correlation_id.trim_end_matches('x')
    );
    let heard = &written.created;
    match heard {
        Heard::Rows(rows) if !rows.rows.is_empty() => None,
        Heard::Refused { said, .. } if said.contains("mandatory") => Some(Finding::fault(
            Name::MandatoryUnfilled,
            format!("the test change was refused: {said}"),
            "give these fields in the policy's change.fields, or exempt the user in the data policy",
        )),
        Heard::Refused { said, .. } if written.record.is_some() => Some(Finding::fault(
            Name::ChangesHidden,
            format!("the change was created and the answer says no: {said}"),
            "let the user read what it creates: an ACL of operation read on change_request",
        )),
        Heard::Refused { said, .. } => Some(api_closed(heard).unwrap_or_else(|| {
            Finding::fault(
                Name::ChangeCreateRefused,
                format!("no change can be created: {said}"),
                "give the user sn_change_write, or an ACL of operation create on change_request; a business rule that \
                 is named must let it pass",
            )
        })),
        other if written.record.is_some() => Some(Finding::warning(
            Name::InstanceFailing,
            format!("the test change was created, and the answer was lost: {}", why(other)),
            "look for time-outs and proxies between here and the instance",
        )),
        other => Some(Finding::fault(
            Name::InstanceFailing,
            format!("it is not known whether the test change was created: {}", why(other)),
            by_hand,
        )),
    }
}

/// What was sent and is not in the record.
fn kept(record: &Map<String, Value>, written: &Written) -> Vec<Finding> {
    if !matches!(written.created, Heard::Rows(_)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (name, sent) in &written.sent {
        let sent = text(sent);
        let kept = record.get(name).map(text);
        if kept.as_deref().map(str::trim) == Some(sent.trim()) {
            continue;
        }
        let ours = CORRELATION.contains(&name.as_str());
        match kept {
            Some(kept) if ours && !kept.is_empty() && sent.starts_with(&kept) => {
                let what = format!("{name} keeps {} characters", kept.chars().count());
                findings.push(cut(&what, CORRELATION_CHARS));
            }
            // The read back tells whether it is hidden or lost.
            None if ours => {}
            Some(_) if ours => findings.push(not_writable(&format!("{name} of the test change is not kept"))),
            _ if name == "sys_id" => findings.push(not_chosen()),
            _ => findings.push(not_kept(name)),
        }
    }
    findings
}

fn not_chosen() -> Finding {
    Finding::warning(
        Name::ChosenIdIgnored,
        "the test change got a sys_id of the instance's own in place of the one that was chosen for it",
        "let the integration user write sys_id, or write create: look_up on this connection",
    )
}

fn not_kept(name: &str) -> Finding {
    Finding::warning(
        Name::FieldNotKept,
        format!("{name} of the test change is not as it was written: an access control or a rule changes it"),
        "let the user write the field, or take it out of the policy if the instance sets it itself",
    )
}

fn read_back(written: &Written) -> Option<Finding> {
    let stripped = written.record.as_ref().is_some_and(|record| {
        record.get(CORRELATION[0]).is_some_and(|kept| text(kept) != written.correlation_id)
    });
    match &written.found {
        // It is told already why it cannot be found.
        _ if stripped => None,
        Heard::Rows(rows) if rows.rows.is_empty() => Some(Finding::fault(
            Name::ChangesHidden,
            "the test change was created, and is not found again by its correlation id",
            "let the user read what it creates, and both correlation fields: an ACL of operation read",
        )),
        Heard::Rows(rows) => {
            let hidden = |name: &&str| rows.rows.iter().all(|row| !row.contains_key(*name));
            let hidden: Vec<&str> = CORRELATION.into_iter().filter(hidden).collect();
            (!hidden.is_empty()).then(|| correlation_hidden(&hidden.join(" and ")))
        }
        Heard::Refused { said, .. } => Some(correlation_hidden(&format!("({said}) a field"))),
        _ => None,
    }
}

fn updated(written: &Written) -> Option<Finding> {
    match &written.updated {
        Heard::Refused { said, .. } => Some(Finding::fault(
            Name::ChangeUpdateRefused,
            format!("the test change cannot be updated: {said}"),
            "give the user sn_change_write, or an ACL of operation write on change_request",
        )),
        Heard::Rows(rows) => {
            let record = rows.rows.first()?;
            let shifted = ["start_date", "end_date"].into_iter().find_map(|name| {
                let (sent, kept) = (written.update.get(name).map(text)?, record.get(name).map(text)?);
                (sent != kept).then(|| format!("{name} was written as {sent} and is kept as `{kept}`"))
            })?;
            Some(Finding::fault(
                Name::DatesShifted,
                shifted,
                "set the user's Time zone to GMT, and let it write start_date and end_date",
            ))
        }
        _ => None,
    }
}

fn noted(written: &Written) -> Option<Finding> {
    if !matches!(written.updated, Heard::Rows(_)) {
        return None;
    }
    match &written.journal {
        Heard::Rows(rows) if rows.rows.is_empty() => {
            Some(journal_hidden("the note just written is not shown"))
        }
        Heard::Refused { said, .. } => Some(journal_hidden(said)),
        _ => None,
    }
}

fn attached(written: &Written) -> Option<Finding> {
    let Heard::Refused { said, .. } = &written.attached else { return None };
    Some(Finding::fault(
        Name::AttachmentRefused,
        format!("no file can be attached to a change: {said}"),
        "give the user create on sys_attachment and write on change_request; see glide.attachment.role",
    ))
}

/// Both steps that every change of ours may need first.
fn settable(next: &Heard, settings: &Settings) -> Vec<Finding> {
    let Some(next) = next.first() else { return Vec::new() };
    let next = Value::Object(next.clone());
    let listed = next.get("available_states").and_then(Value::as_array);
    let available: Vec<String> = listed.into_iter().flatten().map(text).collect();
    let wanted = [ChangeState::Assess, ChangeState::Canceled].into_iter();
    let refused = wanted.filter(|state| !available.contains(&settings.state_map.number(*state).to_string()));
    refused
        .map(|state| {
            let number = settings.state_map.number(state).to_string();
            let transition =
                transitions(&next).find(|one| one.get("to_state").map(text) == Some(number.clone()));
            let conditions = transition.map(missing).unwrap_or_default();
            let reason = match conditions.as_slice() {
                [] => "the change model has no such step for this user".to_owned(),
                some => format!("missing: {}", some.join(", ")),
            };
            Finding::fault(
                Name::StateNotSettable,
                format!("the user cannot move a new change to {state:?} ({number}): {reason}"),
                "look at the transitions of the change model and at the roles that they demand",
            )
        })
        .collect()
}

fn left(record: &Map<String, Value>, written: &Written, settings: &Settings) -> Option<Finding> {
    let said = written.canceled.as_ref().err()?;
    let (number, base) = (field(record, "number"), settings.base_url.as_str());
    let cure = format!(
        "cancel {number} by hand: {base}/nav_to.do?uri=change_request.do?sys_id={}",
        field(record, "sys_id")
    );
    Some(Finding::fault(
        Name::TestChangeLeft,
        format!("the test change {number} could not be canceled and still stands: {said}"),
        cure,
    ))
}
