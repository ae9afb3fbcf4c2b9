//! HTTP around the simulated API: reads a request, plays the faults that hit it, and writes the answer
//! with the headers of an instance and the simulator's date.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::api::{Actor, ApiError, ApiRequest, ApiResponse, Rights};
use super::faults::{Effect, Plan, Target};
use super::world::{Later, World};
use super::{ServiceNow, auth, change_api, table_api};
use crate::request_log::{LoggedRequest, RequestLog};
use crate::serve::RESET_HEADER;

/// The default limit of a REST body.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
const TOKEN_PATH: &str = "/oauth_token.do";
const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

/// An answer, and how long it is withheld.
struct Played {
    response: Response,
    hang: Duration,
    user: String,
    /// What the log says instead of the status when the caller will not see it.
    withheld: bool,
}

impl Played {
    fn now(response: Response) -> Self {
        Self { response, hang: Duration::ZERO, user: String::new(), withheld: false }
    }

    fn hanging(ms: u64) -> Self {
        Self {
            hang: Duration::from_millis(ms),
            withheld: true,
            ..Self::now(write(ApiError::transaction_cancelled().into()))
        }
    }

    fn by(mut self, actor: &Actor) -> Self {
        self.user = actor.user_name.clone();
        self
    }
}

/// Answers every request that is not for the control plane.
pub(super) async fn api(State(sim): State<ServiceNow>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return dated(response, sim.clock().now());
    };
    sim.settle_due(sim.clock().now());
    let asked = asked(&sim, &parts, body);
    let plan = sim.inner.faults.take(&Target {
        method: &asked.method,
        path: &asked.path,
        table: asked.table(),
        body: &asked.body,
    });
    if !plan.latency.is_zero() {
        tokio::time::sleep(plan.latency).await;
    }
    let played = play(&sim, &parts, asked, plan);
    if !played.hang.is_zero() {
        tokio::time::sleep(played.hang).await;
    }
    dated(played.response, sim.clock().now())
}

fn asked(sim: &ServiceNow, parts: &Parts, body: Bytes) -> ApiRequest {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").unwrap_or("localhost");
    let base = sim.inner.options.base_url.clone();
    let query = parts.uri.query().unwrap_or_default();
    let method = header("x-http-method-override").filter(|_| parts.method == "POST");
    ApiRequest {
        method: method.unwrap_or(parts.method.as_str()).to_ascii_uppercase(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body,
        actor: Actor::system(),
        base_url: base.unwrap_or_else(|| format!("http://{host}")),
        rights: Rights::default(),
    }
}

/// Everything between reading and writing, in one go: a request that is dropped while it hangs has
/// already had its effects, or has them on the schedule.
fn play(sim: &ServiceNow, parts: &Parts, asked: ApiRequest, plan: Plan) -> Played {
    let now = sim.clock().now();
    let mut logged = LoggedRequest {
        at: now,
        method: asked.method.clone(),
        path: asked.path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        status: 0,
        user: String::new(),
        body: String::new(),
    };
    // The token request's body holds the client secret.
    if asked.path != TOKEN_PATH {
        logged.body = RequestLog::excerpt(&asked.body);
    }
    if let Some(effect) = &plan.effect {
        let ids = [("fault", effect.name()), ("method", asked.method.clone()), ("path", asked.path.clone())];
        let ids: Vec<_> = ids.iter().map(|(key, value)| (*key, value.as_str())).collect();
        sim.journal().record(now, "simulator", "fault.played", &ids);
    }
    let played = match refusal(plan.effect.as_ref(), now) {
        Some(response) => Played::now(response),
        None => sim.with_world(|world| carry_out(sim, world, parts, asked, &plan)),
    };
    let cut = played.response.headers().contains_key(RESET_HEADER);
    if !played.withheld && !cut {
        logged.status = played.response.status().as_u16();
    }
    logged.user.clone_from(&played.user);
    sim.requests().push(logged);
    played
}

/// Answers that come from in front of the instance: nothing is authenticated or done.
fn refusal(effect: Option<&Effect>, now: DateTime<Utc>) -> Option<Response> {
    Some(match effect? {
        Effect::Down { reset: true } => reset(),
        Effect::Down { reset: false } => {
            respond(503, "text/plain", Bytes::from_static(b"Service Unavailable"))
        }
        Effect::Maintenance503 => respond(503, HTML, page("Instance under maintenance")),
        Effect::Html200 => respond(200, HTML, page("Instance Hibernating page")),
        Effect::Status { code, body } => {
            let body = body.as_ref().map(|body| Bytes::from(body.to_string()));
            respond(*code, JSON, body.unwrap_or_default())
        }
        Effect::RateLimit429 { retry_after: None } => respond(429, "text/plain", Bytes::new()),
        Effect::RateLimit429 { retry_after: Some(seconds) } => {
            let mut response = write(ApiError::rate_limited().into());
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            let window_end = now.timestamp().saturating_add_unsigned(*seconds);
            headers.insert("x-ratelimit-reset", HeaderValue::from(window_end));
            headers.insert("x-ratelimit-limit", HeaderValue::from(100));
            headers.insert("x-ratelimit-rule", HeaderValue::from_static("d3f1c9a02f6d4110b5f0d8b7f699b6ee"));
            response
        }
        _ => return None,
    })
}

fn page(title: &str) -> Bytes {
    format!("<html><head><title>{title}</title></head><body>{title}</body></html>").into()
}

fn reset() -> Response {
    let mut response = respond(502, "text/plain", Bytes::new());
    response.headers_mut().insert(RESET_HEADER, HeaderValue::from_static("1"));
    response
}

fn carry_out(
    sim: &ServiceNow,
    world: &mut World,
    parts: &Parts,
    mut asked: ApiRequest,
    plan: &Plan,
) -> Played {
    if let Some(Effect::TimeoutBeforeCommit { hang_ms }) = plan.effect {
        return Played::hanging(hang_ms);
    }
    if asked.path == TOKEN_PATH {
        let (status, body) = auth::token(world, &sim.inner.options, &asked.body);
        return Played::now(respond(status, JSON, Bytes::from(body.to_string())));
    }
    let Some(actor) = auth::actor(world, &sim.inner.options, &parts.headers) else {
        let mut response = write(ApiError::not_authenticated().into());
        let realm = HeaderValue::from_static("BASIC realm=\"Service-now\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        return Played::now(response);
    };
    asked.actor = actor.clone();
    if let Some(Effect::LateCommit { after_ms, hang_ms }) = plan.effect {
        world.later(after_ms, Later::Commit(Box::new(asked)));
        return Played::hanging(hang_ms).by(&actor);
    }
    let mut answer = dispatch(world, &asked);
    let silent = parts.headers.get("x-no-response-body");
    if silent.is_some_and(|value| value == "true") && answer.status < 300 && asked.method != "GET" {
        answer.body = None;
    }
    shape(&mut answer, plan);
    after_commit(answer, plan.effect.as_ref()).by(&actor)
}

/// Routes a request that is known to be authentic.
pub(super) fn dispatch(world: &mut World, request: &ApiRequest) -> ApiResponse {
    let path = request.path.clone();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let answer = match segments.as_slice() {
        ["api", "now", "v1" | "v2", "table", rest @ ..] | ["api", "now", "table", rest @ ..] => {
            table_api::answer(world, request, rest)
        }
        ["api", "sn_chg_rest", "v1", "change", rest @ ..] | ["api", "sn_chg_rest", "change", rest @ ..] => {
            change_api::answer(world, request, rest)
        }
        _ => Err(ApiError::no_resource(&path)),
    };
    answer.unwrap_or_else(ApiResponse::from)
}

/// What happens to an answer once the work is done.
fn after_commit(answer: ApiResponse, effect: Option<&Effect>) -> Played {
    let created = answer.status < 300;
    match effect {
        Some(Effect::TimeoutAfterCommit { hang_ms }) => Played::hanging(*hang_ms),
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
fn shape(answer: &mut ApiResponse, plan: &Plan) {
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

fn write(answer: ApiResponse) -> Response {
    let body = answer.body.map(|body| Bytes::from(body.to_string()));
    let mut response = respond(answer.status, JSON, body.unwrap_or_default());
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
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
    let no_cache = HeaderValue::from_static("no-cache,no-store,must-revalidate,max-age=-1");
    headers.insert(header::CACHE_CONTROL, no_cache);
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
