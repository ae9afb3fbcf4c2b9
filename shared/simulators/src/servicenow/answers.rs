//! How an answer goes out: the headers of an instance, its pages, and what a fault makes of an answer.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::api::{Actor, ApiError, ApiResponse};
use super::faults::{Effect, Plan};
use super::limits::Limited;
use crate::serve::RESET_HEADER;

const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";
const SAMPLE_RULE: &str = "d3f1c9a02f6d4110b5f0d8b7f699b6ee";

/// An answer, and how long it is withheld.
pub(super) struct Played {
    pub(super) response: Response,
    pub(super) hang: Duration,
    pub(super) user: String,
    /// What the log says instead of the status when the caller will not see it.
    pub(super) withheld: bool,
}

impl Played {
    pub(super) fn now(response: Response) -> Self {
        Self { response, hang: Duration::ZERO, user: String::new(), withheld: false }
    }

    pub(super) fn hanging(ms: u64) -> Self {
        Self {
            hang: Duration::from_millis(ms),
            withheld: true,
            ..Self::now(write(ApiError::transaction_cancelled().into()))
        }
    }

    pub(super) fn by(mut self, actor: &Actor) -> Self {
        self.user = actor.user_name.clone();
        self
    }
}

/// Answers that come from in front of the instance: nothing is authenticated or done.
pub(super) fn refusal(effect: Option<&Effect>, now: DateTime<Utc>) -> Option<Response> {
    Some(match effect? {
        Effect::Down { reset: true } => reset(),
        Effect::Down { reset: false } => {
            respond(503, "text/plain", Bytes::from_static(b"Service Unavailable"))
        }
        Effect::Maintenance503 => page(503, "Instance under maintenance"),
        Effect::Html200 => page(200, "Instance Hibernating page"),
        Effect::LoginHtml200 => page(200, "Log in | ServiceNow"),
        Effect::Status { code, body } => respond(*code, JSON, body_of(body.as_ref())),
        Effect::RateLimit429 { retry_after: None } => too_busy(),
        Effect::RateLimit429 { retry_after: Some(seconds) } => {
            let mut response = write(ApiError::rate_limited(100).into());
            let seconds = i64::try_from(*seconds).unwrap_or(i64::MAX / 2);
            let limited = Limited {
                rule: SAMPLE_RULE.to_owned(),
                per_hour: 100,
                reset: now.timestamp().saturating_add(seconds),
                refused: Some(seconds),
            };
            tell_limit(&mut response, &limited);
            response
        }
        _ => return None,
    })
}

/// The headers of a rate-limit rule; there is none that tells what remains.
pub(super) fn tell_limit(response: &mut Response, limited: &Limited) {
    let headers = response.headers_mut();
    set(headers, "x-ratelimit-limit", &limited.per_hour.to_string());
    set(headers, "x-ratelimit-reset", &limited.reset.to_string());
    set(headers, "x-ratelimit-rule", &limited.rule);
    if let Some(seconds) = limited.refused {
        set(headers, "retry-after", &seconds.to_string());
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A full semaphore says nothing more.
pub(super) fn too_busy() -> Response {
    respond(429, "text/plain", Bytes::new())
}

/// A page instead of the API's answer.
pub(super) fn page(status: u16, title: &str) -> Response {
    let text = format!("<html><head><title>{title}</title></head><body>{title}</body></html>");
    respond(status, HTML, text.into())
}

fn reset() -> Response {
    let mut response = respond(502, "text/plain", Bytes::new());
    response.headers_mut().insert(RESET_HEADER, HeaderValue::from_static("1"));
    response
}

pub(super) fn unauthenticated() -> Response {
    let mut response = write(ApiError::not_authenticated().into());
    let realm = HeaderValue::from_static("BASIC realm=\"Service-now\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}

/// What happens to an answer once the work is done.
pub(super) fn after_commit(answer: ApiResponse, effect: Option<&Effect>) -> Played {
    let created = answer.status < 300;
    match effect {
        Some(Effect::TimeoutAfterCommit { hang_ms }) => Played::hanging(*hang_ms),
        Some(Effect::StatusAfterCommit { code }) => Played::now(respond(*code, "text/plain", Bytes::new())),
        Some(Effect::ResetConnectionAfterCommit) => Played::now(reset()),
        Some(Effect::CreateThen403) if created => Played::now(write(ApiError::acl("Insert").into())),
        Some(Effect::CreateThenEmpty201) if created => Played::now(respond(201, JSON, Bytes::new())),
        Some(Effect::ErrorIn200Stream { cut }) if created => {
            Played::now(respond(200, JSON, broken_stream(answer.body, *cut)))
        }
        _ => Played::now(write(answer)),
    }
}

/// The rows that had gone out, then the error of the cancelled transaction.
fn broken_stream(body: Option<Value>, cut: bool) -> Bytes {
    let rows = body.map_or(Value::Null, |body| body["result"].clone());
    let rows = match rows {
        Value::Array(rows) => rows,
        other => vec![other],
    };
    let sent = json!(rows[..rows.len() / 2]).to_string();
    if cut {
        let open = sent.trim_end_matches(']').to_owned();
        return Bytes::from(format!("{{\"result\":{open}{{\"sys_id\":\""));
    }
    let error = ApiResponse::from(ApiError::transaction_cancelled()).body;
    let error = error.map_or(Value::Null, |body| body["error"].clone());
    Bytes::from(format!("{{\"result\":{sent},\"error\":{error},\"status\":\"failure\"}}"))
}

/// Hides fields and replaces states, in one record or in each of a list.
pub(super) fn shape(answer: &mut ApiResponse, plan: &Plan) {
    let Some(result) = answer.body.as_mut().and_then(|body| body.get_mut("result")) else {
        return;
    };
    let records: Vec<&mut Value> = match result {
        Value::Array(rows) => rows.iter_mut().collect(),
        one => vec![one],
    };
    for record in records.into_iter().filter_map(Value::as_object_mut) {
        for field in &plan.hidden {
            record.remove(field);
        }
        if let (Some(value), Some(state)) = (&plan.state, record.get_mut("state")) {
            match state.as_object_mut() {
                Some(pair) => {
                    pair.insert("value".to_owned(), json!(value));
                }
                None => *state = json!(value),
            }
        }
    }
}

fn body_of(body: Option<&Value>) -> Bytes {
    body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()
}

/// JSON with a status.
pub(super) fn json(status: u16, body: &Value) -> Response {
    respond(status, JSON, body_of(Some(body)))
}

pub(super) fn write(answer: ApiResponse) -> Response {
    let mut response = respond(answer.status, JSON, answer.bytes());
    let headers = response.headers_mut();
    if let Some(raw) = &answer.raw {
        set(headers, "content-type", &raw.content_type);
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

fn respond(status: u16, content_type: &'static str, body: Bytes) -> Response {
    let empty = body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache,no-store,must-revalidate,max-age=-1"),
        (header::PRAGMA, "no-store,no-cache"),
        (header::EXPIRES, "0"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-is-logged-in", HeaderValue::from_static("true"));
    response
}

/// Every answer carries the instance's own time.
pub(super) fn dated(mut response: Response, now: DateTime<Utc>) -> Response {
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
