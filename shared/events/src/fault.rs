//! Something went to the dead letters, and what a person did about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventData;

/// An event could not be handled and stands in a worker's dead letters, a gate's watch fails again and again, or a
/// connection is refused until somebody acts.
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

/// A person gave a dead letter back, mended it, or dropped it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultResolved {
    /// The worker whose dead letter it was.
    pub worker: String,
    /// The dead letter's id.
    pub letter: String,
    /// Id of its event; empty where it could not be read.
    pub event_id: String,
    /// Its type; empty where it could not be read.
    pub event_type: String,
    /// Its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What became of it.
    pub how: Resolution,
    /// Why it was dead, and the reason that the person gave.
    pub reason: String,
    /// Of a mended one: what was changed, from what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Given back as it was.
    Replayed,
    /// Given back with other data.
    Edited,
    /// Removed for good.
    Dropped,
}

impl EventData for FaultResolved {
    const TYPE: &'static str = "io.interlock.fault.resolved.v1";
    fn subject(&self) -> String {
        self.subject.clone().unwrap_or_else(|| format!("{}:{}", self.worker, self.letter))
    }
    fn discriminator(&self) -> String {
        format!("{} {} {:?}", self.worker, self.letter, self.how)
    }
}
