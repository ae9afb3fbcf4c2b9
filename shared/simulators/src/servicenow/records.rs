//! Writing records of every table but changes and approvals: what the platform fills in, and what it demands.

use super::api::{Actor, ApiError};
use super::input::Input;
use super::record::Record;
use super::world::World;
use super::{dictionary, policies, work};

/// Adds a record.
pub(super) fn insert(
    world: &mut World,
    table: &str,
    input: Input,
    actor: &Actor,
) -> Result<String, ApiError> {
    let mut record = input.fields;
    if let Some(sys_id) = input.sys_id.filter(|_| world.knobs.honour_chosen_sys_id) {
        record.set("sys_id", &sys_id);
    }
    if dictionary::extends(table, "task") {
        work::defaults(world, table, &mut record, actor);
    }
    work::before_save(world, table, &Record::default(), &mut record, actor)?;
    policies::check(world, table, None, &record)?;
    world.add(table, record, &actor.user_name)
}

/// Changes a record that exists.
pub(super) fn update(
    world: &mut World,
    table: &str,
    sys_id: &str,
    input: Input,
    actor: &Actor,
) -> Result<(), ApiError> {
    let before = world.row(table, sys_id).ok_or_else(ApiError::no_record)?.clone();
    let mut changes = input.fields;
    work::before_save(world, table, &before, &mut changes, actor)?;
    policies::check(world, table, Some(&before), &changes)?;
    world.save(table, sys_id, changes, &actor.user_name);
    work::after_save(world, table, sys_id, &before);
    Ok(())
}
