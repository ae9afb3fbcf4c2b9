//! Carries the simulators' webhooks to the door, which is ingress itself: at once, or as badly as the
//! script says. What is not answered with 2xx is sent again, as a person would redeliver it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use chrono::{DateTime, Utc};
use http::Request;
use ingress::Ingress;
use interlock_runtime::ports::clock::Clock;
use interlock_simulators::github::GitHub;
use interlock_simulators::outbox::Outgoing;
use interlock_simulators::servicenow::ServiceNow;
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt as _;

use crate::dice::Dice;
use crate::http::Net;
use crate::script::Post;

/// How often the door looks whether the broker is there.
const LOOK: Duration = Duration::from_secs(2);
/// How often what was refused is sent again, and how many times.
const AGAIN: (Duration, u32) = (Duration::from_secs(2), 200);

/// What came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Webhooks that were sent to us, each copy and each try counted.
    pub attempted: u64,
    /// Those answered with 2xx.
    pub accepted: u64,
    /// When the request of a gate was first accepted, by GitHub's deployment id.
    pub gates: BTreeMap<u64, DateTime<Utc>>,
    /// Webhooks that are refused and come again.
    pub pending: u64,
}

/// Where webhooks come in.
pub struct Door {
    ingress: Ingress,
    router: Router,
    clock: Arc<dyn Clock>,
    received: Mutex<Received>,
}

impl Door {
    /// The door that ingress keeps.
    #[must_use]
    pub fn new(ingress: Ingress, clock: Arc<dyn Clock>) -> Self {
        let router = ingress.router();
        Self { ingress, router, clock, received: Mutex::default() }
    }

    /// What came in so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.lock().clone()
    }

    /// Nothing was refused that comes again.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.lock().pending == 0
    }

    /// Looks whether it is ready, for as long as the future lives.
    pub async fn keep_looking(&self) {
        loop {
            self.ingress.look().await;
            sleep(LOOK).await;
        }
    }

    async fn receive(&self, outgoing: &Outgoing) {
        self.lock().pending += 1;
        for _ in 0..AGAIN.1 {
            if self.is_taken(outgoing).await {
                break;
            }
            sleep(AGAIN.0).await;
        }
        self.lock().pending -= 1;
    }

    async fn is_taken(&self, outgoing: &Outgoing) -> bool {
        let Some(request) = request(outgoing) else { return true };
        let Ok(response) = self.router.clone().oneshot(request).await;
        let mut received = self.lock();
        received.attempted += 1;
        if !response.status().is_success() {
            return false;
        }
        received.accepted += 1;
        if let Some(gate) = gate_of(outgoing) {
            received.gates.entry(gate).or_insert(self.clock.now());
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(outgoing: &Outgoing) -> Option<Request<Body>> {
    let request = Request::post(&outgoing.url).header("content-length", outgoing.body.len());
    let with = outgoing.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    with.body(Body::from(outgoing.body.clone())).ok()
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
