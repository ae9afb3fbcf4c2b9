//! HTTP in: verify, translate, keep safe, answer. The only door for webhooks.
#![doc = include_str!("../README.md")]

mod body;
mod drain;
mod keep;
mod listener;
mod problem;
mod readiness;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::routing::post;
use interlock_runtime::admin::health_routes;
use interlock_runtime::doors::Doors;
use interlock_runtime::health::Health;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::spool::Spool;
use interlock_runtime::ports::store::Store;
use interlock_runtime::webhook::WebhookSource;
use tokio::sync::{Notify, Semaphore, watch};

use problem::Problem;

/// The role's name, in health and logs.
pub const NAME: &str = "ingress";

/// All bodies in hand together, in KiB: many large ones at once must not fill the memory.
const BODIES_KIB_MAX: usize = 256 * 1024;

/// What ingress works with.
pub struct Parts {
    /// Who may send, by the name in `/webhooks/{connection}`.
    pub sources: BTreeMap<String, Arc<dyn WebhookSource>>,
    /// Where events go.
    pub broker: Arc<dyn Broker>,
    /// Where they wait while the broker does not take them.
    pub spool: Option<Arc<dyn Spool>>,
    /// Where hints of repeats are.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What is too much.
    pub limits: Limits,
    /// Where it says whether it is ready.
    pub health: Health,
}

/// What is too much.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body, in bytes; a source may take less.
    pub body_bytes: usize,
    /// Requests in hand at once.
    pub in_flight: usize,
}

/// The door. Clones share one state.
#[derive(Clone)]
pub struct Ingress {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    /// Webhooks are taken in.
    ready: AtomicBool,
    /// The broker took our last look at it well.
    broker_up: watch::Sender<bool>,
    /// Which events a full queue keeps out.
    doors: Doors,
    /// Wakes the drain of the spool.
    spooled: Notify,
    /// Wakes the look at the broker before its time.
    doubt: Notify,
    in_flight: Semaphore,
    bodies: Semaphore,
}

impl Ingress {
    /// A door that is not ready until the first [`Ingress::look`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        parts.health.expect(NAME);
        let inner = Inner {
            ready: AtomicBool::new(false),
            broker_up: watch::Sender::new(false),
            doors: Doors::default(),
            spooled: Notify::new(),
            doubt: Notify::new(),
            in_flight: Semaphore::new(parts.limits.in_flight),
            bodies: Semaphore::new(BODIES_KIB_MAX),
            parts,
        };
        Self { inner: Arc::new(inner) }
    }

    /// All routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/webhooks/{connection}", post(webhook::take_in))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
            .with_state(self.clone())
            .merge(health_routes(self.inner.parts.health.clone()))
    }
}

#[cfg(test)]
mod tests;
