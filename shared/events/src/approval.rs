//! Facts about approvals, as approval-worker read them in the record.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::fact_of_a_change;
use crate::{ChangeRef, DeploymentKey, EventData};

/// The record permits the deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalGranted {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// Who approved, as the approver rows say.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// When the last of them did, by the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}
fact_of_a_change!(ApprovalGranted, "io.interlock.approval.granted.v1", |fact| fact.change.sys_id.clone());

/// The record refuses the deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRejected {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// Why, for people: who rejected, or what state the record is in.
    pub reason: String,
}
fact_of_a_change!(ApprovalRejected, "io.interlock.approval.rejected.v1", |fact| fact.change.sys_id.clone());

/// Nobody approved in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalExpired {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// The deadline that passed.
    pub deadline: DateTime<Utc>,
    /// What was last known of the record.
    pub reason: String,
}
fact_of_a_change!(ApprovalExpired, "io.interlock.approval.expired.v1", |_fact| String::new());

/// The record permitted the release and does not any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalWithdrawn {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// What the record or the platform shows now.
    pub reason: String,
    /// The run was canceled for it.
    #[serde(default)]
    pub run_canceled: bool,
}
fact_of_a_change!(ApprovalWithdrawn, "io.interlock.approval.withdrawn.v1", |fact| fact.change.sys_id.clone());
