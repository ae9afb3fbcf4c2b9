//! The control plane under `/__sim/`: what a person, a test or a demo does to the instance from outside.
//! Each route is one plain method of `ServiceNow`.

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, body::Bytes};
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::webhook::WebhookTarget;
use super::{Account, Fault, ServiceNow, answers, input};
use crate::request_log::RequestFilter;

/// Why the control plane could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No change has this number or sys_id.
    #[error("no change {0}")]
    NoSuchChange(String),
    /// Nobody is asked, or not this user.
    #[error("no approval of {0} waits for that user")]
    NobodyAsked(String),
    /// The user does not exist.
    #[error("no user {0}")]
    NoSuchUser(String),
    /// The request makes no sense.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// The instance refused.
    #[error("refused: {0}")]
    Refused(String),
    /// A bound is reached.
    #[error("too many {0}")]
    TooMany(&'static str),
}

impl ControlError {
    pub(super) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchChange(_) | Self::NoSuchUser(_) => StatusCode::NOT_FOUND,
            Self::NobodyAsked(_) | Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

type Answer = Result<Json<Value>, ControlError>;

fn done() -> Answer {
    Ok(Json(json!({ "ok": true })))
}

/// Bodies are read whatever their content type, so that a bare `curl -d` works; none is an empty object.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(ControlError::unreadable)
}

pub(super) fn router(sim: &ServiceNow) -> Router {
    Router::new()
        .route("/__sim/reset", post(reset))
        .route("/__sim/clock", get(clock).put(set_clock))
        .route("/__sim/changes", get(changes))
        .route("/__sim/changes/{change}", get(change))
        .route("/__sim/changes/{change}/approve", post(approve))
        .route("/__sim/changes/{change}/reject", post(reject))
        .route("/__sim/changes/{change}/revoke", post(revoke))
        .route("/__sim/changes/{change}/submit", post(submit))
        .route("/__sim/changes/{change}/set", post(set))
        .route("/__sim/records/{table}", get(records).post(insert))
        .route("/__sim/users", post(add_user))
        .route("/__sim/webhook", put(set_webhook).delete(no_webhook))
        .route("/__sim/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/__sim/knobs", get(knobs).put(set_knobs))
        .route("/__sim/tokens", axum::routing::delete(revoke_tokens))
        .route("/__sim/requests", get(requests))
        .route("/__sim/journal", get(journal))
        .route("/__sim/deliveries", get(deliveries))
        .layer(from_fn_with_state(sim.clone(), guard))
        .with_state(sim.clone())
}

/// Settles what is due, checks the token and dates the answer.
async fn guard(State(sim): State<ServiceNow>, request: Request, next: Next) -> Response {
    let now = sim.clock().now();
    let given = request.headers().get(header::AUTHORIZATION);
    if let Some(token) = &sim.inner.options.control_token
        && given.is_none_or(|given| given.as_bytes() != format!("Bearer {token}").as_bytes())
    {
        return answers::dated(StatusCode::UNAUTHORIZED.into_response(), now);
    }
    sim.settle_due(now);
    let response = next.run(request).await;
    answers::dated(response, sim.clock().now())
}

async fn reset(State(sim): State<ServiceNow>) -> Answer {
    sim.reset();
    done()
}

async fn clock(State(sim): State<ServiceNow>) -> Answer {
    let clock = sim.clock();
    Ok(Json(json!({ "now": clock.now(), "frozen": clock.is_frozen() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSetting {
    advance_ms: Option<u64>,
    skew_ms: Option<i64>,
    freeze: Option<DateTime<Utc>>,
    #[serde(default)]
    unfreeze: bool,
}

async fn set_clock(State(sim): State<ServiceNow>, body: Bytes) -> Answer {
    let setting: ClockSetting = parse(&body)?;
    let clock = sim.clock();
    if setting.unfreeze {
        clock.freeze(None);
    }
    if setting.freeze.is_some() {
        clock.freeze(setting.freeze);
    }
    if let Some(ms) = setting.skew_ms {
        clock.set_skew(chrono::Duration::milliseconds(ms));
    }
    if let Some(ms) = setting.advance_ms {
        clock.advance(std::time::Duration::from_millis(ms));
    }
    sim.settle_due(clock.now());
    Ok(Json(json!({ "now": clock.now(), "frozen": clock.is_frozen() })))
}

async fn changes(State(sim): State<ServiceNow>) -> Answer {
    Ok(Json(json!(sim.changes())))
}

async fn change(State(sim): State<ServiceNow>, Path(change): Path<String>) -> Answer {
    let found = sim.change(&change).ok_or(ControlError::NoSuchChange(change))?;
    Ok(Json(found))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    user: Option<String>,
    #[serde(default)]
    all_levels: bool,
    #[serde(default)]
    comments: String,
}

async fn approve(State(sim): State<ServiceNow>, Path(change): Path<String>, body: Bytes) -> Answer {
    let verdict: Verdict = parse(&body)?;
    match (verdict.all_levels, &verdict.user) {
        (true, _) => sim.approve_all(&change)?,
        (false, user) => sim.approve(&change, user.as_deref())?,
    }
    Ok(Json(json!(sim.change(&change))))
}

async fn reject(State(sim): State<ServiceNow>, Path(change): Path<String>, body: Bytes) -> Answer {
    let verdict: Verdict = parse(&body)?;
    sim.reject(&change, verdict.user.as_deref(), &verdict.comments)?;
    Ok(Json(json!(sim.change(&change))))
}

async fn revoke(State(sim): State<ServiceNow>, Path(change): Path<String>) -> Answer {
    sim.revoke(&change)?;
    Ok(Json(json!(sim.change(&change))))
}

async fn submit(State(sim): State<ServiceNow>, Path(change): Path<String>) -> Answer {
    sim.submit(&change)?;
    Ok(Json(json!(sim.change(&change))))
}

async fn set(State(sim): State<ServiceNow>, Path(change): Path<String>, body: Bytes) -> Answer {
    let fields: Map<String, Value> = parse(&body)?;
    let fields: Vec<_> = fields.iter().map(|(field, value)| (field.as_str(), input::text(value))).collect();
    let fields: Vec<_> = fields.iter().map(|(field, value)| (*field, value.as_str())).collect();
    sim.set(&change, &fields)?;
    Ok(Json(json!(sim.change(&change))))
}

async fn insert(State(sim): State<ServiceNow>, Path(table): Path<String>, body: Bytes) -> Answer {
    let fields: Map<String, Value> = parse(&body)?;
    let fields: Vec<_> = fields.iter().map(|(field, value)| (field.as_str(), input::text(value))).collect();
    let fields: Vec<_> = fields.iter().map(|(field, value)| (*field, value.as_str())).collect();
    let sys_id = sim.insert(&table, &fields)?;
    Ok(Json(json!({ "sys_id": sys_id })))
}

async fn records(State(sim): State<ServiceNow>, Path(table): Path<String>) -> Answer {
    Ok(Json(json!(sim.records(&table))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    user_name: String,
    password: String,
    name: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

async fn add_user(State(sim): State<ServiceNow>, body: Bytes) -> Answer {
    let user: NewUser = parse(&body)?;
    let name = user.name.as_ref().unwrap_or(&user.user_name);
    let mut account = Account::new(&user.user_name, &user.password, name, &[]);
    account.roles = user.roles;
    let groups: Vec<_> = user.groups.iter().map(String::as_str).collect();
    let sys_id = sim.add_user(account, &groups)?;
    Ok(Json(json!({ "sys_id": sys_id })))
}

async fn set_webhook(State(sim): State<ServiceNow>, body: Bytes) -> Answer {
    let target: WebhookTarget = parse(&body)?;
    sim.set_webhook(Some(target));
    done()
}

async fn no_webhook(State(sim): State<ServiceNow>) -> Answer {
    sim.set_webhook(None);
    done()
}

async fn faults(State(sim): State<ServiceNow>) -> Answer {
    Ok(Json(json!(sim.faults())))
}

async fn add_fault(State(sim): State<ServiceNow>, body: Bytes) -> Answer {
    let fault = Fault::from_json(&parse(&body)?)?;
    sim.fault(fault)?;
    done()
}

async fn clear_faults(State(sim): State<ServiceNow>) -> Answer {
    sim.clear_faults();
    done()
}

async fn knobs(State(sim): State<ServiceNow>) -> Answer {
    Ok(Json(json!(sim.knobs())))
}

/// Changes the knobs that are named and leaves the others.
async fn set_knobs(State(sim): State<ServiceNow>, body: Bytes) -> Answer {
    let named: Map<String, Value> = parse(&body)?;
    let mut all = json!(sim.knobs());
    for (knob, value) in named {
        all[knob] = value;
    }
    let knobs = serde_json::from_value(all).map_err(ControlError::unreadable)?;
    sim.set_knobs(knobs);
    Ok(Json(json!(sim.knobs())))
}

async fn revoke_tokens(State(sim): State<ServiceNow>) -> Answer {
    sim.revoke_tokens();
    done()
}

async fn requests(State(sim): State<ServiceNow>, Query(filter): Query<RequestFilter>) -> Answer {
    Ok(Json(json!(sim.requests().find(&filter))))
}

async fn journal(State(sim): State<ServiceNow>) -> Answer {
    Ok(Json(json!(sim.journal().entries())))
}

async fn deliveries(State(sim): State<ServiceNow>) -> Answer {
    Ok(Json(json!({
        "pending": sim.outbox().pending(),
        "delivered": sim.outbox().deliveries(),
    })))
}
