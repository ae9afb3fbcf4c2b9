//! Something went to the dead letters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventData;

/// An event could not be handled and stands in a worker's dead letters, or a gate's watch fails again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRaised {
    /// The worker.
    pub worker: String,
    /// Id of the event that it could not handle.
    pub event_id: String,
    /// Its type; empty where it could not be read.
    pub event_type: String,
    /// Its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What failed, where, and how to cure it.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl EventData for FaultRaised {
    const TYPE: &'static str = "io.interlock.fault.raised.v1";
    fn subject(&self) -> String {
        self.subject.clone().unwrap_or_else(|| format!("{}:{}", self.worker, self.event_id))
    }
    fn discriminator(&self) -> String {
        format!("{} {}", self.worker, self.event_id)
    }
}
