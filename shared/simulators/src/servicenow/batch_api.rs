//! The Batch API (vendor page "Batch API"): requests one after another, in one call and not as one transaction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::world::World;
use super::{input, routes};

/// A batch runs no longer; what is not reached is told.
const QUOTA_MS: u64 = 30_000;
const REQUESTS_MAX: usize = 1000;

#[derive(Deserialize)]
struct Item {
    id: Value,
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    exclude_response_headers: bool,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Answers `POST /api/now[/v1]/batch`.
pub(super) fn answer(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    if request.method != "POST" {
        return Err(ApiError::method_not_supported(&request.method));
    }
    let batch = input::object(&request.body)?;
    let items = batch.get("rest_requests").cloned().unwrap_or_else(|| json!([]));
    let items: Vec<Item> =
        serde_json::from_value(items).map_err(|error| ApiError::unreadable(&error.to_string()))?;
    let (mut serviced, mut unserviced) = (Vec::new(), Vec::new());
    let (each, mut spent) = (world.knobs.batch_item_ms, 0);
    for item in items.iter().take(REQUESTS_MAX) {
        spent += each;
        if spent > QUOTA_MS {
            unserviced.push(json!(input::text(&item.id)));
            continue;
        }
        serviced.push(carry_out(world, request, item, each));
    }
    let body = json!({
        // A number comes back as text.
        "batch_request_id": batch.get("batch_request_id").map(input::text).unwrap_or_default(),
        "serviced_requests": serviced,
        "unserviced_requests": unserviced,
    });
    Ok(ApiResponse { body: Some(body), ..ApiResponse::no_content() }.with_status(200))
}

fn carry_out(world: &mut World, batch: &ApiRequest, item: &Item, took_ms: u64) -> Value {
    let answer = match inner(batch, item) {
        Some(request) if !request.path.ends_with("/batch") => {
            let answer = routes::dispatch(world, &request);
            if item.says("x-no-response-body", "true") { answer.without_body() } else { answer }
        }
        _ => ApiError::no_resource(&item.url).into(),
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers: Vec<Value> = answer
        .headers
        .iter()
        .filter(|_| !item.exclude_response_headers)
        .map(|(name, value)| json!({ "name": name.as_str(), "value": value }))
        .collect();
    json!({
        "id": input::text(&item.id),
        "body": STANDARD.encode(answer.bytes()),
        "status_code": answer.status,
        "status_text": status.canonical_reason().unwrap_or_default(),
        "headers": headers,
        "execution_time": took_ms,
    })
}

impl Item {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
    }
}

/// The request within the batch: by the same caller, with a relative URL.
fn inner(batch: &ApiRequest, item: &Item) -> Option<ApiRequest> {
    let (path, query) = item.url.split_once('?').unwrap_or((&item.url, ""));
    let body = STANDARD.decode(item.body.as_deref().unwrap_or_default()).ok()?;
    path.starts_with('/').then(|| ApiRequest {
        method: item.method.to_ascii_uppercase(),
        path: path.to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body: Bytes::from(body),
        content_type: item.header("content-type").map(str::to_owned),
        ..batch.clone()
    })
}
