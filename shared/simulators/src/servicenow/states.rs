//! The state model of a change (vendor page "Change request state model"): legal moves by type, and what
//! must be filled in for each.

use super::api::ApiError;
use super::record::Record;

pub(super) const NEW: &str = "-5";
pub(super) const ASSESS: &str = "-4";
pub(super) const AUTHORIZE: &str = "-3";
pub(super) const SCHEDULED: &str = "-2";
pub(super) const IMPLEMENT: &str = "-1";
pub(super) const REVIEW: &str = "0";
pub(super) const CLOSED: &str = "3";
pub(super) const CANCELED: &str = "4";

/// Where a person may move a change of this type. The moves out of Assess and Authorize towards
/// Scheduled are made by the approvals alone.
pub(super) fn moves(change_type: &str, from: &str) -> &'static [&'static str] {
    match (change_type, from) {
        ("standard", NEW) => &[SCHEDULED, CANCELED],
        ("emergency", NEW) => &[AUTHORIZE, CANCELED],
        (_, NEW) => &[ASSESS, CANCELED],
        ("emergency", AUTHORIZE) | (_, ASSESS) => &[NEW, CANCELED],
        (_, AUTHORIZE) => &[CANCELED],
        (_, SCHEDULED) => &[IMPLEMENT, CANCELED],
        (_, IMPLEMENT) => &[REVIEW, CANCELED],
        (_, REVIEW) => &[CLOSED],
        _ => &[],
    }
}

/// Whether work on the change is over.
pub(super) fn is_final(state: &str) -> bool {
    matches!(state, CLOSED | CANCELED)
}

/// Checks an update against the state model and the data rules.
pub(super) fn check(before: &Record, input: &Record) -> Result<(), ApiError> {
    let mut after = before.clone();
    for (field, value) in input.iter() {
        after.set(field, value);
    }
    let (from, to) = (before.get("state"), after.get("state"));
    let held = before.get("on_hold") == "true";
    if from != to {
        let legal = moves(before.get("type"), from).contains(&to);
        let released = after.get("on_hold") != "true";
        if !legal || (held && !released && to != CANCELED) {
            return Err(ApiError::illegal_transition());
        }
    }
    if before.get("type") != after.get("type") && from != NEW {
        return Err(ApiError::aborted_by_rule(
            "change_request",
            "Change Model: Check Type",
            "9f2d0a4e2f6d4110b5f0d8b7f699b6aa",
        ));
    }
    check_hold(held, from, &after)?;
    check_mandatory(from, to, &after)
}

/// Not in New nor at the end, and never without a reason.
fn check_hold(held: bool, from: &str, after: &Record) -> Result<(), ApiError> {
    if held || after.get("on_hold") != "true" {
        return Ok(());
    }
    if from == NEW || is_final(from) {
        return Err(ApiError::aborted_by_rule(
            "change_request",
            "Change Model: Check On Hold",
            "77e1a6c82f6d4110b5f0d8b7f699b6bb",
        ));
    }
    if after.get("on_hold_reason").is_empty() {
        return Err(ApiError::mandatory(&["On hold reason"]));
    }
    Ok(())
}

fn check_mandatory(from: &str, to: &str, after: &Record) -> Result<(), ApiError> {
    if from == to {
        return Ok(());
    }
    let mut missing = Vec::new();
    if from == NEW && to != CANCELED && after.get("assignment_group").is_empty() {
        missing.push("Assignment group");
    }
    if to == CLOSED {
        for (field, label) in [("close_code", "Close code"), ("close_notes", "Close notes")] {
            if after.get(field).is_empty() {
                missing.push(label);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApiError::mandatory(&missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 8] = [NEW, ASSESS, AUTHORIZE, SCHEDULED, IMPLEMENT, REVIEW, CLOSED, CANCELED];

    #[test]
    fn only_new_to_implement_can_be_cancelled() {
        for change_type in ["normal", "emergency", "standard"] {
            for state in ALL.into_iter().take(5) {
                assert!(moves(change_type, state).contains(&CANCELED), "{state}");
            }
            for state in [REVIEW, CLOSED, CANCELED] {
                assert!(!moves(change_type, state).contains(&CANCELED), "{state}");
            }
        }
    }

    #[test]
    fn nobody_moves_a_change_past_its_approvals() {
        assert!(!moves("normal", ASSESS).contains(&AUTHORIZE));
        assert!(!moves("normal", AUTHORIZE).contains(&SCHEDULED));
        assert!(!moves("emergency", AUTHORIZE).contains(&SCHEDULED));
        assert!(moves("standard", NEW).contains(&SCHEDULED));
    }

    #[test]
    fn a_change_on_hold_can_only_be_cancelled() {
        let change = Record::of(&[
            ("state", SCHEDULED),
            ("type", "normal"),
            ("on_hold", "true"),
            ("on_hold_reason", "freeze"),
        ]);
        assert!(check(&change, &Record::of(&[("state", IMPLEMENT)])).is_err());
        assert!(check(&change, &Record::of(&[("state", CANCELED)])).is_ok());
    }
}
