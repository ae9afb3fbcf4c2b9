//! Facts about gates: where a pipeline waits, and how the waiting ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChangeRef, DeploymentKey, EventData};

/// How a waiting pipeline is answered. Only its platform reads the ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateHandle {
    /// Kind of the platform (`github`).
    pub platform: String,
    /// Name of the connection.
    pub connection: String,
    /// The platform's ids, by the platform's own names.
    pub ids: BTreeMap<String, String>,
    /// Secrets that came with the request, sealed by ingress before anything is published;
    /// only approval-worker opens them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// Implements `EventData` for a fact that a deployment has at most once.
macro_rules! once_per_deployment {
    ($fact:ident, $ty:literal) => {
        impl EventData for $fact {
            const TYPE: &'static str = $ty;
            fn subject(&self) -> String {
                self.key.hash().to_string()
            }
            fn discriminator(&self) -> String {
                String::new()
            }
            fn partition(&self) -> Option<String> {
                Some(format!("{}:{}", self.key.connection, self.key.project))
            }
        }
    };
}

/// The platform lets the pipeline go on, and shows our answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateReleased {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change that permitted it.
    pub change: ChangeRef,
    /// When the answer was given.
    pub at: DateTime<Utc>,
    /// The platform does not say who answered; the record permitted at the last read before.
    #[serde(default)]
    pub unproven: bool,
}
once_per_deployment!(GateReleased, "io.interlock.gate.released.v1");

/// The platform lets the pipeline go on, and no record permitted that: the policy only observes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateObserved {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there was one by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// The policy that observes.
    pub policy: String,
    /// What would have been said of the record.
    pub instead_of: String,
    /// When the answer was given.
    pub at: DateTime<Utc>,
}
once_per_deployment!(GateObserved, "io.interlock.gate.observed.v1");

/// The pipeline was told to stop, and shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRejected {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// Why, for people.
    pub reason: String,
    /// When the answer was given.
    pub at: DateTime<Utc>,
}
once_per_deployment!(GateRejected, "io.interlock.gate.rejected.v1");

/// The gate is gone without an answer of ours: canceled, superseded, or the run is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateLost {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// What was seen at the platform.
    pub reason: String,
    /// When it was seen.
    pub at: DateTime<Utc>,
}
once_per_deployment!(GateLost, "io.interlock.gate.lost.v1");

/// The platform let the pipeline go on without our permit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateBypassed {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// Who did it, where the platform says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was seen.
    pub at: DateTime<Utc>,
}
once_per_deployment!(GateBypassed, "io.interlock.gate.bypassed.v1");
