//! DevOps Change Velocity as its plug-ins use it (vendor page "DevOps API"): a pipeline asks for a change and
//! then for its status, where the HTTP status is the answer: 200 go on, 201 wait.

use serde_json::{Map, Value, json};

use super::api::{Actor, ApiError, ApiRequest, ApiResponse};
use super::changes;
use super::input::{self, Input};
use super::record::Record;
use super::states;
use super::world::World;

const TABLE: &str = "change_request";
/// What a pipeline may not set.
const FORBIDDEN: [&str; 5] = ["risk", "impact", "risk_impact_analysis", "number", "sys_id"];

/// Answers `/api/sn_devops[/v1|/v2]/devops/..`; `path` is what follows `devops`.
pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    path: &[&str],
) -> Result<ApiResponse, ApiError> {
    if request.parameter("toolId").is_none() && request.parameter("changeRequestNumber").is_none() {
        return Ok(refused("Missing query parameter: toolId"));
    }
    match (request.method.as_str(), path) {
        ("POST", ["orchestration", "changeControl"]) => control(world, request),
        ("GET", ["orchestration", "changeControl"]) => {
            Ok(ApiResponse::result(200, json!({ "changeControl": true, "status": "Success" })))
        }
        ("GET", ["orchestration", "changeStatus"]) => Ok(status(world, request)),
        ("GET", ["orchestration", "changeInfo"]) => Ok(info(world, request)),
        ("PUT", ["orchestration", "changeInfo"]) => update(world, request),
        ("GET" | "POST", ["orchestration", "stepMapping"]) => {
            Ok(ApiResponse::result(200, json!({ "stepValid": "true", "status": "Success" })))
        }
        ("POST", ["artifact" | "package", "registration"] | ["tool", _]) => {
            let sys_id = world.new_id();
            Ok(ApiResponse::result(201, json!({ "status": "Success", "sysId": sys_id })))
        }
        _ => Err(ApiError::no_resource(&request.path)),
    }
}

/// This API has an envelope of its own.
fn refused(message: &str) -> ApiResponse {
    let details = json!({ "errors": [{ "message": message }] });
    ApiResponse::result(400, json!({ "status": "Error", "details": details }))
}

/// What tells one attempt of a pipeline's stage from others.
fn key(of: &dyn Fn(&str) -> String, pipeline: &str) -> String {
    [pipeline, &of("stageName"), &of("buildNumber"), &of("attemptNumber")].join("|")
}

fn control(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = input::object(&request.body)?;
    let of = |name: &str| body.get(name).map(input::text).unwrap_or_default();
    let pipeline = format!("{}/{}", of("repository"), of("workflow"));
    let key = key(&of, &pipeline);
    let details = body.get("changeRequestDetails").cloned().unwrap_or_default();
    let attributes: Map<String, Value> = details["attributes"].as_object().cloned().unwrap_or_default();
    if let Some(name) = FORBIDDEN.iter().find(|name| attributes.contains_key(**name)) {
        return Ok(refused(&format!("Attribute {name} cannot be set")));
    }
    if of_pipeline(world, &key).is_none() {
        let attributes = Value::Object(attributes).to_string();
        let mut input = input::read(world, TABLE, attributes.as_bytes(), None)?;
        input.fields.set_default("short_description", &format!("Deployment of {pipeline}"));
        input.fields.set("u_devops_key", &key);
        open(world, input, &request.actor)?;
    }
    Ok(ApiResponse::result(201, json!({ "changeControl": true, "status": "Success" })))
}

/// The product asks for approval by itself; a change that cannot be asked for is canceled with a note.
fn open(world: &mut World, input: Input, actor: &Actor) -> Result<(), ApiError> {
    let sys_id = changes::create(world, input, None, actor)?;
    let kind = world.row(TABLE, &sys_id).map_or(String::new(), |row| row.get("type").to_owned());
    let next = states::moves(&kind, states::NEW).first().copied().unwrap_or(states::CANCELED);
    let system = Actor::system();
    if let Err(error) = changes::update(world, &sys_id, Input::of(&[("state", next)]), &system) {
        let note = input::text(&error.detail);
        let cancel = Input::of(&[("state", states::CANCELED), ("work_notes", &note)]);
        changes::update(world, &sys_id, cancel, &system)?;
    }
    Ok(())
}

fn of_pipeline<'a>(world: &'a World, key: &str) -> Option<&'a Record> {
    world.rows(TABLE).map(|(_, row)| row).find(|row| row.get("u_devops_key") == key)
}

fn asked_for<'a>(world: &'a World, request: &ApiRequest) -> Option<&'a Record> {
    let of = |name: &str| request.parameter(name).unwrap_or_default().to_owned();
    of_pipeline(world, &key(&of, &of("pipelineName")))
}

fn status(world: &World, request: &ApiRequest) -> ApiResponse {
    let Some(row) = asked_for(world, request) else {
        return ApiResponse::result(201, json!({ "details": {} }));
    };
    let (status, word) = match row.get("state") {
        "-2" | "-1" | "0" | "3" => (200, "approved"),
        "4" => (201, "canceled_by_user"),
        _ if row.get("approval") == "rejected" => (201, "rejected"),
        _ => (201, "pending_decision"),
    };
    let details = json!({ "status": word, "number": row.get("number"), "sys_id": row.get("sys_id") });
    ApiResponse::result(status, json!({ "details": details }))
}

fn info(world: &World, request: &ApiRequest) -> ApiResponse {
    let Some(row) = asked_for(world, request) else {
        return ApiResponse::result(404, json!({ "changeFound": false, "errorMessage": "Change not found" }));
    };
    let mut found: Map<String, Value> =
        ["sys_id", "number", "type", "state", "phase", "phase_state", "priority", "risk"]
            .iter()
            .map(|field| ((*field).to_owned(), json!(row.get(field))))
            .collect();
    found.insert("changeFound".to_owned(), json!(true));
    found.insert("plannedStartDate".to_owned(), json!(row.get("start_date")));
    found.insert("plannedEndDate".to_owned(), json!(row.get("end_date")));
    ApiResponse::result(200, Value::Object(found))
}

/// Closes from Implement on, with code and notes, or cancels with a reason.
fn update(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let number = request.parameter("changeRequestNumber").unwrap_or_default();
    let Some(row) = world.change_named(number).cloned() else {
        return Ok(refused("Change request not found"));
    };
    let sys_id = row.get("sys_id").to_owned();
    let mut input = input::read(world, TABLE, &request.body, None)?;
    let body = input::object(&request.body)?;
    if let Some(reason) = body.get("reason").map(input::text) {
        input.fields.set("work_notes", &reason);
    }
    if input.fields.get("state") == states::CLOSED && row.get("state") == states::IMPLEMENT {
        changes::update(world, &sys_id, Input::of(&[("state", states::REVIEW)]), &request.actor)?;
    }
    match changes::update(world, &sys_id, input, &request.actor) {
        Ok(_) => {
            let done = json!({ "updateStatus": "Done", "status": "Success", "message": "Updated" });
            Ok(ApiResponse::result(200, done))
        }
        Err(error) => Ok(refused(&input::text(&error.detail))),
    }
}
