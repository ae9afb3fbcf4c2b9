//! Carries the simulators' webhooks to the door: at once, or as badly as the script says. And the door:
//! verify, translate, publish with confirm, answer; what is not confirmed waits in a spool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use interlock_events::Event;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::webhook::{Webhook, WebhookSource};
use interlock_simulators::github::GitHub;
use interlock_simulators::outbox::Outgoing;
use interlock_simulators::servicenow::ServiceNow;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;
use crate::http::Net;
use crate::script::Post;

/// How often the spool is tried.
const SPOOL_PAUSE: Duration = Duration::from_secs(1);

/// What came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Webhooks that were sent to us, each copy counted.
    pub attempted: u64,
    /// Those answered with 2xx.
    pub accepted: u64,
    /// When the request of a gate was first accepted, by GitHub's deployment id.
    pub gates: BTreeMap<u64, DateTime<Utc>>,
}

/// Where webhooks come in.
pub struct Door {
    sources: BTreeMap<String, Arc<dyn WebhookSource>>,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    spool: Mutex<Vec<Event>>,
    received: Mutex<Received>,
    /// Answers before it has published, and forgets what it could not: a sabotage.
    pub careless: bool,
}

impl Door {
    /// A door for the webhooks of `sources`.
    #[must_use]
    pub fn new(
        sources: BTreeMap<String, Arc<dyn WebhookSource>>,
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        careless: bool,
    ) -> Self {
        Self { sources, broker, clock, spool: Mutex::default(), received: Mutex::default(), careless }
    }

    /// What came in so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing waits in the spool.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    async fn take(&self, outgoing: &Outgoing) -> u16 {
        let connection = outgoing.url.rsplit('/').next().unwrap_or_default();
        let Some(source) = self.sources.get(connection) else { return 404 };
        let webhook = Webhook {
            headers: headers(outgoing),
            body: outgoing.body.clone(),
            received_at: self.clock.now(),
        };
        let Ok(verified) = source.verify(webhook) else { return 401 };
        let Ok(parsed) = source.parse(&verified) else { return 400 };
        if self.broker.publish(&parsed.events, false).await.is_err() && !self.careless {
            self.spool.lock().unwrap_or_else(PoisonError::into_inner).extend(parsed.events);
        }
        202
    }

    async fn receive(&self, outgoing: &Outgoing) -> u16 {
        let status = self.take(outgoing).await;
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.attempted += 1;
        if status == 202 {
            received.accepted += 1;
            if let Some(gate) = gate_of(outgoing) {
                received.gates.entry(gate).or_insert(self.clock.now());
            }
        }
        status
    }

    /// Publishes what waits in the spool, for as long as the future lives.
    pub async fn empty_spool(&self) {
        loop {
            sleep(SPOOL_PAUSE).await;
            let waiting = self.spool.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if !waiting.is_empty() && self.broker.publish(&waiting, true).await.is_ok() {
                self.spool.lock().unwrap_or_else(PoisonError::into_inner).drain(..waiting.len());
            }
        }
    }
}

fn headers(outgoing: &Outgoing) -> HeaderMap {
    let pairs = outgoing.headers.iter().filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
    });
    pairs.collect()
}

/// The deployment whose gate a webhook asks about.
fn gate_of(outgoing: &Outgoing) -> Option<u64> {
    let asks = outgoing.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("x-github-event") && value == "deployment_protection_rule"
    });
    let body: serde_json::Value = asks.then(|| serde_json::from_slice(&outgoing.body).ok())??;
    body["deployment"]["id"].as_u64()
}

/// Carries webhooks, and lets the simulators' late effects happen when they are due.
pub struct Courier {
    /// One system.
    pub github: GitHub,
    /// The other.
    pub service_now: ServiceNow,
    /// Where they go.
    pub door: Arc<Door>,
    /// Whose bell says that something may have happened.
    pub net: Arc<Net>,
    /// The true time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Dice,
    /// How they travel at the moment.
    pub post: Mutex<Option<(Post, Instant)>>,
}

impl Courier {
    /// Webhooks travel badly for a while.
    pub fn post(&self, post: Post, how_long: Duration) {
        *self.post.lock().unwrap_or_else(PoisonError::into_inner) = Some((post, Instant::now() + how_long));
    }

    /// Carries for as long as the future lives.
    pub async fn carry(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            self.service_now.settle_due(now);
            self.github.settle_due(now);
            for outgoing in
                self.github.outbox().take_due(now).into_iter().chain(self.service_now.outbox().take_due(now))
            {
                self.dispatch(outgoing);
            }
            self.until_something_is_due().await;
        }
    }

    async fn until_something_is_due(&self) {
        let dues = [
            self.github.next_due(),
            self.service_now.next_due(),
            self.github.outbox().next_due(),
            self.service_now.outbox().next_due(),
        ];
        let now = self.clock.now();
        let wait = dues.into_iter().flatten().min().map(|due| (due - now).to_std().unwrap_or_default());
        // Timers have whole milliseconds: at least one, so that a due time is reached.
        let until = Instant::now() + wait.unwrap_or(Duration::from_secs(3600)).max(Duration::from_millis(1));
        tokio::select! {
            biased;
            () = self.net.bell.notified() => {}
            () = sleep_until(until) => {}
        }
    }

    fn dispatch(self: &Arc<Self>, outgoing: Outgoing) {
        let post = *self.post.lock().unwrap_or_else(PoisonError::into_inner);
        let post = post.filter(|(_, until)| Instant::now() < *until).map(|(post, _)| post);
        let copies = match post {
            Some(Post::Dropped) if self.dice.percent(50) => 0,
            Some(Post::Duplicated) => self.dice.between(2, 3),
            _ => 1,
        };
        for _ in 0..copies {
            let slow = if post == Some(Post::Delayed) { 60_000 } else { 400 };
            let delay = Duration::from_millis(self.dice.between(10, slow));
            let (courier, outgoing) = (self.clone(), outgoing.clone());
            tokio::spawn(async move {
                sleep(delay).await;
                courier.door.receive(&outgoing).await;
            });
        }
    }
}
