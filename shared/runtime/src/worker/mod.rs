//! The worker loop: takes deliveries, calls the reaction of their type, carries out the outcome.
//!
//! Only here is anything published or acked for a worker. A reaction gets a delivery and returns an
//! outcome; what follows is confirmed before the delivery is acked.

mod arrivals;
mod audit;
mod desk;
mod room;
mod rounds;
mod session;
mod settlement;
mod subscriber;
mod timer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use desk::chain_key;
pub use subscriber::{Delivery, Handled, Subscriber};
pub use timer::{Found, Task};

use crate::health::Health;
use crate::ports::broker::Broker;
use crate::ports::clock::Clock;
use crate::ports::http::Http;
use crate::ports::store::Store;
use crate::signals::Shutdown;
use arrivals::Arrivals;
use desk::Desk;
use subscriber::{Reaction, Typed};
use timer::Timer;

/// The ports and limits that a role runs with.
#[derive(Clone)]
pub struct Context {
    /// What happened and what is to do.
    pub broker: Arc<dyn Broker>,
    /// What can be rebuilt.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// The outside.
    pub http: Arc<dyn Http>,
    /// Where a role says how it is.
    pub health: Health,
    /// Deliveries of the intake that are handled at once.
    pub concurrency: u16,
    /// How long a role goes on with what it has in hand when told to stop.
    pub drain: Duration,
}

/// A worker: a name, its reactions, its timers.
pub struct Worker {
    name: &'static str,
    reactions: BTreeMap<&'static str, Arc<dyn Reaction>>,
    timers: Vec<Timer>,
    at_most: u16,
}

impl Worker {
    /// A worker that consumes the queues of `name` in the broker's topology.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, reactions: BTreeMap::new(), timers: Vec::new(), at_most: u16::MAX }
    }

    /// Adds the reaction to one event type.
    #[must_use]
    pub fn subscribe<S: Subscriber>(mut self, subscriber: S) -> Self {
        use interlock_events::EventData;
        self.reactions.insert(S::Data::TYPE, Arc::new(Typed(subscriber)));
        self
    }

    /// Adds something to do every `interval`, by one process at a time: a lease in the Store sees to it.
    #[must_use]
    pub fn every(mut self, interval: Duration, name: &'static str, task: impl Task) -> Self {
        self.timers.push(Timer::new(self.name, interval, name, task));
        self
    }

    /// Handles no more than so many deliveries of its intake at once, whatever the role may.
    #[must_use]
    pub fn at_most(mut self, at_once: u16) -> Self {
        self.at_most = at_once;
        self
    }

    /// Runs until `shutdown`, then finishes what is in hand.
    pub async fn run(self, context: Context, shutdown: Shutdown) {
        let context = Context { concurrency: context.concurrency.min(self.at_most), ..context };
        let types: Vec<&'static str> = self.reactions.keys().copied().collect();
        let arrivals = Arc::<Arrivals>::default();
        let timers: Vec<_> =
            self.timers.into_iter().map(|timer| timer.start(context.clone(), shutdown.clone())).collect();
        let audit = audit::start(self.name, types, arrivals.clone(), context.clone(), shutdown.clone());
        let desk = Desk::new(self.name, self.reactions, arrivals, context.clone());
        let mut failures = 0_u32;
        while !shutdown.has_begun() {
            match session::session(&desk, &shutdown).await {
                Ok(()) => failures = 0,
                Err(fault) => {
                    failures = failures.saturating_add(1);
                    context.health.set(self.name, Err(fault.to_string()));
                    tracing::warn!(worker = self.name, %fault, "lost the broker; connecting again");
                    let pause = Duration::from_millis(250 << failures.min(6));
                    let _ = tokio::time::timeout(context.clock.jittered(pause), shutdown.begun()).await;
                }
            }
        }
        for task in timers.into_iter().chain([audit]) {
            task.abort();
        }
    }
}
