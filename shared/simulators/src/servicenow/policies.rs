//! What an administrator forbids: business rules that abort (`sys_script`) and data policies
//! (`sys_data_policy2`). Both are records, so that a test or a person adds them like any other.

use super::api::ApiError;
use super::record::Record;
use super::world::World;
use super::{dictionary, select};

/// Checks a write against the rules of the table and of what it extends.
pub(super) fn check(
    world: &World,
    table: &str,
    before: Option<&Record>,
    changes: &Record,
) -> Result<(), ApiError> {
    let mut after = before.cloned().unwrap_or_default();
    for (field, value) in changes.iter() {
        after.set(field, value);
    }
    business_rules(world, table, before.is_none(), &after)?;
    data_policies(world, table, &after)
}

fn business_rules(world: &World, table: &str, insert: bool, after: &Record) -> Result<(), ApiError> {
    let action = if insert { "action_insert" } else { "action_update" };
    let broken = world.rows("sys_script").map(|(_, rule)| rule).find(|rule| {
        is_on(rule, "active")
            && is_on(rule, "abort_action")
            && is_on(rule, action)
            && dictionary::extends(table, rule.get("collection"))
            && select::matches(world, table, after, rule.get("filter_condition"))
    });
    match broken {
        Some(rule) => Err(ApiError::aborted_by_rule(table, rule.get("name"), rule.get("sys_id"))),
        None => Ok(()),
    }
}

fn data_policies(world: &World, table: &str, after: &Record) -> Result<(), ApiError> {
    let mut missing = Vec::new();
    for (_, policy) in world.rows("sys_data_policy2") {
        let concerns = is_on(policy, "active")
            && dictionary::extends(table, policy.get("model_table"))
            && select::matches(world, table, after, policy.get("conditions"));
        if concerns {
            missing.extend(demanded(world, policy.get("sys_id")).filter(|field| after.get(field).is_empty()));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(ApiError::mandatory(&missing)) }
}

fn demanded<'a>(world: &'a World, policy: &'a str) -> impl Iterator<Item = &'a str> {
    let rules = world.rows("sys_data_policy_rule").map(|(_, rule)| rule);
    let own = rules.filter(move |rule| rule.get("sys_data_policy") == policy && is_on(rule, "mandatory"));
    own.map(|rule| rule.get("field"))
}

/// Scripting clients write `True`, forms `true`.
fn is_on(record: &Record, field: &str) -> bool {
    record.get(field).eq_ignore_ascii_case("true")
}
