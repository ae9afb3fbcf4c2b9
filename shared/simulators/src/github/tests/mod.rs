//! Each feature and each fault once, through the router, as a client would see it.

mod access;
mod artifacts;
mod control;
mod faults;
mod gate;
mod lifecycle;
mod rest;
mod webhooks;

use std::sync::OnceLock;

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{AppKey, GitHub, Options, StartDeployment, Started, WebhookTarget};
use crate::clock::SimClock;

const REPO: &str = "/repos/acme/payments-api";
const SECRET: &str = "example-github-secret";

/// One pair for all tests: making one takes a while.
fn key() -> &'static AppKey {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    KEY.get_or_init(|| AppKey::generate().unwrap())
}

/// A simulated GitHub whose clock stands still, and a client of it with an installation token.
struct Lab {
    github: GitHub,
    token: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }
}

fn start_of_day() -> DateTime<Utc> {
    "2026-01-12T09:15:02Z".parse().unwrap()
}

fn options() -> Options {
    let clock = SimClock::from_fn(start_of_day);
    clock.freeze(Some(start_of_day()));
    let webhook = WebhookTarget { url: "http://127.0.0.1:9/hooks".into(), secret: Some(SECRET.into()) };
    Options { clock, webhook: Some(webhook), ..Options::new(&key().public_pem) }
}

impl Lab {
    async fn new() -> Self {
        Self::with(options()).await
    }

    async fn with(options: Options) -> Self {
        let mut lab = Self { github: GitHub::new(options), token: String::new() };
        lab.token = lab.mint().await;
        lab
    }

    async fn mint(&self) -> String {
        let path = "/app/installations/5530021/access_tokens";
        let answer = self.call(Method::POST, path, Some(&self.app_token()), None).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["token"].as_str().unwrap().to_owned()
    }

    fn app_token(&self) -> String {
        let now = self.github.clock().now().timestamp();
        self.signed(&json!({ "iss": "Iv23liInterlockSim", "iat": now - 60, "exp": now + 540 }))
    }

    fn signed(&self, claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(key().private_pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "interlock/0.1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        Answer::read(self.github.router().oneshot(request.body(body).unwrap()).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Some(&self.token), None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&self.token), Some(body)).await
    }

    async fn as_app(&self, method: Method, path: &str) -> Answer {
        self.call(method, path, Some(&self.app_token()), None).await
    }

    /// A gated deployment to production; its webhooks are taken out of the way.
    fn start(&self) -> Started {
        let started = self.github.start_deployment(&production()).unwrap();
        self.sent();
        started
    }

    async fn answer_gate(&self, run: u64, body: Value) -> Answer {
        self.post(&format!("{REPO}/actions/runs/{run}/deployment_protection_rule"), body).await
    }

    async fn approve(&self, run: u64) -> Answer {
        let body = json!({ "environment_name": "production", "state": "approved", "comment": "CHG0031021" });
        self.answer_gate(run, body).await
    }

    async fn reject(&self, run: u64) -> Answer {
        let body = json!({ "environment_name": "production", "state": "rejected", "comment": "too late" });
        self.answer_gate(run, body).await
    }

    /// Webhooks that are due by now, as event and body.
    fn sent(&self) -> Vec<(String, Value)> {
        let now = self.github.clock().now();
        self.github.settle_due(now);
        let due = self.github.outbox().take_due(now);
        due.iter().map(|webhook| (header(&webhook.headers, "x-github-event"), read(&webhook.body))).collect()
    }

    fn advance(&self, ms: u64) {
        self.github.clock().advance(std::time::Duration::from_millis(ms));
        self.github.settle_due(self.github.clock().now());
    }

    fn gate(&self, deployment: u64) -> String {
        self.github.deployment(deployment).unwrap().gate
    }

    fn job(&self, deployment: u64) -> String {
        self.github.deployment(deployment).unwrap().job
    }

    fn effects(&self) -> Vec<String> {
        self.github.journal().into_iter().map(|entry| entry.what).collect()
    }
}

fn production() -> StartDeployment {
    StartDeployment::new("acme/payments-api", "production")
}

fn header(headers: &[(String, String)], name: &str) -> String {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// Events with the one word that tells them apart.
fn outline(sent: &[(String, Value)]) -> Vec<String> {
    let word = |body: &Value| match body["deployment_status"]["state"].as_str() {
        Some(state) => state.to_owned(),
        None => body["action"].as_str().unwrap_or_default().to_owned(),
    };
    sent.iter().map(|(event, body)| format!("{event} {}", word(body))).collect()
}
