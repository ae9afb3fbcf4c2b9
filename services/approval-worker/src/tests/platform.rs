//! A platform whose gates wait until they are answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::{Deployment, GateHandle, Outcome};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{Answer, Permit, RunPhase, RunReading};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::webhook::{NotAuthentic, Parsed, Unreadable, Verified, Webhook, WebhookSource};
use tokio::time::Instant;

pub struct Gates {
    clock: Arc<dyn Clock>,
    answers: Mutex<BTreeMap<String, (bool, Instant)>>,
    ended: Mutex<BTreeSet<String>>,
}

impl Gates {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, answers: Mutex::default(), ended: Mutex::default() }
    }

    /// Whether it was released, and when, once it was answered.
    pub fn answer(&self, job: usize) -> Option<(bool, Instant)> {
        self.answers.lock().unwrap().get(&job.to_string()).copied()
    }

    /// The job fails before it has begun.
    pub fn give_up(&self, job: usize) {
        self.answers.lock().unwrap().entry(job.to_string()).or_insert((false, Instant::now()));
    }

    /// A person lets the job go on.
    pub fn let_go(&self, job: usize) {
        self.answers.lock().unwrap().entry(job.to_string()).or_insert((true, Instant::now()));
    }

    /// The job, which was let go on, ends well.
    pub fn end(&self, job: usize) {
        self.ended.lock().unwrap().insert(job.to_string());
    }

    fn give(&self, gate: &GateHandle, released: bool) {
        self.answers.lock().unwrap().entry(gate.ids["job"].clone()).or_insert((released, Instant::now()));
    }
}

impl WebhookSource for Gates {
    fn connection(&self) -> &str {
        "ci"
    }
    fn source_uri(&self) -> String {
        "/tenants/default/connections/ci".into()
    }
    fn body_limit(&self) -> usize {
        0
    }
    fn verify(&self, _: Webhook) -> Result<Verified, NotAuthentic> {
        unreachable!("no webhook comes from here")
    }
    fn delivery_id(&self, _: &Verified) -> Option<String> {
        None
    }
    fn parse(&self, _: &Verified) -> Result<Parsed, Unreadable> {
        unreachable!("no webhook comes from here")
    }
}

#[async_trait]
impl Platform for Gates {
    fn gate_limit(&self) -> Duration {
        Duration::from_secs(30 * 24 * 3600)
    }
    async fn read(&self, gate: &GateHandle, deployment: &Deployment) -> Result<RunReading, PlatformError> {
        let answer = self.answers.lock().unwrap().get(&gate.ids["job"]).map(|(released, _)| *released);
        Ok(RunReading {
            at: self.clock.now(),
            dated: true,
            attempt: Some(1),
            sha: deployment.sha.clone(),
            phase: match answer {
                _ if self.ended.lock().unwrap().contains(&gate.ids["job"]) => {
                    RunPhase::Ended(Outcome::Succeeded)
                }
                None => RunPhase::Waiting,
                Some(true) => RunPhase::Started,
                Some(false) => RunPhase::NeverStarted(Outcome::Failed),
            },
            superseded: false,
            answer: answer.map(|released| Answer { released, ours: true, by: "interlock".into() }),
            mark: Some(format!("{answer:?}")),
            people: Vec::new(),
        })
    }
    async fn mark(&self, gate: &GateHandle) -> Result<Option<String>, PlatformError> {
        let answer = self.answers.lock().unwrap().get(&gate.ids["job"]).map(|(released, _)| *released);
        Ok(Some(format!("{answer:?}")))
    }
    async fn release(&self, gate: &GateHandle, _: Permit, _: &str, _: Instant) -> Result<(), PlatformError> {
        self.give(gate, true);
        Ok(())
    }
    async fn reject(&self, gate: &GateHandle, _: &str, _: Instant) -> Result<(), PlatformError> {
        self.give(gate, false);
        Ok(())
    }
    async fn cancel(&self, _: &GateHandle, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
    async fn report(&self, _: &GateHandle, _: &str, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
}
