//! What a change can be made from: templates of standard changes, and change models.

use serde_json::{Value, json};

use crate::servicenow::api::{ApiError, ApiRequest, ApiResponse};
use crate::servicenow::world::World;
use crate::servicenow::{select, shapes};

const LIMIT_DEFAULT: usize = 500;

/// All rows of a table, or one of them.
pub(super) fn answer(
    world: &World,
    request: &ApiRequest,
    table: &'static str,
    sys_id: Option<&str>,
) -> Result<ApiResponse, ApiError> {
    if request.method != "GET" {
        return Err(ApiError::method_not_supported(&request.method));
    }
    let zone = world.asker(&request.actor).zone;
    if let Some(sys_id) = sys_id {
        let row = world.row(table, sys_id).ok_or_else(ApiError::no_record)?;
        let shown = shapes::render_pairs(world, table, row, &zone);
        return Ok(ApiResponse::result(200, Value::Object(shown)));
    }
    let number = |name: &str| request.parameter(name).and_then(|value| value.parse().ok());
    let rows = select::select(world, table, request)?;
    let shown: Vec<Value> = rows
        .into_iter()
        .filter(|(_, row)| row.get("active") != "false")
        .skip(number("sysparm_offset").unwrap_or(0))
        .take(number("sysparm_limit").unwrap_or(LIMIT_DEFAULT))
        .map(|(_, row)| Value::Object(shapes::render_pairs(world, table, row, &zone)))
        .collect();
    Ok(ApiResponse::result(200, json!(shown)))
}
