//! The only one that answers a gate. It writes nothing in ServiceNow.
#![doc = include_str!("../README.md")]

mod answer;
mod conflict;
mod gate;
mod hint;
mod lease;
mod look;
mod observe;
mod poll;
mod projection;
mod read;
mod released;
mod report;
mod rest;
mod rollback;
mod separation;
mod subscribers;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interlock_events::{DeploymentFinished, DeploymentStarted};
use interlock_platforms::Platform;
use interlock_rules::Policies;
use interlock_runtime::worker::{Context, Worker};
use interlock_servicenow::ServiceNow;

use subscribers::{FollowChange, FollowDeployment, FollowRecord, FollowRun, KeepGate};

/// The name of its queues.
pub const NAME: &str = "approval-worker";

/// What it decides with.
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
    /// How long an effect that we know nothing of may take to show.
    pub settle: Duration,
    /// How often is asked what has changed.
    pub poll: Duration,
    /// How often is looked for what no webhook told.
    pub sweep: Duration,
}

/// The worker: one reaction keeps each gate, the others look at it at once.
#[must_use]
pub fn worker(desk: Desk) -> Worker {
    let (poll, sweep) = (desk.poll, desk.sweep);
    let desk = Arc::new(desk);
    Worker::new(NAME)
        .subscribe(KeepGate { desk: desk.clone() })
        .subscribe(FollowRecord { desk: desk.clone() })
        .subscribe(FollowRun { desk: desk.clone() })
        .subscribe(FollowChange { desk: desk.clone() })
        .subscribe(FollowDeployment::<DeploymentStarted>::new(desk.clone()))
        .subscribe(FollowDeployment::<DeploymentFinished>::new(desk.clone()))
        .every(poll, "poll-pending-changes", poll::PollPendingChanges::new(desk.clone()))
        .every(sweep, "sweep-lost", sweep::SweepLost::new(desk))
}
