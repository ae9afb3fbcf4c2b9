mod accepted;
mod availability;
mod ports;
mod refused;
mod sockets;
mod spooled;

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{Request, StatusCode};
use interlock_runtime::config::{Config, LogFormat, TelemetryConfig};
use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_runtime::telemetry::Telemetry;
use ports::{MemorySpool, MemoryStore, RecordingBroker};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use tower::ServiceExt;

use super::*;

const SECRET: &str = "example-github-secret";
const LIMIT: usize = 100_000;

/// Ingress asks nobody.
struct NoNetwork;

#[async_trait]
impl Http for NoNetwork {
    async fn send(&self, _: Request<Bytes>, _: Instant) -> Result<http::Response<Bytes>, HttpError> {
        Err(HttpError::NotSent { host: "nowhere".into(), reason: "no network".into() })
    }
}

/// Trace ids and counters exist only while telemetry runs; all tests share one.
fn telemetry() -> &'static Telemetry {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    TELEMETRY.get_or_init(|| {
        let config = TelemetryConfig { log: LogFormat::Json, level: "error".into(), otlp_endpoint: None };
        Telemetry::start(&config).unwrap()
    })
}

/// One door with one connection to GitHub, whose name is the test's own: counters are shared.
struct Lab {
    ingress: Ingress,
    broker: Arc<RecordingBroker>,
    store: Arc<MemoryStore>,
    spool: Arc<MemorySpool>,
    connection: &'static str,
    _secret: NamedTempFile,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    /// Status and name of the problem.
    fn problem(&self) -> (u16, &str) {
        assert_eq!(self.content_type, "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], self.status.as_u16());
        let name = self.body["type"].as_str().unwrap().strip_prefix("urn:interlock:problem:").unwrap();
        (self.status.as_u16(), name)
    }
}

impl Lab {
    async fn new(connection: &'static str) -> Self {
        Self::with(connection, 16).await
    }

    async fn with(connection: &'static str, in_flight: usize) -> Self {
        Self::of(connection, in_flight, None).await
    }

    /// One whose spool has room for so many entries.
    async fn spooling(connection: &'static str, room: usize) -> Self {
        Self::of(connection, 16, Some(room)).await
    }

    async fn of(connection: &'static str, in_flight: usize, room: Option<usize>) -> Self {
        telemetry();
        let mut secret = NamedTempFile::new().unwrap();
        secret.write_all(SECRET.as_bytes()).unwrap();
        let yaml = format!(
            "connections:\n  {connection}:\n    kind: github\n    app_id: 1\n    private_key: ${{env:NO_KEY}}\n    webhook_secrets: [\"${{file:{}}}\"]\n",
            secret.path().display()
        );
        let config = Config::parse("test", &yaml, std::iter::empty()).unwrap();
        let (http, clock): (Arc<dyn Http>, Arc<dyn Clock>) = (Arc::new(NoNetwork), Arc::new(SystemClock));
        let platforms = interlock_platforms::platforms(&config, &http, &clock, None).unwrap();
        let sources =
            platforms.into_iter().map(|(name, platform)| (name, platform as Arc<dyn WebhookSource>));
        let (broker, store) = (Arc::new(RecordingBroker::default()), Arc::new(MemoryStore::default()));
        let spool = Arc::new(MemorySpool::default());
        spool.room.store(room.unwrap_or_default(), Ordering::SeqCst);
        let ingress = Ingress::new(Parts {
            sources: sources.collect(),
            broker: broker.clone(),
            spool: room.map(|_| spool.clone() as Arc<dyn Spool>),
            store: store.clone(),
            clock,
            limits: Limits { body_bytes: LIMIT, in_flight },
            health: Health::new(),
        });
        ingress.look().await;
        Self { ingress, broker, store, spool, connection, _secret: secret }
    }

    /// A webhook as GitHub would send it.
    fn webhook(&self, delivery: &str, body: &str) -> http::request::Builder {
        Request::post(format!("/webhooks/{}", self.connection))
            .header("content-type", "application/json")
            .header("x-github-event", "deployment_protection_rule")
            .header("x-github-delivery", delivery)
            .header("x-hub-signature-256", signature(body))
    }

    /// Waits for a condition, a minute of paused time at most.
    async fn until(&self, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < deadline, "not within a minute");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn send(&self, delivery: &str, body: &str) -> Answer {
        self.call(self.webhook(delivery, body).body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.ingress.router().oneshot(request).await.unwrap().into_parts();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
        Answer {
            status: parts.status,
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    /// How often this problem was counted for our connection.
    fn counted(&self, problem: &str) -> usize {
        let line = format!(
            "interlock_ingress_problems_total{{problem=\"{problem}\",connection=\"{}\"}} ",
            self.connection
        );
        let metrics = telemetry().metrics.render();
        metrics.lines().find_map(|text| text.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }

    fn published(&self) -> usize {
        self.broker.published().len()
    }
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The body of a protection rule's request, for deployment `id`.
fn asked(id: u64) -> String {
    json!({
        "action": "requested",
        "environment": "live",
        "deployment_callback_url":
            "https://api.github.com/repos/harbour/tide-tables/actions/runs/77/deployment_protection_rule",
        "deployment": {
            "id": id, "sha": "b7e14c0d95f2a8361c07de4499ab31f05c2d8e77", "environment": "live",
            "created_at": "2026-02-03T04:05:06Z",
        },
        "repository": { "id": 880_417, "full_name": "harbour/tide-tables" },
        "installation": { "id": 6_120_440 },
    })
    .to_string()
}
