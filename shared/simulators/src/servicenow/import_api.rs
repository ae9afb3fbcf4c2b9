//! The Import Set API (vendor page "Import Set API"): a row goes into a staging table and is transformed at
//! once. A field map that coalesces makes it an update of the record that is there.

use serde_json::{Value, json};

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::input::{self, Input};
use super::record::Record;
use super::world::World;
use super::{changes, dictionary, records, shapes};

const ROWS_MAX: usize = 1000;

/// One line of a transform map.
struct Entry {
    from: String,
    to: String,
    coalesce: bool,
}

/// Answers `POST /api/now[/v1]/import/{staging}[/insertMultiple]`.
pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    path: &[&str],
) -> Result<ApiResponse, ApiError> {
    match (request.method.as_str(), path) {
        ("POST", [staging]) => {
            known(staging)?;
            let set = world.next_import_set();
            let result = import(world, request, staging, &request.body)?;
            // The status is 201 also when the row could not be transformed.
            let body = json!({ "import_set": set, "staging_table": staging, "result": [result] });
            Ok(ApiResponse { body: Some(body), ..ApiResponse::no_content() }.with_status(201))
        }
        ("POST", [staging, "insertMultiple"]) => many(world, request, staging),
        (method, [_] | [_, "insertMultiple"]) => Err(ApiError::method_not_supported(method)),
        _ => Err(ApiError::no_resource(&request.path)),
    }
}

fn known(staging: &str) -> Result<(), ApiError> {
    if dictionary::has_table(staging) { Ok(()) } else { Err(ApiError::invalid_table(staging)) }
}

fn many(world: &mut World, request: &ApiRequest, staging: &str) -> Result<ApiResponse, ApiError> {
    known(staging)?;
    let body = input::object(&request.body)?;
    let rows = body.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
    let set = world.next_import_set();
    for row in rows.iter().take(ROWS_MAX) {
        import(world, request, staging, row.to_string().as_bytes())?;
    }
    let body = json!({ "import_set_id": set, "multi_import_set_id": set, "staging_table": staging });
    Ok(ApiResponse { body: Some(body), ..ApiResponse::no_content() }.with_status(201))
}

fn import(world: &mut World, request: &ApiRequest, staging: &str, body: &[u8]) -> Result<Value, ApiError> {
    let input = input::read(world, staging, body, None)?;
    let row = input.fields.clone();
    records::insert(world, staging, input, &request.actor)?;
    let map = world
        .rows("sys_transform_map")
        .map(|(_, map)| map)
        .find(|map| map.get("source_table") == staging && map.get("active") != "false");
    let Some(map) = map.cloned() else {
        return Ok(
            json!({ "status": "error", "error_message": "No transform map found", "transform_map": "" }),
        );
    };
    Ok(transform(world, request, &map, &row))
}

fn transform(world: &mut World, request: &ApiRequest, map: &Record, row: &Record) -> Value {
    let table = map.get("target_table").to_owned();
    let entries = entries(world, map.get("sys_id"));
    let mut fields = Record::default();
    for entry in entries.iter().filter(|entry| row.has(&entry.from)) {
        fields.set(&entry.to, row.get(&entry.from));
    }
    let done = match existing(world, &table, &entries, &fields) {
        Some(sys_id) => update(world, request, &table, &sys_id, fields).map(|status| (sys_id, status)),
        None => insert(world, request, &table, fields).map(|sys_id| (sys_id, "inserted")),
    };
    let name = map.get("name");
    match done {
        Ok((sys_id, status)) => {
            let shown = world.row(&table, &sys_id).map(|row| shapes::name_of(row).to_owned());
            json!({
                "transform_map": name,
                "table": table,
                "display_name": "name",
                "display_value": shown.unwrap_or_default(),
                "record_link": format!("{}/api/now/table/{table}/{sys_id}", request.base_url),
                "status": status,
                "sys_id": sys_id,
            })
        }
        Err(error) => json!({
            "transform_map": name,
            "table": table,
            "status": "error",
            "error_message": format!("{}: {}", error.message, input::text(&error.detail)),
        }),
    }
}

fn entries(world: &World, map: &str) -> Vec<Entry> {
    let rows = world.rows("sys_transform_entry").map(|(_, row)| row);
    rows.filter(|row| row.get("map") == map)
        .map(|row| Entry {
            from: row.get("source_field").to_owned(),
            to: row.get("target_field").to_owned(),
            coalesce: row.get("coalesce") == "true",
        })
        .collect()
}

/// The record in which every coalesce field is equal; none without such fields.
fn existing(world: &World, table: &str, entries: &[Entry], fields: &Record) -> Option<String> {
    let keys: Vec<&str> =
        entries.iter().filter(|entry| entry.coalesce).map(|entry| entry.to.as_str()).collect();
    if keys.is_empty() {
        return None;
    }
    let mut rows = world.rows(table).map(|(_, row)| row);
    let found = rows.find(|row| keys.iter().all(|key| row.get(key) == fields.get(key)))?;
    Some(found.get("sys_id").to_owned())
}

fn insert(world: &mut World, request: &ApiRequest, table: &str, fields: Record) -> Result<String, ApiError> {
    let input = Input { fields, ..Input::default() };
    match table {
        "change_request" => changes::create(world, input, None, &request.actor),
        _ => records::insert(world, table, input, &request.actor),
    }
}

fn update(
    world: &mut World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
    fields: Record,
) -> Result<&'static str, ApiError> {
    let count = |world: &World| world.row(table, sys_id).map(|row| row.get("sys_mod_count").to_owned());
    let before = count(world);
    let input = Input { fields, ..Input::default() };
    match table {
        "change_request" => {
            changes::update(world, sys_id, input, &request.actor)?;
        }
        _ => records::update(world, table, sys_id, input, &request.actor)?,
    }
    Ok(if count(world) == before { "ignored" } else { "updated" })
}
