//! The adapter on the wire of the simulated GitHub.

mod answers;
mod artifacts;
mod auth;
mod readings;
mod siblings;
mod webhooks;

use std::io::Write;
use std::sync::OnceLock;

use axum::body::Body;
use chrono::{DateTime, Utc};
use interlock_events::{CorrelationId, DeploymentRequested, data_of};
use interlock_rules::{
    Approval, ChangeRow, ChangeState, ChangeType, ConflictCheck, Policies, Reading, ReleaseInputs, RunPhase,
    Verdict, may_release,
};
use interlock_runtime::config::Config;
use interlock_runtime::ports::http::HttpError;
use interlock_simulators::clock::SimClock;
use interlock_simulators::github as sim;
use tempfile::NamedTempFile;
use tower::ServiceExt;

use super::*;

const SECRET: &str = "example-github-secret";

/// One pair for all tests: making one takes a while.
fn key() -> &'static sim::AppKey {
    static KEY: OnceLock<sim::AppKey> = OnceLock::new();
    KEY.get_or_init(|| sim::AppKey::generate().unwrap())
}

fn start_of_day() -> DateTime<Utc> {
    "2026-02-03T04:05:06Z".parse().unwrap()
}

/// Our clock, which is the simulator's; the monotonic one is tokio's.
struct LabClock(SimClock);

impl Clock for LabClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn random(&self) -> u64 {
        4
    }
}

/// The simulator, called in process.
struct InProcess(axum::Router);

#[async_trait]
impl Http for InProcess {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Instant,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let unknown = |reason: &str| HttpError::Unknown { host: "sim".into(), reason: reason.into() };
        let call = self.0.clone().oneshot(request.map(Body::from));
        let answered = tokio::time::timeout_at(deadline, call).await.map_err(|_| unknown("time-out"))?;
        let (parts, body) = answered.unwrap().into_parts();
        if parts.headers.contains_key(interlock_simulators::serve::RESET_HEADER) {
            return Err(unknown("the connection was cut"));
        }
        Ok(http::Response::from_parts(parts, axum::body::to_bytes(body, 10_000_000).await.unwrap()))
    }
}

/// A simulated GitHub whose clock stands still, and our adapter for it.
struct Lab {
    github: sim::GitHub,
    adapter: GitHub,
    _files: [NamedTempFile; 2],
}

fn file_of(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

impl Lab {
    fn new() -> Self {
        Self::with_key(&key().private_pem)
    }

    fn with_key(private_pem: &str) -> Self {
        let clock = SimClock::from_fn(start_of_day);
        clock.freeze(Some(start_of_day()));
        let webhook = sim::WebhookTarget { url: "http://127.0.0.1:9/".into(), secret: Some(SECRET.into()) };
        let options = sim::Options {
            clock: clock.clone(),
            webhook: Some(webhook),
            ..sim::Options::new(&key().public_pem)
        };
        let github = sim::GitHub::new(options);
        let files = [file_of(private_pem), file_of(SECRET)];
        let yaml = format!(
            "connections:\n  github:\n    kind: github\n    app_id: 771203\n    private_key: ${{file:{}}}\n    webhook_secrets: [\"${{file:{}}}\"]\n",
            files[0].path().display(),
            files[1].path().display(),
        );
        let config = Config::parse("test", &yaml, std::iter::empty()).unwrap();
        let connection = config.connections().next().unwrap();
        let http = Arc::new(InProcess(github.router()));
        let adapter = GitHub::new(connection, http, Arc::new(LabClock(clock)), None).unwrap();
        Self { github, adapter, _files: files }
    }

    /// A gated deployment, as our own translation of its webhooks tells of it.
    fn start(&self) -> Held {
        self.github.start_deployment(&sim::StartDeployment::new("harbour/tide-tables", "live")).unwrap();
        self.asked().remove(0)
    }

    /// The gates that webhooks asked for since the last look.
    fn asked(&self) -> Vec<Held> {
        let sent = self.github.outbox().take_due(self.github.clock().now());
        let events =
            sent.iter().flat_map(|sent| self.receive(&sent.headers, sent.body.clone()).unwrap().events);
        let asked = events.filter_map(|event| data_of::<DeploymentRequested>(&event).ok());
        asked.filter_map(|asked| Some(Held { gate: asked.gate?, deployment: asked.deployment })).collect()
    }

    fn receive(&self, headers: &[(String, String)], body: Bytes) -> anyhow::Result<Parsed> {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
        }
        let webhook = Webhook { headers: map, body, received_at: self.github.clock().now() };
        Ok(self.adapter.parse(&self.adapter.verify(webhook)?)?)
    }

    async fn read(&self, held: &Held) -> RunReading {
        self.adapter.read(&held.gate, &held.deployment).await.unwrap()
    }

    async fn release(&self, held: &Held) -> Result<(), PlatformError> {
        let permit = permit(&held.deployment, self.github.clock().now());
        self.adapter.release(&held.gate, permit, "CHG0031021 approved", soon()).await
    }

    async fn reject(&self, held: &Held) -> Result<(), PlatformError> {
        self.adapter.reject(&held.gate, "CHG0031021 was rejected", soon()).await
    }

    fn fault(&self, path: &str, kind: sim::FaultKind) {
        assert!(self.github.fault(sim::Fault::on(path, kind).times(1)));
    }

    /// How often a path was called.
    fn calls(&self, part: &str) -> usize {
        let all = self.github.requests().find(&interlock_simulators::request_log::RequestFilter::default());
        all.iter().filter(|request| request.path.contains(part)).count()
    }

    fn effects(&self, what: &str) -> usize {
        self.github.journal().iter().filter(|entry| entry.what == what).count()
    }

    fn id(held: &Held) -> u64 {
        held.deployment.key.occurrence.parse().unwrap()
    }

    fn run_id(held: &Held) -> u64 {
        held.gate.ids["run_id"].parse().unwrap()
    }

    fn advance(&self, seconds: u64) {
        self.github.clock().advance(Duration::from_secs(seconds));
        self.github.settle_due(self.github.clock().now());
    }
}

/// A deployment and its gate.
#[derive(Clone)]
struct Held {
    gate: GateHandle,
    deployment: Deployment,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

const RULE: &str = "/deployment_protection_rule";

/// A permit of a change that was read at `read_at`: the rules alone make one.
fn permit(deployment: &Deployment, read_at: DateTime<Utc>) -> Permit {
    let correlation = CorrelationId::new(&deployment.key, &deployment.sha, &deployment.project.name);
    let row = ChangeRow {
        sys_id: "5".repeat(32),
        number: "CHG0031021".into(),
        correlation_id: correlation.to_string(),
        correlation_display: "Interlock".into(),
        change_type: Some(ChangeType::Normal),
        template: None,
        parent: None,
        cmdb_ci: None,
        conflict: ConflictCheck::default(),
        state: Some(ChangeState::Scheduled),
        approval: Approval::Approved,
        on_hold: false,
        start: None,
        end: None,
        created: read_at,
        updated: read_at,
        mod_count: "3".into(),
        close_notes: String::new(),
        approvers: Vec::new(),
    };
    let run = RunReading {
        at: read_at,
        dated: true,
        attempt: Some(1),
        sha: deployment.sha.clone(),
        phase: RunPhase::Waiting,
        superseded: false,
        answer: None,
        mark: None,
        people: Vec::new(),
    };
    let verdict = may_release(ReleaseInputs {
        whose: &deployment.key.hash(),
        correlation_id: correlation.as_str(),
        sha: &deployment.sha,
        attempt: None,
        reading: Ok(&Reading { rows: vec![row], at: read_at, skew_seconds: Some(0) }),
        run: Some(&run),
        highest: None,
        terms: &Policies::new(Vec::new(), "snow".into()).of(deployment),
        template: None,
        parties: None,
        checked: None,
        freezes: &[],
        now: read_at,
    });
    match verdict {
        Verdict::Release(permit) => permit,
        other => panic!("no permit: {other:?}"),
    }
}
