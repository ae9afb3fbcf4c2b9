//! The Change Management API (vendor page "Change Management API"): creating answers 200, every field is
//! a pair of display value and value.

use serde_json::{Map, Value, json};

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::dictionary::{CHANGE_STATES, label};
use super::input::{self, Input};
use super::options::ResultShape;
use super::record::Record;
use super::world::World;
use super::zone::Zone;
use super::{approvals, changes, select, shapes, states};

const TABLE: &str = "change_request";
const LIMIT_DEFAULT: usize = 500;
/// A standard change takes these from its template.
const TEMPLATE_OWNED: [&str; 4] = ["description", "backout_plan", "test_plan", "implementation_plan"];

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
        ("GET", ["standard", "template"]) => templates(world),
        ("POST", ["standard", template]) => create_standard(world, request, template),
        (_, ["normal" | "emergency" | "standard", sys_id]) | (_, [sys_id]) => one(world, request, sys_id),
        ("GET", [sys_id, "nextstates" | "nextstate"]) => next_states(world, sys_id),
        ("PATCH", [sys_id, "approvals"]) => decide(world, request, sys_id),
        (_, [_, "nextstates" | "nextstate" | "approvals"]) => Err(ApiError::method_not_supported(method)),
        _ => Err(ApiError::no_resource(&request.path)),
    };
    answer.map_err(|error| as_change_error(error, status))
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
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    match request.method.as_str() {
        "GET" => {
            let shown = shapes::render_pairs(world, TABLE, row, &Zone::default());
            Ok(ApiResponse::result(200, Value::Object(shown)))
        }
        "PATCH" => {
            let input = read(world, request)?;
            let ignored = changes::update(world, sys_id, input, &request.actor)?;
            written(world, sys_id, &ignored)
        }
        "DELETE" => {
            let shown = shapes::render_pairs(world, TABLE, row, &Zone::default());
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
        if !name.starts_with("sysparm_") {
            body.insert(name.clone(), json!(value));
        }
    }
    body.extend(input::object(&request.body)?);
    let body = Value::Object(body).to_string();
    let mut input = input::read(world, TABLE, body.as_bytes(), None)?;
    if input.fields.has("state") {
        let state = input::choice(CHANGE_STATES, input.fields.get("state").to_owned());
        input.fields.set("state", &state);
    }
    Ok(input)
}

fn written(world: &World, sys_id: &str, ignored: &[String]) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let mut shown = shapes::render_pairs(world, TABLE, row, &Zone::default());
    shown.insert("__meta".to_owned(), json!({ "ignoredFields": ignored }));
    let shown = match world.knobs.chg_result_shape {
        ResultShape::Object => Value::Object(shown),
        ResultShape::Array => json!([shown]),
    };
    Ok(ApiResponse::result(200, shown))
}

fn create(world: &mut World, request: &ApiRequest, kind: Option<&str>) -> Result<ApiResponse, ApiError> {
    let input = read(world, request)?;
    let ignored = input.ignored.clone();
    let sys_id = changes::create(world, input, kind, &request.actor)?;
    written(world, &sys_id, &ignored)
}

fn create_standard(world: &mut World, request: &ApiRequest, template: &str) -> Result<ApiResponse, ApiError> {
    let template = world.row("std_change_record_producer", template).ok_or_else(ApiError::no_record)?.clone();
    let mut input = read(world, request)?;
    for field in TEMPLATE_OWNED {
        if input.fields.remove(field).is_some() {
            input.ignored.push(field.to_owned());
        }
        input.fields.set(field, template.get(field));
    }
    let version = template.get("current_version").to_owned();
    input.fields.set("std_change_producer_version", &version);
    let title = template.get("short_description");
    input.fields.set_default("short_description", title);
    let group = template.get("assignment_group");
    input.fields.set_default("assignment_group", group);
    let ignored = input.ignored.clone();
    let sys_id = changes::create(world, input, Some("standard"), &request.actor)?;
    written(world, &sys_id, &ignored)
}

fn list(world: &World, request: &ApiRequest, kind: Option<&str>) -> Result<ApiResponse, ApiError> {
    let number = |name: &str| request.parameter(name).and_then(|value| value.parse().ok());
    let rows = select::select(world, TABLE, request)?;
    let shown: Vec<_> = rows
        .into_iter()
        .filter(|(_, row)| kind.is_none_or(|kind| row.get("type") == kind))
        .skip(number("sysparm_offset").unwrap_or(0))
        .take(number("sysparm_limit").unwrap_or(LIMIT_DEFAULT))
        .map(|(_, row)| shapes::render_pairs(world, TABLE, row, &Zone::default()))
        .collect();
    Ok(ApiResponse::result(200, json!(shown)))
}

fn templates(world: &World) -> Result<ApiResponse, ApiError> {
    let pair = |value: &str| json!({ "display_value": value, "value": value });
    let shown: Vec<Value> = world
        .rows("std_change_record_producer")
        .map(|(_, row)| json!({ "sys_id": pair(row.get("sys_id")), "name": pair(row.get("name")) }))
        .collect();
    Ok(ApiResponse::result(200, json!(shown)))
}

fn next_states(world: &World, sys_id: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let from = row.get("state");
    let targets = states::moves(row.get("type"), from);
    let mut available = vec![from];
    available.extend(targets.iter().filter(|to| passes(row, to)));
    let labels: Map<String, Value> =
        available.iter().map(|state| ((*state).to_owned(), json!(label(CHANGE_STATES, state)))).collect();
    // Only a model tells its transitions.
    let modelled = targets.iter().filter(|_| !row.get("chg_model").is_empty());
    let transitions: Vec<Value> = modelled.map(|to| transition(row, from, to)).collect();
    let result = json!({
        "available_states": available,
        "state_label": labels,
        "state_transitions": transitions,
    });
    Ok(ApiResponse::result(200, result))
}

fn passes(row: &Record, to: &str) -> bool {
    row.get("on_hold") != "true" || to == states::CANCELED
}

/// One inner array for each target state.
fn transition(row: &Record, from: &str, to: &str) -> Value {
    let labels = (label(CHANGE_STATES, from), label(CHANGE_STATES, to));
    json!([{
        "sys_id": format!("{:0>32}", format!("{}a{}", from.trim_start_matches('-'), to.trim_start_matches('-'))),
        "display_value": format!("{} to {}", labels.0, labels.1),
        "from_state": from,
        "to_state": to,
        "transition_available": passes(row, to),
        "automatic_transition": false,
        "conditions": [{
            "passed": passes(row, to),
            "condition": {
                "name": "Not On hold",
                "description": "The change must not be on hold",
                "sys_id": "0c7d3e5a2f6d4110b5f0d8b7f699b6dd",
            },
        }],
    }])
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
    written(world, sys_id, &[])
}
