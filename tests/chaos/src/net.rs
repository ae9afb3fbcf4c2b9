//! The net between everybody: webhooks that come twice and are sent until somebody takes them; answers that get lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method};
use interlock_simulators::github::GitHub;
use interlock_simulators::outbox::Outgoing;
use interlock_simulators::serve::RESET_HEADER;
use interlock_simulators::servicenow::ServiceNow;

use crate::dice::Dice;
use crate::dose::Dose;

/// So many webhooks of a hundred come twice.
pub const TWICE_PERCENT: u64 = 20;
/// So many writes of a hundred are done, but their answer is lost.
pub const LOST_PERCENT: u64 = 5;
/// As long as GitHub waits for an answer (its docs: "Best practices for using webhooks").
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const SEND_AGAIN_AFTER: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// What came in.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Webhooks, each copy and each try counted.
    pub attempted: u64,
    /// Those answered with 2xx.
    pub accepted: u64,
    /// Of them those that said nothing new: repeats, and what nobody acts on.
    pub ignored: u64,
    /// When the request of a gate was first accepted, by GitHub's deployment id.
    pub gates: BTreeMap<u64, DateTime<Utc>>,
    /// On their way.
    pub pending: u64,
}

/// Carries webhooks.
pub struct Courier {
    /// The doors: each webhook goes to one of them.
    pub doors: Vec<String>,
    /// Chance.
    pub dice: Dice,
    /// What was done to them.
    pub dose: Arc<Dose>,
    /// What came of them.
    pub received: Mutex<Received>,
    /// Sends.
    pub client: reqwest::Client,
}

impl Courier {
    /// A courier to these doors.
    pub fn new(doors: Vec<String>, seed: u64, dose: Arc<Dose>) -> anyhow::Result<Arc<Self>> {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        let dice = Dice::of(seed, "courier");
        Ok(Arc::new(Self { doors, dice, dose, received: Mutex::default(), client }))
    }

    /// What came in so far.
    pub fn received(&self) -> Received {
        self.lock().clone()
    }

    /// Carries, and lets the simulators' late effects happen, for as long as the future lives.
    pub async fn carry(self: Arc<Self>, github: GitHub, service_now: ServiceNow) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let now = Utc::now();
            service_now.settle_due(now);
            github.settle_due(now);
            for outgoing in
                github.outbox().take_due(now).into_iter().chain(service_now.outbox().take_due(now))
            {
                self.dispatch(outgoing);
            }
        }
    }

    fn dispatch(self: &Arc<Self>, outgoing: Outgoing) {
        Dose::count(&self.dose.webhooks);
        let twice = self.dice.percent(TWICE_PERCENT);
        if twice {
            Dose::count(&self.dose.duplicates);
        }
        for _ in 0..=u8::from(twice) {
            self.lock().pending += 1;
            tokio::spawn(self.clone().send_until_taken(outgoing.clone()));
        }
    }

    async fn send_until_taken(self: Arc<Self>, outgoing: Outgoing) {
        while !self.is_taken(&outgoing).await {
            tokio::time::sleep(SEND_AGAIN_AFTER).await;
        }
        self.lock().pending -= 1;
    }

    async fn is_taken(&self, outgoing: &Outgoing) -> bool {
        let door = &self.doors[self.dice.below(self.doors.len() as u64) as usize];
        let mut request = self.client.post(format!("{door}{}", outgoing.url)).body(outgoing.body.clone());
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        self.lock().attempted += 1;
        let Ok(answer) = request.send().await else { return false };
        if !answer.status().is_success() {
            return false;
        }
        let said = answer.text().await.unwrap_or_default();
        let mut received = self.lock();
        received.accepted += 1;
        received.ignored += u64::from(said.contains("\"events\":0"));
        if let Some(gate) = gate_of(outgoing) {
            received.gates.entry(gate).or_insert_with(Utc::now);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The deployment whose gate a webhook asks about.
fn gate_of(outgoing: &Outgoing) -> Option<u64> {
    let asks = outgoing.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("x-github-event") && value == "deployment_protection_rule"
    });
    let body: serde_json::Value = asks.then(|| serde_json::from_slice(&outgoing.body).ok())??;
    body["deployment"]["id"].as_u64()
}

/// Whose answers get lost.
#[derive(Clone)]
pub struct Losses {
    /// Chance.
    pub dice: Arc<Dice>,
    /// What was lost.
    pub dose: Arc<Dose>,
    /// As long as this is set.
    pub raging: Arc<AtomicBool>,
}

/// Does what it is asked for; but a writer may never hear of it.
pub async fn lose_answers(State(losses): State<Losses>, request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = next.run(request).await;
    if writes && losses.raging.load(Ordering::Relaxed) {
        Dose::count(&losses.dose.writes);
        if losses.dice.percent(LOST_PERCENT) {
            Dose::count(&losses.dose.lost_answers);
            response.headers_mut().insert(RESET_HEADER, HeaderValue::from_static("1"));
        }
    }
    response
}
