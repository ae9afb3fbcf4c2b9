//! The Attachment API (vendor page "Attachment API"): raw bytes or a form, kept with size and SHA-256.

mod form;

use bytes::Bytes;
use http::header;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::api::{ApiError, ApiRequest, ApiResponse, Raw};
use super::record::Record;
use super::world::World;
use super::{input, select};
use form::Form;

const TABLE: &str = "sys_attachment";
const LIMIT_DEFAULT: usize = 1000;

/// What the metadata of an attachment shows, besides its link.
const SHOWN: [&str; 21] = [
    "average_image_color",
    "chunk_size_bytes",
    "compressed",
    "content_type",
    "file_name",
    "hash",
    "image_height",
    "image_width",
    "size_bytes",
    "size_compressed",
    "state",
    "sys_created_by",
    "sys_created_on",
    "sys_id",
    "sys_mod_count",
    "sys_tags",
    "sys_updated_by",
    "sys_updated_on",
    "table_name",
    "table_sys_id",
    "encryption_context",
];

/// A file on its way to a record.
struct Upload<'a> {
    table: &'a str,
    record: &'a str,
    name: &'a str,
    content_type: &'a str,
    content: Bytes,
}

/// Answers `/api/now[/v1]/attachment..`; `path` is what follows `attachment`.
pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    path: &[&str],
) -> Result<ApiResponse, ApiError> {
    match (request.method.as_str(), path) {
        ("GET", []) => list(world, request),
        ("POST", ["file"]) => file(world, request),
        ("POST", ["upload"]) => upload(world, request),
        ("GET", [sys_id]) => {
            let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
            Ok(ApiResponse::result(200, show(request, row)))
        }
        ("GET", [sys_id, "file"]) => content(world, request, sys_id),
        ("PATCH" | "PUT", [sys_id]) => rename(world, request, sys_id),
        ("DELETE", [sys_id]) => {
            world.delete(TABLE, sys_id, &request.actor.user_name).ok_or_else(ApiError::no_record)?;
            Ok(ApiResponse::no_content())
        }
        (method, [] | [_] | [_, "file"]) => Err(ApiError::method_not_supported(method)),
        _ => Err(ApiError::no_resource(&request.path)),
    }
}

fn list(world: &World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let number = |name: &str| request.parameter(name).and_then(|value| value.parse().ok());
    let rows = select::select(world, TABLE, request)?;
    let page = rows
        .iter()
        .skip(number("sysparm_offset").unwrap_or(0))
        .take(number("sysparm_limit").unwrap_or(LIMIT_DEFAULT))
        .map(|(_, row)| show(request, row));
    let shown: Vec<Value> = page.collect();
    let answer = ApiResponse::result(200, json!(shown));
    Ok(answer.with_header(header::HeaderName::from_static("x-total-count"), rows.len().to_string()))
}

/// The body is the file, whatever it is: a form that is sent here is stored with its boundaries.
fn file(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let given = |name: &str| request.parameter(name).ok_or_else(|| missing(name));
    let content_type = request.content_type.as_deref().ok_or_else(|| missing("Content-Type"))?;
    let upload = Upload {
        table: given("table_name")?,
        record: given("table_sys_id")?,
        name: given("file_name")?,
        content_type,
        content: request.body.clone(),
    };
    keep(world, request, &upload)
}

/// A form: `table_name` and `table_sys_id` before the file, and nothing in the query.
fn upload(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let content_type = request.content_type.as_deref().unwrap_or_default();
    let form = Form::read(content_type, &request.body).ok_or_else(|| missing("multipart/form-data"))?;
    let file = form.file.as_ref().ok_or_else(|| missing("uploadFile"))?;
    let given = |name: &str| form.field(name).ok_or_else(|| missing(name));
    let upload = Upload {
        table: given("table_name")?,
        record: given("table_sys_id")?,
        name: &file.name,
        content_type: &file.content_type,
        content: file.content.clone(),
    };
    keep(world, request, &upload)
}

fn missing(what: &str) -> ApiError {
    ApiError::bad_request(&format!("Missing mandatory parameter {what}"))
}

fn keep(world: &mut World, request: &ApiRequest, upload: &Upload<'_>) -> Result<ApiResponse, ApiError> {
    if world.row(upload.table, upload.record).is_none() {
        return Err(ApiError::no_record());
    }
    let size = upload.content.len();
    if size as u64 > world.knobs.attachment_bytes_max || !world.has_room_for(size) {
        return Err(ApiError::too_large());
    }
    let (extensions, status) = (&world.knobs.attachment_extensions, world.knobs.attachment_refused_status);
    let extension = upload.name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !extensions.is_empty() && !extensions.iter().any(|taken| taken.eq_ignore_ascii_case(extension)) {
        return Err(ApiError::extension_refused(upload.name, status));
    }
    let size = size.to_string();
    let hash = hex::encode(Sha256::digest(&upload.content));
    let record = Record::of(&[
        ("chunk_size_bytes", "700000"),
        ("compressed", "true"),
        ("content_type", upload.content_type),
        ("file_name", upload.name),
        ("hash", &hash),
        ("size_bytes", &size),
        ("size_compressed", &size),
        ("state", "available"),
        ("table_name", upload.table),
        ("table_sys_id", upload.record),
    ]);
    let sys_id = world.add(TABLE, record, &request.actor.user_name)?;
    world.keep_content(&sys_id, upload.content.clone());
    let row = world.row(TABLE, &sys_id).ok_or_else(ApiError::no_record)?;
    let answer = ApiResponse::result(201, show(request, row));
    Ok(answer.with_header(header::LOCATION, link(request, &sys_id)))
}

/// Links keep the version of the call, as a client of the vendor's relies on.
fn link(request: &ApiRequest, sys_id: &str) -> String {
    let version = if request.path.starts_with("/api/now/v1/") { "v1/" } else { "" };
    format!("{}/api/now/{version}attachment/{sys_id}/file", request.base_url)
}

fn show(request: &ApiRequest, row: &Record) -> Value {
    let mut shown: serde_json::Map<String, Value> =
        SHOWN.iter().map(|field| ((*field).to_owned(), json!(row.get(field)))).collect();
    let link = link(request, row.get("sys_id"));
    shown.insert("download_link".to_owned(), json!(link));
    Value::Object(shown)
}

fn content(world: &World, request: &ApiRequest, sys_id: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let raw = Raw {
        content_type: row.get("content_type").to_owned(),
        bytes: world.content(sys_id).unwrap_or_default(),
    };
    let metadata = header::HeaderName::from_static("x-attachment-metadata");
    Ok(ApiResponse::raw(200, raw).with_header(metadata, show(request, row).to_string()))
}

fn rename(world: &mut World, request: &ApiRequest, sys_id: &str) -> Result<ApiResponse, ApiError> {
    world.row(TABLE, sys_id).ok_or_else(ApiError::no_record)?;
    let body = input::object(&request.body)?;
    let name = body.get("file_name").map(input::text).ok_or_else(|| missing("file_name"))?;
    let changes = Record::of(&[("file_name", &name)]);
    world.save(TABLE, sys_id, changes, &request.actor.user_name);
    Ok(ApiResponse::no_content())
}
