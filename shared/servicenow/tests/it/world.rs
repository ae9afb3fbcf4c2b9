//! A client before a simulated instance, in process, or before answers that a test wrote down.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use http_body_util::BodyExt;
use interlock_events::{CorrelationId, DeploymentKey};
use interlock_rules::ChangeRow;
use interlock_runtime::ports::clock::{Clock, SystemClock};
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_servicenow::{NewChange, NewKind, ServiceNow, Settings};
use interlock_simulators::clock::SimClock;
use interlock_simulators::servicenow::{Knobs, Options, ServiceNow as Simulator};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::time::Instant;
use tower::ServiceExt;

pub use crate::store::FakeStore;

pub const BASE: &str = "https://acme.example.com";

/// The client and what it stands before.
pub struct World {
    pub client: ServiceNow,
    pub sim: Simulator,
    pub store: Arc<FakeStore>,
    clock: Arc<dyn Clock>,
    settings: Value,
    secret: NamedTempFile,
}

/// Follows tokio's paused time, from some minutes past an hour.
struct Paused {
    began: Instant,
}

impl Clock for Paused {
    fn now(&self) -> DateTime<Utc> {
        let at: DateTime<Utc> = "2026-03-01T10:07:00Z".parse().unwrap();
        at + TimeDelta::from_std(self.began.elapsed()).unwrap()
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

impl World {
    /// Client and instance follow paused time, and not the machine's clock.
    pub fn in_paused_time(change: impl FnOnce(&mut Knobs)) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Paused { began: Instant::now() });
        let of_instance = clock.clone();
        let options = Options { clock: SimClock::from_fn(move || of_instance.now()), ..Options::default() };
        let (secret, settings) = by_password("interlock");
        Self::with_clock(change, secret, &settings, options, clock)
    }

    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Knobs)) -> Self {
        let (secret, settings) = by_password("interlock");
        Self::build(change, secret, &settings)
    }

    pub fn with_oauth(client_secret: &str) -> Self {
        let secret = secret(client_secret);
        let auth =
            json!({ "oauth": { "client_id": "interlock-client", "client_secret": reference(&secret) } });
        Self::build(|_| {}, secret, &json!({ "base_url": BASE, "auth": auth }))
    }

    pub fn with_password(password: &str) -> Self {
        let (secret, settings) = by_password(password);
        Self::build(|_| {}, secret, &settings)
    }

    /// A client that chooses the `sys_id` of what it creates.
    pub fn choosing(change: impl FnOnce(&mut Knobs)) -> Self {
        let secret = secret("interlock");
        let auth = json!({ "basic": { "username": "interlock", "password": reference(&secret) } });
        Self::build(change, secret, &json!({ "base_url": BASE, "auth": auth, "create": "chosen_id" }))
    }

    fn build(change: impl FnOnce(&mut Knobs), secret: NamedTempFile, settings: &Value) -> Self {
        Self::with_clock(change, secret, settings, Options::default(), Arc::new(SystemClock))
    }

    fn with_clock(
        change: impl FnOnce(&mut Knobs),
        secret: NamedTempFile,
        settings: &Value,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sim = Simulator::new(options);
        let mut knobs = sim.knobs();
        change(&mut knobs);
        sim.set_knobs(knobs);
        let store = Arc::new(FakeStore::default());
        let http = Arc::new(InProcess(sim.router()));
        let client = ServiceNow::new("acme", settings_of(settings), http, clock.clone(), store.clone());
        Self { client, sim, store, clock, settings: settings.clone(), secret }
    }

    /// The client as another process has it.
    pub fn another_process(&self) -> ServiceNow {
        let http = Arc::new(InProcess(self.sim.router()));
        let settings = settings_of(&self.settings);
        ServiceNow::new("acme", settings, http, self.clock.clone(), self.store.clone())
    }

    /// Puts another secret in its place.
    pub fn rotate(&self, secret: &str) {
        std::fs::write(self.secret.path(), secret).unwrap();
    }

    /// Every call that has reached the instance.
    pub fn calls(&self) -> usize {
        self.sim.requests().count("GET", "/") + self.sim.requests().count("POST", "/")
    }

    /// A change of [`key`] with the seeded group.
    pub async fn created(&self) -> ChangeRow {
        self.client.create(&new_change()).await.unwrap().row
    }

    /// Requests of a method below a path.
    pub fn asked(&self, method: &str, path: &str) -> usize {
        self.sim.requests().count(method, path)
    }
}

fn by_password(password: &str) -> (NamedTempFile, Value) {
    let secret = secret(password);
    let auth = json!({ "basic": { "username": "interlock", "password": reference(&secret) } });
    (secret, json!({ "base_url": BASE, "auth": auth }))
}

pub fn settings_of(settings: &Value) -> Settings {
    serde_json::from_value(settings.clone()).unwrap()
}

pub fn secret(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub fn reference(file: &NamedTempFile) -> String {
    format!("${{file:{}}}", file.path().display())
}

pub fn key() -> DeploymentKey {
    DeploymentKey {
        tenant: "default".into(),
        connection: "github".into(),
        project: "70012".into(),
        environment: "production".into(),
        occurrence: "2210045".into(),
    }
}

pub fn new_change() -> NewChange {
    NewChange {
        kind: NewKind::Normal,
        sys_id: Some(key().chosen_sys_id()),
        correlation_id: CorrelationId::new(
            &key(),
            "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31",
            "acme/payments-api",
        ),
        short_description: "Deploy acme/payments-api 4f0c2a9be1d7 to production".into(),
        description: "Interlock holds this deployment until this change is approved.".into(),
        assignment_group: Some("Change Management".into()),
        cmdb_ci: None,
        parent: None,
        start: None,
        end: None,
        fields: BTreeMap::new(),
    }
}

/// Calls the simulator's router; a marked answer is a broken connection.
pub struct InProcess(Router);

impl InProcess {
    /// Of this router.
    pub fn of(router: Router) -> Self {
        Self(router)
    }
}

#[async_trait]
impl Http for InProcess {
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, HttpError> {
        let lost =
            |reason: &str| HttpError::Unknown { host: "acme.example.com".into(), reason: reason.into() };
        let answer = self.0.clone().oneshot(request.map(Body::from));
        let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, answer).await else {
            return Err(lost("no answer before the deadline"));
        };
        if answer.headers().contains_key("x-sim-reset") {
            return Err(lost("connection reset"));
        }
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| lost("cut"))?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// Answers in order what the test wrote down, and keeps what was asked.
#[derive(Default)]
pub struct Canned {
    answers: Mutex<VecDeque<Result<Response<Bytes>, HttpError>>>,
    pub asked: Mutex<Vec<Request<Bytes>>>,
}

impl Canned {
    pub fn answer(&self, status: u16, content_type: &str, body: &str) -> &Self {
        let answer = Response::builder().status(status).header("content-type", content_type);
        let answer = answer.body(Bytes::from(body.to_owned())).unwrap();
        self.answers.lock().unwrap().push_back(Ok(answer));
        self
    }

    pub fn json(&self, status: u16, body: &Value) -> &Self {
        self.answer(status, "application/json;charset=UTF-8", &body.to_string())
    }

    /// An answer without a body.
    pub fn headed(&self, status: u16, headers: &[(&str, String)]) -> &Self {
        let answer = headers.iter().fold(Response::builder().status(status), |answer, (name, value)| {
            answer.header(*name, value.as_str())
        });
        self.answers.lock().unwrap().push_back(Ok(answer.body(Bytes::new()).unwrap()));
        self
    }

    pub fn fail(&self, error: HttpError) -> &Self {
        self.answers.lock().unwrap().push_back(Err(error));
        self
    }

    pub fn asked(&self) -> Vec<(String, String)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|asked| (asked.method().to_string(), asked.uri().to_string())).collect()
    }
}

#[async_trait]
impl Http for Canned {
    async fn send(&self, request: Request<Bytes>, _: Instant) -> Result<Response<Bytes>, HttpError> {
        self.asked.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front().expect("no answer was written down")
    }
}

/// A client before canned answers.
pub fn canned() -> (Arc<Canned>, ServiceNow) {
    // Any variable that is set will do: nobody checks this password.
    canned_with(&json!({ "basic": { "username": "u", "password": "${env:CARGO_PKG_NAME}" } }))
}

/// As [`canned`], with these credentials.
pub fn canned_with(auth: &Value) -> (Arc<Canned>, ServiceNow) {
    let http = Arc::new(Canned::default());
    let settings = settings_of(&json!({ "base_url": BASE, "auth": auth }));
    let store = Arc::new(FakeStore::default());
    (http.clone(), ServiceNow::new("acme", settings, http, Arc::new(SystemClock), store))
}

/// A row as the Table API writes it.
pub fn plain_row(sys_id: &str) -> Value {
    json!({
        "sys_id": sys_id, "number": "CHG0030001", "state": "-5", "approval": "not requested",
        "correlation_id": new_change().correlation_id.as_str(), "correlation_display": "Interlock",
        "type": "normal", "on_hold": "false", "start_date": "", "end_date": "", "close_notes": "", "sys_mod_count": "0",
        "sys_created_on": "2026-03-01 10:00:00", "sys_updated_on": "2026-03-01 10:00:00",
    })
}
