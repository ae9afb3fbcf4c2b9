//! What is said: event types, ids, keys and the CloudEvents envelope.
//!
//! No I/O, no async, no clock. Everything that another process or another
//! product may read of ours is defined here; `catalogue()` lists it.
#![doc = include_str!("../README.md")]

mod approval;
mod catalogue;
mod change;
mod deployment;
mod envelope;
mod evidence;
mod fault;
mod gate;
mod key;
mod record;

pub use approval::{ApprovalExpired, ApprovalGranted, ApprovalRejected, ApprovalWithdrawn};
pub use catalogue::{Checked, Entry, catalogue, catalogue_markdown, catalogue_schemas};
pub use change::{
    ChangeCanceled, ChangeClosed, ChangeFailed, ChangeOpened, ChangeRef, ChangeUpdated, CmdbUpdated, ItemRef,
    Planned,
};
pub use deployment::{
    Deployment, DeploymentFinished, DeploymentRequested, DeploymentStarted, Outcome, Project, Run,
    RunFinished,
};
pub use envelope::{
    AttributesReader, Event, EventData, NotOurs, data_of, event, event_id, partition_of, traceparent_of,
    with_traceparent,
};
pub use evidence::EvidenceAttached;
pub use fault::{FaultRaised, FaultResolved, Resolution};
pub use gate::{GateBypassed, GateHandle, GateLost, GateObserved, GateRejected, GateReleased};
pub use key::{CORRELATION_DISPLAY, CorrelationId, DeploymentKey, KeyHash, NotAKeyHash};
pub use record::RecordChanged;
