//! `nextstates`: where a change may go, and of a modelled one why it may not.

use serde_json::{Map, Value, json};

use super::TABLE;
use crate::servicenow::api::{ApiError, ApiResponse};
use crate::servicenow::dictionary::{CHANGE_STATES, label};
use crate::servicenow::record::Record;
use crate::servicenow::world::World;
use crate::servicenow::{change_tasks, states};

/// A condition of a transition, and whether it holds.
struct Condition {
    name: &'static str,
    description: &'static str,
    sys_id: &'static str,
    passed: bool,
}

pub(super) fn answer(world: &World, sys_id: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let from = row.get("state");
    let targets = states::moves(row.get("type"), from);
    let mut available = vec![from];
    available.extend(targets.iter().filter(|to| passes(world, row, to)));
    let labels: Map<String, Value> =
        available.iter().map(|state| ((*state).to_owned(), json!(label(CHANGE_STATES, state)))).collect();
    // Only a model tells its transitions.
    let modelled = targets.iter().filter(|_| !row.get("chg_model").is_empty());
    let transitions: Vec<Value> = modelled.map(|to| transition(world, row, from, to)).collect();
    let result = json!({
        "available_states": available,
        "state_label": labels,
        "state_transitions": transitions,
    });
    Ok(ApiResponse::result(200, result))
}

fn conditions(world: &World, row: &Record, to: &str) -> Vec<Condition> {
    let mut conditions = vec![Condition {
        name: "Not On hold",
        description: "The change must not be on hold",
        sys_id: "0c7d3e5a2f6d4110b5f0d8b7f699b6dd",
        passed: row.get("on_hold") != "true" || to == states::CANCELED,
    }];
    if to == states::CLOSED {
        conditions.push(Condition {
            name: "No active Change Tasks",
            description: "All change tasks must be closed or canceled",
            sys_id: "1d8e4f6b2f6d4110b5f0d8b7f699b6ee",
            passed: !change_tasks::any_active(world, row.get("sys_id")),
        });
    }
    conditions
}

fn passes(world: &World, row: &Record, to: &str) -> bool {
    conditions(world, row, to).iter().all(|condition| condition.passed)
}

/// One inner array for each target state.
fn transition(world: &World, row: &Record, from: &str, to: &str) -> Value {
    let labels = (label(CHANGE_STATES, from), label(CHANGE_STATES, to));
    let shown: Vec<Value> = conditions(world, row, to)
        .iter()
        .map(|one| {
            let condition = json!({ "name": one.name, "description": one.description, "sys_id": one.sys_id });
            json!({ "passed": one.passed, "condition": condition })
        })
        .collect();
    let id = format!("{}a{}", from.trim_start_matches('-'), to.trim_start_matches('-'));
    json!([{
        "sys_id": format!("{id:0>32}"),
        "display_value": format!("{} to {}", labels.0, labels.1),
        "from_state": from,
        "to_state": to,
        "transition_available": passes(world, row, to),
        "automatic_transition": false,
        "conditions": shown,
    }])
}
