//! The only writer of changes in ServiceNow.
#![doc = include_str!("../README.md")]

mod audit;
mod cmdb;
mod conflict;
mod create;
mod evidence;
mod extras;
mod follow;
mod following;
mod memory;
mod rest;
mod rollback;
mod sharing;
mod subscribers;
mod sweep;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interlock_events::{Event, EventData, GateLost, GateRejected, event};
use interlock_platforms::Platform;
use interlock_rules::Policies;
use interlock_runtime::worker::{Context, Worker};
use interlock_servicenow::ServiceNow;

pub use evidence::evidence;
use subscribers::{
    AbandonChange, CloseChange, FollowDeployment, FollowRun, ImplementChange, NoteObservation, NoteWithdrawal,
};
use sweep::FindStrays;

/// The name of its queues.
pub const NAME: &str = "change-worker";

/// What it works with.
#[derive(Clone)]
pub struct Desk {
    /// Ports.
    pub context: Context,
    /// ServiceNow instances by connection.
    pub service_now: BTreeMap<String, Arc<ServiceNow>>,
    /// Platforms by connection.
    pub platforms: BTreeMap<String, Arc<dyn Platform>>,
    /// Policies.
    pub policies: Policies,
    /// How long a create that we know nothing of may take to show.
    pub settle: Duration,
}

/// The worker: one reaction follows each deployment, the others take its change on by a fact.
#[must_use]
pub fn worker(desk: Desk) -> Worker {
    let desk = Arc::new(desk);
    Worker::new(NAME)
        .subscribe(FollowDeployment { desk: desk.clone() })
        .subscribe(ImplementChange { desk: desk.clone() })
        .subscribe(CloseChange { desk: desk.clone() })
        .subscribe(FollowRun { desk: desk.clone() })
        .subscribe(AbandonChange::<GateRejected>::new(desk.clone()))
        .subscribe(AbandonChange::<GateLost>::new(desk.clone()))
        .subscribe(NoteObservation { desk: desk.clone() })
        .subscribe(NoteWithdrawal { desk: desk.clone() })
        .every(sweep::INTERVAL, "sweep of open changes", FindStrays { desk })
}

impl Desk {
    pub(crate) fn fact<T: EventData>(&self, fact: &T) -> Event {
        event("/tenants/default/change-worker", self.context.clock.now(), fact)
    }
}
