//! Facts about evidence. Only change-worker states them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::fact_of_a_change;
use crate::{ChangeRef, DeploymentKey, EventData};

/// A file that the run made is attached to the change, and summarised in its work notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceAttached {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// Name of the attachment; it ends in the file's digest.
    pub name: String,
    /// The run's artifact that the file is from.
    pub artifact: String,
    /// What it was recognised as (`junit`, `sarif`, `trivy`, `cyclonedx`, `other`).
    pub format: String,
    /// Media type.
    pub media_type: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// What it says, in one line.
    pub summary: String,
}
fact_of_a_change!(EvidenceAttached, "io.interlock.evidence.attached.v1", |fact| format!(
    "{} {}",
    fact.change.sys_id, fact.name
));
