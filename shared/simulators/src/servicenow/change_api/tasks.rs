//! `/{change}/task`: the tasks of a change.

use serde_json::{Value, json};

use super::{TABLE, shaped};
use crate::servicenow::api::{ApiError, ApiRequest, ApiResponse};
use crate::servicenow::world::World;
use crate::servicenow::{change_tasks, input, records, select, shapes};

const TASKS: &str = "change_task";

pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    change: &str,
    task: Option<&str>,
) -> Result<ApiResponse, ApiError> {
    world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    match (request.method.as_str(), task) {
        ("GET", None) => list(world, request, change),
        ("POST", None) => {
            let mut input = input::read(world, TASKS, &request.body, None)?;
            input.fields.set("change_request", change);
            let ignored = input.ignored.clone();
            let sys_id = records::insert(world, TASKS, input, &request.actor)?;
            shown(world, request, &sys_id, &ignored)
        }
        (method, Some(task)) => {
            let own = change_tasks::tasks_of(world, change).any(|row| row.get("sys_id") == task);
            if !own {
                return Err(ApiError::no_record());
            }
            match method {
                "GET" => shown(world, request, task, &[]),
                "PATCH" => {
                    let input = input::read(world, TASKS, &request.body, None)?;
                    let ignored = input.ignored.clone();
                    records::update(world, TASKS, task, input, &request.actor)?;
                    shown(world, request, task, &ignored)
                }
                "DELETE" => {
                    let last = shown(world, request, task, &[])?;
                    world.delete(TASKS, task, &request.actor.user_name);
                    Ok(last)
                }
                method => Err(ApiError::method_not_supported(method)),
            }
        }
        (method, None) => Err(ApiError::method_not_supported(method)),
    }
}

fn list(world: &World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    let zone = world.asker(&request.actor).zone;
    let rows = select::select(world, TASKS, request)?;
    let own = rows.into_iter().filter(|(_, row)| row.get("change_request") == change);
    let shown: Vec<Value> =
        own.map(|(_, row)| Value::Object(shapes::render_pairs(world, TASKS, row, &zone))).collect();
    Ok(ApiResponse::result(200, json!(shown)))
}

fn shown(
    world: &World,
    request: &ApiRequest,
    task: &str,
    ignored: &[String],
) -> Result<ApiResponse, ApiError> {
    let zone = world.asker(&request.actor).zone;
    let row = world.row(TASKS, task).ok_or_else(ApiError::no_record)?;
    let mut pairs = shapes::render_pairs(world, TASKS, row, &zone);
    pairs.insert("__meta".to_owned(), json!({ "ignoredFields": ignored }));
    Ok(shaped(world, pairs))
}
