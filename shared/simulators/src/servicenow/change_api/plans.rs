//! Risk, configuration items and free times of a change. What takes a while is a worker that is asked later.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::{TABLE, changed, conflicts};
use crate::servicenow::api::{ApiError, ApiRequest, ApiResponse};
use crate::servicenow::options::FirstAvailable;
use crate::servicenow::record::Record;
use crate::servicenow::world::{World, wire_time};
use crate::servicenow::{changes, input, shapes};

pub(super) const WORKERS: &str = "sys_progress_worker";

/// Calculates the risk; this answer has no `result` around it.
pub(super) fn risk(world: &mut World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    let risk = changes::risk_of(row.get("impact"));
    let risk = risk.ok_or_else(|| ApiError::bad_request("Risk assessment failed"))?;
    world.save(TABLE, change, Record::of(&[("risk", risk)]), &request.actor.user_name);
    let body = changed(world, request, change, &[])?.body;
    let pairs = body.map_or(Value::Null, |body| body["result"].clone());
    Ok(ApiResponse { body: Some(pairs), ..ApiResponse::no_content() }.with_status(200))
}

/// The CIs of a change, or more of them.
pub(super) fn cis(world: &mut World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    match request.method.as_str() {
        "GET" => {
            let zone = world.asker(&request.actor).zone;
            let rows = world.rows("task_ci").filter(|(_, row)| row.get("task") == change);
            let shown: Vec<Value> =
                rows.map(|(of, row)| Value::Object(shapes::render_pairs(world, of, row, &zone))).collect();
            Ok(ApiResponse::result(200, json!(shown)))
        }
        "POST" => associate(world, request, change),
        method => Err(ApiError::method_not_supported(method)),
    }
}

fn associate(world: &mut World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    let body = input::object(&request.body)?;
    let kind = body.get("association_type").map(input::text).unwrap_or_default();
    if !matches!(kind.as_str(), "affected" | "impacted" | "offering") {
        return Err(ApiError::bad_request("association_type is not valid"));
    }
    let ids = body.get("cmdb_ci_sys_ids").cloned().unwrap_or_default();
    let ids: Vec<String> = match &ids {
        Value::Array(ids) => ids.iter().map(input::text).collect(),
        other => input::text(other).split(',').map(str::to_owned).collect(),
    };
    for id in ids.iter().filter(|id| world.row("cmdb_ci", id).is_some()).cloned().collect::<Vec<_>>() {
        let row = Record::of(&[("task", change), ("ci_item", &id)]);
        world.add("task_ci", row, &request.actor.user_name)?;
    }
    worker(world, request, "associate_ci", 202)
}

/// A worker that refreshes impacted services.
pub(super) fn refresh(
    world: &mut World,
    request: &ApiRequest,
    change: &str,
) -> Result<ApiResponse, ApiError> {
    world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    worker(world, request, "refresh_impacted_services", 200)
}

/// A worker that looks for free times, of a change or of a CI.
pub(super) fn schedule(
    world: &mut World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
) -> Result<ApiResponse, ApiError> {
    world.row(table, sys_id).ok_or_else(ApiError::no_record)?;
    worker(world, request, "schedule", 202)
}

/// Plans the change for the first free time, of the length that it is planned for.
pub(super) fn first_available(
    world: &mut World,
    request: &ApiRequest,
    change: &str,
) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, change).ok_or_else(ApiError::no_record)?.clone();
    if world.knobs.first_available == FirstAvailable::Absent {
        return Err(ApiError::no_resource(&request.path));
    }
    let (start, end) = free_slot(world, &row).unwrap_or_else(|| free_time(world));
    if world.knobs.first_available == FirstAvailable::Plans {
        let mut window = Record::of(&[("start_date", &start), ("end_date", &end)]);
        conflicts::reset(world, &row, &mut window);
        world.save(TABLE, change, window, &request.actor.user_name);
    }
    worker(world, request, "schedule", 202)
}

/// Behind everything that is in the way, from the planned start on and not before now.
fn free_slot(world: &World, row: &Record) -> Option<(String, String)> {
    let (from, until) = conflicts::window(row)?;
    let length = stored_time(until)? - stored_time(from)?;
    let mut start = stored_time(from)?.max(world.now);
    let mut taken = conflicts::taken(world, row);
    taken.sort();
    for (from, until) in taken {
        if from < wire_time(start + length) && until > wire_time(start) {
            start = stored_time(&until)?;
        }
    }
    Some((wire_time(start), wire_time(start + length)))
}

fn stored_time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|time| time.and_utc())
}

fn free_time(world: &World) -> (String, String) {
    let hour = chrono::Duration::hours(1);
    (wire_time(world.now + hour), wire_time(world.now + hour + hour))
}

fn worker(world: &mut World, request: &ApiRequest, kind: &str, status: u16) -> Result<ApiResponse, ApiError> {
    let (start, end) = free_time(world);
    let row = Record::of(&[("type", kind), ("request", &request.path), ("start", &start), ("end", &end)]);
    let sys_id = world.add(WORKERS, row, &request.actor.user_name)?;
    let row = world.row(WORKERS, &sys_id).ok_or_else(ApiError::no_record)?;
    Ok(ApiResponse::result(status, told(world, request, row)))
}

/// How far a worker is.
pub(super) fn worker_of(world: &World, request: &ApiRequest, sys_id: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(WORKERS, sys_id).ok_or_else(ApiError::no_record)?;
    Ok(ApiResponse::result(200, told(world, request, row)))
}

fn told(world: &World, request: &ApiRequest, row: &Record) -> Value {
    let delay = i64::try_from(world.knobs.worker_delay_ms).unwrap_or(i64::MAX / 1_000_000);
    let done =
        row.get("sys_created_on") <= wire_time(world.now - chrono::Duration::milliseconds(delay)).as_str();
    let state = if done {
        json!({ "value": 3, "display_value": "Complete" })
    } else {
        json!({ "value": 1, "display_value": "Waiting" })
    };
    let spans = match row.get("type") {
        "schedule" if done => json!([{ "start": row.get("start"), "end": row.get("end") }]),
        _ => json!([]),
    };
    let sys_id = row.get("sys_id");
    json!({
        "worker": {
            "sysId": sys_id,
            "link": format!("{}/api/sn_chg_rest/change/worker/{sys_id}", request.base_url),
        },
        "request": row.get("request"),
        "type": row.get("type"),
        "state": state,
        "payload": { "spans": spans },
        "messages": { "errorMessages": [], "infoMessages": [], "warningMessages": [] },
    })
}
