//! `/{change}/conflict`: other open changes of the same CI whose planned times overlap.

use serde_json::{Value, json};

use super::TABLE;
use crate::servicenow::api::{ApiError, ApiRequest, ApiResponse};
use crate::servicenow::record::Record;
use crate::servicenow::states;
use crate::servicenow::world::{World, wire_time};

pub(super) fn answer(world: &mut World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    match request.method.as_str() {
        "GET" => {
            let conflicts =
                if row.get("conflict_last_run").is_empty() { Vec::new() } else { found(world, row) };
            Ok(ApiResponse::result(200, told(row, &conflicts)))
        }
        "POST" => {
            let status = if found(world, row).is_empty() { "No Conflict" } else { "Conflict" };
            note(world, change, status);
            let process = world.new_id();
            Ok(ApiResponse::result(200, json!(process)))
        }
        "DELETE" => {
            let last = told(row, &[]);
            note(world, change, "Not Run");
            Ok(ApiResponse::result(200, last))
        }
        method => Err(ApiError::method_not_supported(method)),
    }
}

fn told(row: &Record, conflicts: &[String]) -> Value {
    let ran = !row.get("conflict_last_run").is_empty();
    let shown: Vec<Value> =
        conflicts.iter().map(|number| json!({ "type": "ci_in_use", "conflicting_change": number })).collect();
    json!({
        "status": row.get("conflict_status"),
        "last_run": row.get("conflict_last_run"),
        "record_count": conflicts.len(),
        "job_status": if ran { "Complete" } else { "Not Run" },
        "conflicts": shown,
    })
}

fn note(world: &mut World, change: &str, status: &str) {
    let at = if status == "Not Run" { String::new() } else { wire_time(world.now) };
    let fields = Record::of(&[("conflict_status", status), ("conflict_last_run", &at)]);
    world.save(TABLE, change, fields, "system");
}

fn found(world: &World, row: &Record) -> Vec<String> {
    let own = window(row);
    let others = world.rows(TABLE).map(|(_, other)| other);
    others
        .filter(|other| other.get("sys_id") != row.get("sys_id") && !states::is_final(other.get("state")))
        .filter(|other| !row.get("cmdb_ci").is_empty() && other.get("cmdb_ci") == row.get("cmdb_ci"))
        .filter(|other| matches!((own, window(other)), (Some(a), Some(b)) if a.0 < b.1 && b.0 < a.1))
        .map(|other| other.get("number").to_owned())
        .collect()
}

/// Planned start and end; stored date-times sort as text.
fn window(row: &Record) -> Option<(&str, &str)> {
    let window = (row.get("start_date"), row.get("end_date"));
    (!window.0.is_empty() && !window.1.is_empty()).then_some(window)
}
