//! Each feature and each fault of the simulator, called through its router.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::seed::{CHANGE_MANAGEMENT, NETWORK};
use super::*;

mod approvals;
mod attachments;
mod auth;
mod change_api;
mod conflicts;
mod control;
mod devops;
mod faults;
mod https;
mod limits;
mod more_apis;
mod queries;
mod rights;
mod state_model;
mod table_api;
mod visibility;
mod webhooks;
mod work;

const CHANGES: &str = "/api/now/table/change_request";
const NORMAL: &str = "/api/sn_chg_rest/v1/change/normal";

/// An answer as a test wants it.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn result(&self) -> Value {
        self.json()["result"].clone()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn detail(&self) -> String {
        self.json()["error"]["detail"].as_str().unwrap_or_default().to_owned()
    }

    fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// An instance whose clock stands still.
fn instance() -> ServiceNow {
    instance_with(Options::default())
}

fn instance_with(options: Options) -> ServiceNow {
    let clock = SimClock::from_fn(|| "2026-03-01T10:00:00Z".parse().unwrap());
    clock.freeze(Some(clock.now()));
    ServiceNow::new(Options { clock, ..options })
}

fn with_knobs(change: impl FnOnce(&mut Knobs)) -> ServiceNow {
    let sim = instance();
    let mut knobs = sim.knobs();
    change(&mut knobs);
    sim.set_knobs(knobs);
    sim
}

async fn send(sim: &ServiceNow, request: Request<Body>) -> Answer {
    let response = sim.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 10_000_000).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn request(user: &str, method: &str, uri: &str, body: &Value) -> Request<Body> {
    use base64::Engine as _;
    let password = user.split('.').next().unwrap();
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    Request::builder()
        .method(method)
        .uri(uri.replace(' ', "%20").replace('^', "%5E").replace('<', "%3C").replace('>', "%3E"))
        .header("authorization", format!("Basic {pair}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

async fn call(sim: &ServiceNow, method: &str, uri: &str, body: Value) -> Answer {
    send(sim, request("interlock", method, uri, &body)).await
}

async fn call_as(sim: &ServiceNow, user: &str, method: &str, uri: &str, body: Value) -> Answer {
    send(sim, request(user, method, uri, &body)).await
}

async fn get(sim: &ServiceNow, uri: &str) -> Answer {
    call(sim, "GET", uri, Value::Null).await
}

async fn create(sim: &ServiceNow, fields: Value) -> String {
    let answer = call(sim, "POST", CHANGES, fields).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.result()["sys_id"].as_str().unwrap().to_owned()
}

async fn patch(sim: &ServiceNow, sys_id: &str, fields: Value) -> Answer {
    call(sim, "PATCH", &format!("{CHANGES}/{sys_id}"), fields).await
}

/// A normal change that asks its assignment group.
async fn assessed(sim: &ServiceNow) -> String {
    let fields = json!({ "short_description": "x", "assignment_group": CHANGE_MANAGEMENT });
    let sys_id = create(sim, fields).await;
    let answer = patch(sim, &sys_id, json!({ "state": "-4" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    sys_id
}

/// A normal change that everybody approved.
async fn scheduled(sim: &ServiceNow) -> String {
    let sys_id = assessed(sim).await;
    sim.approve_all(&sys_id).unwrap();
    assert_eq!(field(sim, &sys_id, "state"), "-2");
    sys_id
}

fn field(sim: &ServiceNow, change: &str, name: &str) -> String {
    let change = sim.change(change).unwrap();
    change[name].as_str().unwrap_or_default().to_owned()
}

/// States of the approver rows of a change, in the order in which they came.
fn approver_states(sim: &ServiceNow, change: &str) -> Vec<String> {
    sim.records("sysapproval_approver")
        .iter()
        .filter(|row| row["sysapproval"] == change)
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect()
}

fn advance(sim: &ServiceNow, ms: u64) {
    sim.clock().advance(std::time::Duration::from_millis(ms));
    sim.settle_due(sim.clock().now());
}
