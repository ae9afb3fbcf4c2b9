//! A simulated instance in this process, in tokio's paused time.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_servicenow::Settings;
use interlock_simulators::clock::SimClock;
use interlock_simulators::servicenow::{Options, ServiceNow as Simulator};
use tokio::time::Instant;
use tower::ServiceExt as _;

/// Follows tokio's paused time.
pub struct Paused(Instant);

impl Paused {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Paused {
    fn now(&self) -> DateTime<Utc> {
        let began: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        began + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn random(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap().wrapping_mul(6_364_136_223_846_793_005)
    }
}

pub struct InProcess(pub Router);

#[async_trait]
impl Http for InProcess {
    async fn send(&self, request: Request<Bytes>, _: Instant) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.clone().oneshot(request.map(Body::from)).await.unwrap();
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, body.collect().await.unwrap().to_bytes()))
    }
}

/// An instance by this clock.
pub fn simulator(clock: &Arc<dyn Clock>) -> Simulator {
    let clock = clock.clone();
    Simulator::new(Options { clock: SimClock::from_fn(move || clock.now()), ..Options::default() })
}

/// A connection to it, whose secret lies in the folder.
pub fn unlocked(folder: &Path) -> Settings {
    let secret = folder.join("secret");
    std::fs::write(&secret, "interlock").unwrap();
    let password = format!("${{file:{}}}", secret.display());
    serde_json::from_value(serde_json::json!({
        "base_url": "https://acme.example.com",
        "auth": { "basic": { "username": "interlock", "password": password } },
    }))
    .unwrap()
}
