//! The tasks of a change: two come with Implement, go with Review, and open ones of people keep it from closing
//! (vendor page "State model and activate change tasks").

use super::changes;
use super::record::Record;
use super::states::{CANCELED, CLOSED, IMPLEMENT, REVIEW};
use super::world::{World, wire_time};

/// How a task that the platform made is told from one of a person.
const BY_PLATFORM: &str = "workflow";

/// A change has entered Implement.
fn open(world: &mut World, change: &str) {
    let again = active(world, change).iter().any(|(_, by_platform)| *by_platform);
    if again || !world.knobs.implement_tasks {
        return;
    }
    let Some(row) = world.row("change_request", change) else {
        return;
    };
    let (group, ci) = (row.get("assignment_group").to_owned(), row.get("cmdb_ci").to_owned());
    for (title, kind) in [("Implement", "implementation"), ("Post implementation testing", "testing")] {
        let task = Record::of(&[
            ("active", "true"),
            ("assignment_group", &group),
            ("change_request", change),
            ("change_task_type", kind),
            ("cmdb_ci", &ci),
            ("created_from", BY_PLATFORM),
            ("parent", change),
            ("short_description", title),
            ("state", "1"),
        ]);
        // A generated id is unique, so the row is always new.
        let _ = world.add("change_task", task, "system");
    }
}

/// What becomes of the tasks of a change that has moved, by whomever.
pub(super) fn moved(world: &mut World, change: &str, to: &str) {
    match to {
        IMPLEMENT => open(world, change),
        // What people opened stays open.
        REVIEW => cancel(world, change, false),
        CLOSED | CANCELED => cancel(world, change, true),
        _ => {}
    }
}

/// Cancels the open tasks: of the platform alone, or of people too.
fn cancel(world: &mut World, change: &str, also_of_people: bool) {
    let now = wire_time(world.now);
    for (task, by_platform) in active(world, change) {
        if by_platform || also_of_people {
            let over = Record::of(&[("state", "4"), ("active", "false"), ("closed_at", &now)]);
            world.save("change_task", &task, over, "system");
        }
    }
}

/// Copies the flag of a change on hold to its open tasks.
pub(super) fn hold(world: &mut World, change: &str, held: bool, reason: &str) {
    for (task, _) in active(world, change) {
        let flag =
            Record::of(&[("on_hold", if held { "true" } else { "false" }), ("on_hold_reason", reason)]);
        world.save("change_task", &task, flag, "system");
    }
}

/// Whether the change has a task that is not over.
pub(super) fn any_active(world: &World, change: &str) -> bool {
    tasks_of(world, change).any(|task| task.get("active") == "true")
}

/// A task was saved: with the last one over, a change goes on from Implement to Review by itself.
pub(super) fn saved(world: &mut World, task: &str, before: &Record) {
    let Some(row) = world.row("change_task", task) else {
        return;
    };
    let over = before.get("active") == "true" && row.get("active") != "true";
    let change = row.get("change_request").to_owned();
    let implementing = world.row("change_request", &change).is_some_and(|row| row.get("state") == IMPLEMENT);
    if over && implementing && !any_active(world, &change) {
        let approval =
            world.row("change_request", &change).map_or(String::new(), |row| row.get("approval").to_owned());
        changes::move_by_platform(world, &change, REVIEW, &approval);
    }
}

/// The tasks of a change.
pub(super) fn tasks_of<'a>(world: &'a World, change: &'a str) -> impl Iterator<Item = &'a Record> {
    world.tasks_of_change(change)
}

fn active(world: &World, change: &str) -> Vec<(String, bool)> {
    tasks_of(world, change)
        .filter(|task| task.get("active") == "true")
        .map(|task| (task.get("sys_id").to_owned(), task.get("created_from") == BY_PLATFORM))
        .collect()
}
