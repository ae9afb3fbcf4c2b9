//! The approvals engine: who is asked on each level, and what an answer does to the change.
//! A level asks groups; of each, one yes or all of them decide. One no sends the change back to New.

use super::api::{Actor, ApiError};
use super::changes;
use super::options::WaitFor;
use super::record::Record;
use super::states::{ASSESS, AUTHORIZE, NEW, SCHEDULED};
use super::world::{Later, World};

/// The group that decides the second level.
pub(super) const CAB: &str = "CAB Approval";

/// How many people a level asks at most.
const MEMBERS_MAX: usize = 100;

/// Asks for the approvals that the change's state needs, now or after the delay.
pub(super) fn ask(world: &mut World, change: &str) {
    let Some(row) = world.row("change_request", change) else {
        return;
    };
    let level = if row.get("state") == ASSESS { 1 } else { 2 };
    let levels = match row.get("type") {
        "emergency" if world.knobs.approval_levels > 0 => 2,
        _ => world.knobs.approval_levels,
    };
    if level > levels {
        return pass(world, change);
    }
    let requested = Record::of(&[("approval", "requested")]);
    world.save("change_request", change, requested, "system");
    let change = change.to_owned();
    match world.knobs.approval_delay_ms {
        0 => create_rows(world, &change, level),
        delay => world.later(delay, Later::AskApprovers { change, level }),
    }
}

/// Creates the approver rows of a level, if the change still waits there.
pub(super) fn create_rows(world: &mut World, change: &str, level: u8) {
    let wanted = if level == 1 { ASSESS } else { AUTHORIZE };
    let Some(row) = world.row("change_request", change) else {
        return;
    };
    if row.get("state") != wanted || !open_rows(world, change).is_empty() {
        return;
    }
    for group in groups_of(world, row, level) {
        ask_group(world, change, &group);
    }
    if let Some(delay) = world.knobs.auto_approve_ms {
        let change = change.to_owned();
        world.later(delay, Later::AutoApprove { change });
    }
}

/// The groups that decide a level.
fn groups_of(world: &World, row: &Record, level: u8) -> Vec<String> {
    let named = &world.knobs.approval_groups[usize::from(level > 1)];
    if !named.is_empty() {
        return named.iter().filter_map(|name| group_named(world, name)).collect();
    }
    let one = match level {
        1 => row.get("assignment_group").to_owned(),
        _ => group_named(world, CAB).unwrap_or_default(),
    };
    vec![one]
}

/// Asks every member of a group.
fn ask_group(world: &mut World, change: &str, group: &str) {
    let members = members_of(world, group);
    let wait_for = match world.knobs.approval_wait_for {
        WaitFor::Any => "any",
        WaitFor::All => "all",
    };
    let request = Record::of(&[
        ("parent", change),
        ("assignment_group", group),
        ("approval", "requested"),
        ("wait_for", wait_for),
    ]);
    let Ok(request) = world.add("sysapproval_group", request, "system") else {
        return;
    };
    for member in members {
        add_row(world, change, &member, &request);
    }
}

fn add_row(world: &mut World, change: &str, member: &str, request: &str) {
    let row = Record::of(&[
        ("state", "requested"),
        ("approver", member),
        ("sysapproval", change),
        ("document_id", change),
        ("source_table", "change_request"),
        ("group", request),
    ]);
    // A generated id is unique, so the row is always new.
    let _ = world.add("sysapproval_approver", row, "system");
}

fn group_named(world: &World, name: &str) -> Option<String> {
    world
        .rows("sys_user_group")
        .find(|(_, row)| row.get("name") == name || row.get("sys_id") == name)
        .map(|(_, row)| row.get("sys_id").to_owned())
}

fn members_of(world: &World, group: &str) -> Vec<String> {
    world
        .rows("sys_user_grmember")
        .filter(|(_, row)| row.get("group") == group)
        .map(|(_, row)| row.get("user").to_owned())
        .take(MEMBERS_MAX)
        .collect()
}

/// The rows of a change that wait for an answer: sys_id and approver.
pub(super) fn open_rows(world: &World, change: &str) -> Vec<(String, String)> {
    rows_in(world, change, "requested")
}

fn rows_in(world: &World, change: &str, state: &str) -> Vec<(String, String)> {
    world
        .approvers_of(change)
        .filter(|row| row.get("state") == state)
        .map(|row| (row.get("sys_id").to_owned(), row.get("approver").to_owned()))
        .collect()
}

/// Gives every row that waits another state.
pub(super) fn close_open_rows(world: &mut World, change: &str, state: &str) {
    set_rows(world, change, "requested", state);
}

/// On hold nobody is asked; afterwards the same people are asked again.
pub(super) fn hold(world: &mut World, change: &str, held: bool) {
    if held {
        for (row, _) in open_rows(world, change) {
            let parked = Record::of(&[("state", "not_required"), ("approval_column", PARKED)]);
            world.save("sysapproval_approver", &row, parked, "system");
        }
        return;
    }
    let waits = world
        .row("change_request", change)
        .is_some_and(|row| [ASSESS, AUTHORIZE].contains(&row.get("state")));
    for (row, _) in rows_in(world, change, "not_required") {
        let parked =
            world.row("sysapproval_approver", &row).is_some_and(|row| row.get("approval_column") == PARKED);
        if parked && waits {
            let asked = Record::of(&[("state", "requested"), ("approval_column", "")]);
            world.save("sysapproval_approver", &row, asked, "system");
        }
    }
}

/// Marks a row that a hold parked, as opposed to one that somebody else's answer made needless.
const PARKED: &str = "on_hold";

fn set_rows(world: &mut World, change: &str, from: &str, to: &str) {
    for (row, _) in rows_in(world, change, from) {
        let state = Record::of(&[("state", to)]);
        world.save("sysapproval_approver", &row, state, "system");
    }
}

/// An approver row is written: by its approver or by somebody who may answer for others.
pub(super) fn answer(
    world: &mut World,
    row_id: &str,
    changes: Record,
    actor: &Actor,
) -> Result<(), ApiError> {
    let row = world.row("sysapproval_approver", row_id).ok_or_else(ApiError::no_record)?;
    let may = row.get("approver") == actor.sys_id || actor.has_role("approval_admin");
    if !may {
        return Err(ApiError::acl("Update"));
    }
    let (before, change) = (row.get("state").to_owned(), row.get("sysapproval").to_owned());
    let (approver, group) = (row.get("approver").to_owned(), row.get("group").to_owned());
    world.save("sysapproval_approver", row_id, changes, &actor.user_name);
    let after =
        world.row("sysapproval_approver", row_id).map_or(String::new(), |row| row.get("state").to_owned());
    if before == "requested" && after != before {
        note_answer(world, &change, row_id, &approver, &after, actor);
        decided(world, &change, &group, &after);
    }
    Ok(())
}

fn note_answer(world: &World, change: &str, row: &str, approver: &str, state: &str, actor: &Actor) {
    let number = world.row("change_request", change).map_or("", |row| row.get("number"));
    let ids = [("change", change), ("number", number), ("row", row), ("approver", approver)];
    let what = format!("approval.{state}");
    let by = &actor.user_name;
    world.journal.record(world.now, by, &what, &ids);
}

/// Whether a yes decides for its group; then nobody else of it is asked any more.
fn group_approved(world: &mut World, group: &str) -> bool {
    let Some(request) = world.row("sysapproval_group", group) else {
        return true;
    };
    let change = request.get("parent").to_owned();
    let all = request.get("wait_for") == "all";
    let others: Vec<String> = world
        .approvers_of(&change)
        .filter(|row| row.get("group") == group && row.get("state") == "requested")
        .map(|row| row.get("sys_id").to_owned())
        .collect();
    if all && !others.is_empty() {
        return false;
    }
    for row in others {
        let needless = Record::of(&[("state", "not_required")]);
        world.save("sysapproval_approver", &row, needless, "system");
    }
    world.save("sysapproval_group", group, Record::of(&[("approval", "approved")]), "system");
    true
}

fn decided(world: &mut World, change: &str, group: &str, answer: &str) {
    let waiting = world
        .row("change_request", change)
        .is_some_and(|row| [ASSESS, AUTHORIZE].contains(&row.get("state")));
    match answer {
        "approved" if waiting => {
            if world.row("sysapproval_group", group).is_none() {
                close_open_rows(world, change, "not_required");
            }
            if group_approved(world, group) && open_rows(world, change).is_empty() {
                pass(world, change);
            }
        }
        "rejected" if waiting => {
            let rejected = Record::of(&[("approval", "rejected")]);
            world.save("sysapproval_group", group, rejected, "system");
            close_open_rows(world, change, "cancelled");
            let reset = world.knobs.reject_resets_approval;
            let approval = if reset { "not requested" } else { "rejected" };
            changes::move_by_platform(world, change, NEW, approval);
        }
        _ => {}
    }
}

/// The level is decided: on to the next state, which may ask again.
fn pass(world: &mut World, change: &str) {
    let Some(row) = world.row("change_request", change) else {
        return;
    };
    if row.get("state") == ASSESS {
        changes::move_by_platform(world, change, AUTHORIZE, "requested");
        ask(world, change);
    } else {
        changes::move_by_platform(world, change, SCHEDULED, "approved");
        if let Some(after) = world.knobs.approval_flap_ms {
            let change = change.to_owned();
            world.later(after, Later::Revoke { change });
        }
    }
}

/// Takes a change to its first level and asks.
pub(super) fn submit(world: &mut World, change: &str) {
    let emergency = world.row("change_request", change).is_some_and(|row| row.get("type") == "emergency");
    let first = if emergency { AUTHORIZE } else { ASSESS };
    changes::move_by_platform(world, change, first, "requested");
    ask(world, change);
}

/// Takes an approval back: the change waits on its first level again and new people are asked.
pub(super) fn revoke(world: &mut World, change: &str) {
    set_rows(world, change, "approved", "cancelled");
    close_open_rows(world, change, "cancelled");
    let change_type =
        world.row("change_request", change).map_or(String::new(), |row| row.get("type").to_owned());
    match change_type.as_str() {
        "standard" => changes::move_by_platform(world, change, NEW, "not requested"),
        "emergency" => {
            changes::move_by_platform(world, change, AUTHORIZE, "requested");
            ask(world, change);
        }
        _ => {
            changes::move_by_platform(world, change, ASSESS, "requested");
            ask(world, change);
        }
    }
}
