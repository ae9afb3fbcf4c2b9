//! Incidents, problems and change tasks: their defaults, their priority, and what closing them demands
//! (vendor pages "Incident management state model", "Default priority lookup rules", "Create a change task").

use super::api::{Actor, ApiError};
use super::change_tasks;
use super::record::Record;
use super::world::{World, wire_time};

/// What a new task of any kind but a change begins with.
pub(super) fn defaults(world: &World, table: &str, record: &mut Record, actor: &Actor) {
    let state = match table {
        "incident" | "change_task" => "1",
        "problem" => "101",
        _ => "-5",
    };
    let now = wire_time(world.now);
    for (field, value) in [
        ("active", "true"),
        ("approval", "not requested"),
        ("contact_type", if table == "incident" { "phone" } else { "" }),
        ("escalation", "0"),
        ("impact", "3"),
        ("knowledge", "false"),
        ("made_sla", "true"),
        ("opened_at", &now),
        ("opened_by", &actor.sys_id),
        ("reassignment_count", "0"),
        ("state", state),
        ("upon_approval", "proceed"),
        ("upon_reject", "cancel"),
        ("urgency", "3"),
    ] {
        record.set_default(field, value);
    }
    if table == "change_task" {
        record.set_default("created_from", "manual");
        record.set_default("change_task_type", "planning");
        let change = record.get("change_request").to_owned();
        record.set_default("parent", &change);
    }
}

/// What the platform computes and demands before a task is saved.
pub(super) fn before_save(
    world: &World,
    table: &str,
    before: &Record,
    changes: &mut Record,
    actor: &Actor,
) -> Result<(), ApiError> {
    match table {
        "incident" => incident(world, before, changes, actor),
        "problem" => {
            problem(world, before, changes);
            Ok(())
        }
        "change_task" => change_task(world, before, changes, actor),
        _ => Ok(()),
    }
}

/// What follows once a task is saved.
pub(super) fn after_save(world: &mut World, table: &str, sys_id: &str, before: &Record) {
    if table == "change_task" {
        change_tasks::saved(world, sys_id, before);
    }
}

fn after<'a>(before: &'a Record, changes: &'a Record, field: &str) -> &'a str {
    if changes.has(field) { changes.get(field) } else { before.get(field) }
}

/// Priority follows from impact and urgency; what the caller sends is overwritten.
fn priority(before: &Record, changes: &Record) -> String {
    let level = |field| after(before, changes, field).parse::<u8>().unwrap_or(3).clamp(1, 3);
    (level("impact") + level("urgency") - 1).to_string()
}

fn incident(world: &World, before: &Record, changes: &mut Record, actor: &Actor) -> Result<(), ApiError> {
    let computed = priority(before, changes);
    changes.set("priority", &computed);
    let (from, mut to) = (before.get("state").to_owned(), after(before, changes, "state").to_owned());
    let said = !changes.get("comments").is_empty();
    // A caller who answers takes the incident off hold.
    if from == "3" && to == "3" && said && before.get("caller_id") == actor.sys_id {
        changes.set("hold_reason", "");
        "2".clone_into(&mut to);
    }
    changes.set("state", &to);
    changes.set("incident_state", &to);
    if from == to {
        return Ok(());
    }
    let mut missing = Vec::new();
    if matches!(to.as_str(), "6" | "7") {
        for (field, label) in [("close_code", "Resolution code"), ("close_notes", "Resolution notes")] {
            if after(before, changes, field).is_empty() {
                missing.push(label);
            }
        }
    }
    if to == "3" {
        match after(before, changes, "hold_reason") {
            "" => missing.push("On hold reason"),
            "1" if !said => missing.push("Additional comments"),
            _ => {}
        }
    }
    if !missing.is_empty() {
        return Err(ApiError::mandatory(&missing));
    }
    // Closing is not for everybody; the platform does it some days after the resolution.
    if to == "7" && !actor.has_role("itil_admin") {
        return Err(ApiError::acl("Update"));
    }
    let now = wire_time(world.now);
    match to.as_str() {
        "6" => stamp(changes, "resolved", &now, &actor.sys_id),
        "7" | "8" => {
            stamp(changes, "closed", &now, &actor.sys_id);
            changes.set("active", "false");
        }
        _ => {}
    }
    Ok(())
}

fn stamp(changes: &mut Record, what: &str, now: &str, user: &str) {
    changes.set(&format!("{what}_at"), now);
    changes.set(&format!("{what}_by"), user);
}

/// The Table API does not move a problem: 200, and the state is the old one.
fn problem(world: &World, before: &Record, changes: &mut Record) {
    let computed = priority(before, changes);
    changes.set("priority", &computed);
    if world.knobs.problem_state_ignored && !before.get("state").is_empty() {
        changes.remove("state");
        changes.remove("problem_state");
    }
    let state = after(before, changes, "state").to_owned();
    changes.set("problem_state", &state);
}

fn change_task(world: &World, before: &Record, changes: &mut Record, actor: &Actor) -> Result<(), ApiError> {
    let (from, to) = (before.get("state").to_owned(), after(before, changes, "state").to_owned());
    if from == to || !matches!(to.as_str(), "3" | "4") {
        return Ok(());
    }
    let needed = [("close_code", "Close code"), ("close_notes", "Close notes")];
    let missing: Vec<_> = needed
        .iter()
        .filter(|(field, _)| to == "3" && after(before, changes, field).is_empty())
        .map(|(_, label)| *label)
        .collect();
    if !missing.is_empty() {
        return Err(ApiError::mandatory(&missing));
    }
    stamp(changes, "closed", &wire_time(world.now), &actor.sys_id);
    changes.set("active", "false");
    Ok(())
}
