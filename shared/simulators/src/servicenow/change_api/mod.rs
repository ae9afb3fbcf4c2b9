//! The Change Management API (vendor page "Change Management API"): creating answers 200, every field is
//! a pair of display value and value.

mod catalogue;
mod conflicts;
mod next_states;
mod plans;
mod tasks;

pub(super) use conflicts::{
    reset as reset_conflicts, run as run_conflict_check, start as start_conflict_check,
};
use serde_json::{Map, Value, json};

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::dictionary::CHANGE_STATES;
use super::input::{self, Input};
use super::options::ResultShape;
use super::record::Record;
use super::world::World;
use super::{approvals, changes, select, shapes, templates};

const TABLE: &str = "change_request";
const TEMPLATES: &str = "std_change_record_producer";
const LIMIT_DEFAULT: usize = 500;

/// Answers `/api/sn_chg_rest[/v1]/change..`; `path` is what follows `change`.
pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    path: &[&str],
) -> Result<ApiResponse, ApiError> {
    let status = world.knobs.chg_abort_status;
    let method = request.method.as_str();
    let answer = match (method, path) {
        ("GET", []) => list(world, request, None),
        ("GET", [kind @ ("normal" | "emergency" | "standard")]) => list(world, request, Some(kind)),
        ("POST", []) => create(world, request, None),
        ("POST", [kind @ ("normal" | "emergency")]) => create(world, request, Some(kind)),
        (_, ["model"]) => catalogue::answer(world, request, "chg_model", None),
        (_, ["model", model]) => catalogue::answer(world, request, "chg_model", Some(model)),
        (_, ["standard", "template"]) => catalogue::answer(world, request, TEMPLATES, None),
        (_, ["standard", "template", id]) => catalogue::answer(world, request, TEMPLATES, Some(id)),
        ("GET", ["worker", worker]) => plans::worker_of(world, request, worker),
        ("GET", ["ci", ci, "schedule"]) => plans::schedule(world, request, "cmdb_ci", ci),
        ("POST", ["standard", template]) => create_standard(world, request, template),
        ("PATCH", ["standard", change, "risk"] | [change, "risk"]) => plans::risk(world, request, change),
        (_, ["normal" | "emergency" | "standard", sys_id] | [sys_id]) => one(world, request, sys_id),
        _ => parts(world, request, path),
    };
    answer.map_err(|error| as_change_error(error, status))
}

/// What belongs to one change.
fn parts(world: &mut World, request: &ApiRequest, path: &[&str]) -> Result<ApiResponse, ApiError> {
    match (request.method.as_str(), path) {
        ("GET", [sys_id, "nextstates" | "nextstate"]) => next_states::answer(world, sys_id),
        ("PATCH", [sys_id, "approvals"]) => decide(world, request, sys_id),
        (_, [change, "task"]) => tasks::answer(world, request, change, None),
        (_, [change, "task", task]) => tasks::answer(world, request, change, Some(task)),
        (_, [change, "conflict"]) => conflicts::answer(world, request, change),
        (_, [change, "ci"]) => plans::cis(world, request, change),
        ("POST", [change, "refresh_impacted_services"]) => plans::refresh(world, request, change),
        ("GET", [change, "schedule"]) => plans::schedule(world, request, TABLE, change),
        ("PATCH", [change, "schedule", "first_available"]) => plans::first_available(world, request, change),
        (method, [_, "nextstates" | "nextstate" | "approvals" | "risk" | "schedule"]) => {
            Err(ApiError::method_not_supported(method))
        }
        _ => Err(ApiError::no_resource(&request.path)),
    }
}

/// This API puts the reason of an abort into the message and leaves the detail empty.
fn as_change_error(error: ApiError, status: u16) -> ApiError {
    if error.message != "Operation Failed" {
        return error;
    }
    let reason = error.detail.as_str().unwrap_or_default().to_owned();
    let message = format!("Change Request record could not be updated. {reason}");
    ApiError { status, ..ApiError::bad_request(&message) }
}

fn one(world: &mut World, request: &ApiRequest, sys_id: &str) -> Result<ApiResponse, ApiError> {
    let zone = world.asker(&request.actor).zone;
    let row = world.row(TABLE, sys_id).filter(|_| !request.rights.hides(sys_id));
    let row = row.ok_or_else(ApiError::no_record)?;
    match request.method.as_str() {
        "GET" => {
            let shown = shapes::render_pairs(world, TABLE, row, &zone);
            Ok(ApiResponse::result(200, Value::Object(shown)))
        }
        "PATCH" => {
            let input = read(world, request)?;
            let ignored = changes::update(world, sys_id, input, &request.actor)?;
            changed(world, request, sys_id, &ignored)
        }
        "DELETE" => {
            let shown = shapes::render_pairs(world, TABLE, row, &zone);
            world.delete(TABLE, sys_id, &request.actor.user_name);
            Ok(ApiResponse::result(200, Value::Object(shown)))
        }
        method => Err(ApiError::method_not_supported(method)),
    }
}

/// Fields may stand in the body or in the query; the body wins. State labels are understood here.
fn read(world: &World, request: &ApiRequest) -> Result<Input, ApiError> {
    let mut body = Map::new();
    for (name, value) in &request.query {
        if !name.starts_with("sysparm_") && name != "encrypted_fields" {
            body.insert(name.clone(), json!(value));
        }
    }
    body.extend(input::object(&request.body)?);
    let body = Value::Object(body).to_string();
    let mut input = input::read(world, TABLE, body.as_bytes(), None)?;
    // Fields that are named so come as people see them.
    if let Some(names) = request.parameter("encrypted_fields") {
        let zone = world.asker(&request.actor).zone;
        let shown = input::read(world, TABLE, body.as_bytes(), Some(&zone))?.fields;
        for name in names.split(',').filter(|name| shown.has(name)) {
            input.fields.set(name, shown.get(name));
        }
    }
    input.leave_out(&request.rights.unwritable);
    if input.fields.has("state") {
        let state = input::choice(CHANGE_STATES, input.fields.get("state").to_owned());
        input.fields.set("state", &state);
    }
    Ok(input)
}

/// A change as a write answers with it.
fn changed(
    world: &World,
    request: &ApiRequest,
    sys_id: &str,
    ignored: &[String],
) -> Result<ApiResponse, ApiError> {
    let zone = world.asker(&request.actor).zone;
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let mut shown = shapes::render_pairs(world, TABLE, row, &zone);
    shown.insert("__meta".to_owned(), json!({ "ignoredFields": ignored }));
    Ok(shaped(world, shown))
}

/// A single record, in an array or not.
fn shaped(world: &World, record: Map<String, Value>) -> ApiResponse {
    let shown = match world.knobs.chg_result_shape {
        ResultShape::Object => Value::Object(record),
        ResultShape::Array => json!([record]),
    };
    ApiResponse::result(200, shown)
}

fn create(world: &mut World, request: &ApiRequest, kind: Option<&str>) -> Result<ApiResponse, ApiError> {
    let input = read(world, request)?;
    let (sys_id, ignored) = changes::create_noting(world, input, kind, &request.actor)?;
    changed(world, request, &sys_id, &ignored)
}

fn create_standard(world: &mut World, request: &ApiRequest, template: &str) -> Result<ApiResponse, ApiError> {
    let version = templates::named(world, template).ok_or_else(ApiError::no_record)?;
    let version = version.get("current_version").to_owned();
    let mut input = read(world, request)?;
    input.fields.set("std_change_producer_version", &version);
    let (sys_id, ignored) = changes::create_noting(world, input, Some("standard"), &request.actor)?;
    changed(world, request, &sys_id, &ignored)
}

fn list(world: &World, request: &ApiRequest, kind: Option<&str>) -> Result<ApiResponse, ApiError> {
    let number = |name: &str| request.parameter(name).and_then(|value| value.parse().ok());
    let zone = world.asker(&request.actor).zone;
    let rows = select::select(world, TABLE, &searched(request))?;
    let shown: Vec<_> = rows
        .into_iter()
        .filter(|(_, row)| kind.is_none_or(|kind| row.get("type") == kind))
        .skip(number("sysparm_offset").unwrap_or(0))
        .take(number("sysparm_limit").unwrap_or(LIMIT_DEFAULT))
        .filter(|(_, row)| !request.rights.hides(row.get("sys_id")))
        .map(|(_, row)| shapes::render_pairs(world, TABLE, row, &zone))
        .collect();
    Ok(ApiResponse::result(200, json!(shown)))
}

/// `order` and `textSearch` are parameters here, and parts of the query elsewhere.
fn searched(request: &ApiRequest) -> ApiRequest {
    let mut parts = vec![request.parameter("sysparm_query").unwrap_or_default().to_owned()];
    if let Some(words) = request.parameter("textSearch") {
        parts.push(format!("123TEXTQUERY321={words}"));
    }
    parts.push(format!("ORDERBY{}", request.parameter("order").unwrap_or("number")));
    let mut request = request.clone();
    request.query.retain(|(name, _)| !matches!(name.as_str(), "sysparm_query" | "order" | "textSearch"));
    request.query.push(("sysparm_query".to_owned(), parts.join("^")));
    request
}

/// Answers as the calling user, who must be one of those asked.
fn decide(world: &mut World, request: &ApiRequest, sys_id: &str) -> Result<ApiResponse, ApiError> {
    world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let body = input::object(&request.body)?;
    let given = |field: &str| body.get(field).map(input::text).unwrap_or_default();
    let (state, comments) = (given("state"), given("comments"));
    if !matches!(state.as_str(), "approved" | "rejected") {
        return Err(ApiError::bad_request("Invalid approval state"));
    }
    if state == "rejected" && comments.is_empty() {
        return Err(ApiError::bad_request("Comments are required when rejecting"));
    }
    let mut rows = approvals::open_rows(world, sys_id).into_iter();
    let (row, _) = rows
        .find(|(_, approver)| *approver == request.actor.sys_id)
        .ok_or_else(|| ApiError::bad_request("User is not an approver of this change"))?;
    let answer = Record::of(&[("state", &state), ("comments", &comments)]);
    approvals::answer(world, &row, answer, &request.actor)?;
    changed(world, request, sys_id, &[])
}
