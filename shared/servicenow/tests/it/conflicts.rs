//! Checks for conflicts and slots, on the wire.

use chrono::{DateTime, TimeDelta, Utc};
use interlock_rules::{ChangeRow, ConflictStatus, Plan};
use interlock_servicenow::{Class, Lane, NewChange};
use interlock_simulators::servicenow::FirstAvailable;
use interlock_simulators::servicenow::seed::PAYMENTS_API;

use crate::world::{World, key, new_change};

fn at(minutes: i64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2030-03-02T12:00:00Z".parse().unwrap();
    noon + TimeDelta::minutes(minutes)
}

/// A change of ours that is planned at the time of another.
async fn planned(world: &World) -> ChangeRow {
    let (from, until) = ("2030-03-02 11:00:00", "2030-03-02 12:30:00");
    let other = [
        ("cmdb_ci", PAYMENTS_API),
        ("start_date", from),
        ("end_date", until),
        ("active", "true"),
        ("number", "CHG9"),
    ];
    world.sim.insert("change_request", &other).unwrap();
    let change = NewChange {
        cmdb_ci: Some(PAYMENTS_API.into()),
        start: Some(at(0)),
        end: Some(at(60)),
        ..new_change()
    };
    world.client.create(&change).await.unwrap().row
}

async fn read(world: &World) -> ChangeRow {
    world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap().rows.remove(0)
}

#[tokio::test]
async fn the_record_says_what_a_check_came_to_and_the_instance_with_which_changes() {
    let world = World::new();
    let row = planned(&world).await;
    assert_eq!(row.conflict.status, ConflictStatus::NotRun, "as the answer to the create shows it");
    assert_eq!(row.cmdb_ci.as_deref(), Some(PAYMENTS_API));
    world.client.check_conflicts(&row.sys_id).await.unwrap();
    let row = read(&world).await;
    assert_eq!(row.conflict.status, ConflictStatus::Conflict);
    assert!(row.conflict.last_run.is_some());
    assert_eq!(world.client.conflicts_of(&row.sys_id).await.unwrap(), ["CHG9"]);
}

#[tokio::test]
async fn an_instance_that_plans_for_the_first_slot_shows_it_in_the_record() {
    let world = World::new();
    let row = planned(&world).await;
    world.client.plan_first_slot(&row.sys_id).await.unwrap();
    assert_eq!(read(&world).await.start, Some(at(30)));
}

#[tokio::test]
async fn without_slots_of_the_instance_what_else_is_planned_is_read() {
    let world = World::with(|knobs| knobs.first_available = FirstAvailable::Absent);
    let row = planned(&world).await;
    let error = world.client.plan_first_slot(&row.sys_id).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent, "{error}");
    let beside = world.client.planned_beside(&Plan::of(&row).unwrap()).await.unwrap();
    assert_eq!(beside, [(at(-60), at(30))], "its own time is not in its way");
    let moved = world.client.plan(&row.sys_id, (at(31), at(91)), "moved [mark]").await.unwrap();
    assert_eq!((moved.start, moved.end), (Some(at(31)), Some(at(91))));
    assert!(world.client.has_note(&row.sys_id, "[mark]").await.unwrap());
}
