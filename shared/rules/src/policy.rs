//! A policy: which change a deployment gets, and on which terms.

use std::collections::BTreeMap;
use std::time::Duration;

use interlock_events::ChangeRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cmdb::CmdbTerms;
use crate::conflict::ConflictRule;
use crate::evidence::EvidenceTerms;
use crate::rollback::RollbackTerms;
use crate::separation::SeparationTerms;
use crate::when::When;

/// One policy of the configuration. Everything but `name` has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name, in events and notes.
    pub name: String,
    /// What it applies to; empty: everything.
    #[serde(default)]
    pub when: When,
    /// Name of the ServiceNow connection that gets the change; the only one, if absent.
    #[serde(default)]
    pub service_now: Option<String>,
    /// Whether it holds deployments.
    #[serde(default)]
    pub mode: Mode,
    /// Which deployments get a change.
    #[serde(default)]
    pub gate: GateRule,
    /// The change.
    #[serde(default)]
    pub change: ChangeTerms,
    /// How long, and what a rejection means.
    #[serde(default)]
    pub approval: ApprovalTerms,
    /// Whether a planned window is demanded.
    #[serde(default)]
    pub window: WindowRule,
    /// What a conflict with other changes means.
    #[serde(default)]
    pub conflict: ConflictRule,
    /// How the change is closed.
    #[serde(default)]
    pub close: CloseTerms,
    /// What is written into the configuration item once a deployment went well; none: nothing.
    #[serde(default)]
    pub cmdb: Option<CmdbTerms>,
    /// What happens when an approval is withdrawn after the release.
    #[serde(default)]
    pub on_withdrawal: OnWithdrawal,
    /// The change of a deployment that takes back one that failed; none: as any other.
    #[serde(default)]
    pub rollback: Option<RollbackTerms>,
    /// Who may not approve; none: whoever ServiceNow asks.
    #[serde(default)]
    pub separation: Option<SeparationTerms>,
    /// Which files of the run are attached to the change; none: none.
    #[serde(default)]
    pub evidence: Option<EvidenceTerms>,
}

/// Whether a policy holds deployments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// No gate is released before its record permits it.
    #[default]
    Enforce,
    /// Each gate is released, whatever its record says; that is told each time.
    Observe,
}

/// Which deployments get a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateRule {
    /// Those that wait at a gate.
    #[default]
    Held,
    /// Those too that nothing holds: a record of what was deployed.
    None,
}

/// Type of change (ServiceNow docs, "Change types").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeType {
    /// New, Assess, Authorize, Scheduled, Implement, Review, Closed.
    #[default]
    Normal,
    /// The same without Assess.
    Emergency,
    /// Approved beforehand, by its template: from New to Scheduled.
    Standard,
}

impl ChangeType {
    /// The type of that name; `None` for one that we do not know.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "normal" => Some(Self::Normal),
            "emergency" => Some(Self::Emergency),
            "standard" => Some(Self::Standard),
            _ => None,
        }
    }
}

/// Fields that a standard change takes from its template and from nobody else (ServiceNow docs, "Change
/// Management API": create a standard change).
pub const OWNED_BY_TEMPLATE: [&str; 4] = ["description", "backout_plan", "test_plan", "implementation_plan"];

/// What stands in the change. Texts are templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeTerms {
    /// Type of change.
    #[serde(rename = "type")]
    pub change_type: ChangeType,
    /// Template of a standard change, by name or sys_id. Only such a change has one.
    pub template: Option<String>,
    /// Group that assesses it, by name or sys_id. ServiceNow demands one before Assess.
    pub assignment_group: Option<String>,
    /// Configuration item, by name or sys_id.
    pub cmdb_ci: Option<String>,
    /// One line, at most 160 characters on the instance.
    pub short_description: String,
    /// For people; the deployment's links belong here.
    pub description: String,
    /// Planned start, by RFC 3339: a template that also knows `requested_at` and the filter `plus`.
    pub start: Option<String>,
    /// Planned end, likewise. The gate is rejected once it has passed.
    pub end: Option<String>,
    /// Further fields of the record, by their names; values are templates.
    pub fields: BTreeMap<String, String>,
}

impl Default for ChangeTerms {
    fn default() -> Self {
        Self {
            change_type: ChangeType::Normal,
            template: None,
            assignment_group: None,
            cmdb_ci: None,
            short_description: "Deploy {{ project.name }} {{ sha[:12] }} to {{ environment }}".into(),
            description: "Interlock holds this deployment until this change is approved.\n\n\
                          Project: {{ project.name }}{% if project.url %} ({{ project.url }}){% endif %}\n\
                          Environment: {{ environment }}\nCommit: {{ sha }}\nReference: {{ reference }}\n\
                          Triggered by: {{ actor }}\n{% if run.url %}Run: {{ run.url }}\n{% endif %}"
                .into(),
            start: None,
            end: None,
            fields: BTreeMap::new(),
        }
    }
}

/// How long an approval may take, and what a rejection means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalTerms {
    /// Minutes from the request until the gate is rejected, if nobody approved. 1 to 41,760 (29 days).
    pub timeout_minutes: f64,
    /// A rejection rejects the gate, or waits for the change to be submitted again.
    pub on_rejection: OnRejection,
}

impl Default for ApprovalTerms {
    fn default() -> Self {
        Self { timeout_minutes: 1440.0, on_rejection: OnRejection::Reject }
    }
}

impl ApprovalTerms {
    /// The time-out as a duration: at least a second, at most 29 days.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64((self.timeout_minutes * 60.0).clamp(1.0, 29.0 * 86_400.0))
    }
}

/// What a rejection means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRejection {
    /// The gate is rejected at once.
    #[default]
    Reject,
    /// The gate waits until its deadline: the change may be submitted again.
    Wait,
}

/// Whether a planned window is demanded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowRule {
    /// A side that is empty in the record is no bound.
    #[default]
    AsPlanned,
    /// Both sides must be set in the record.
    Required,
}

/// How the change is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloseTerms {
    /// Close code for a deployment that succeeded.
    pub successful: String,
    /// Close code for every other end.
    pub unsuccessful: String,
    /// Close notes; a template that also knows `outcome`.
    pub notes: String,
    /// Hours without a result before the change is closed as unsuccessful.
    pub finish_within_hours: u32,
}

impl Default for CloseTerms {
    fn default() -> Self {
        Self {
            successful: "successful".into(),
            unsuccessful: "unsuccessful".into(),
            notes: "Deployment of {{ project.name }} {{ sha[:12] }} to {{ environment }}: {{ outcome }}."
                .into(),
            finish_within_hours: 24,
        }
    }
}

/// What happens when an approval is withdrawn after the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnWithdrawal {
    /// It is told and noted.
    #[default]
    Tell,
    /// The run is canceled too.
    CancelRun,
}

/// A policy as it was resolved for one deployment: it travels with the gate, so that a changed
/// file does not change an open gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Name of the policy.
    pub policy: String,
    /// Name of the ServiceNow connection.
    pub service_now: String,
    /// Whether it holds deployments.
    #[serde(default)]
    pub mode: Mode,
    /// Which deployments get a change.
    #[serde(default)]
    pub gate: GateRule,
    /// The change.
    pub change: ChangeTerms,
    /// How long, and what a rejection means.
    pub approval: ApprovalTerms,
    /// Whether a planned window is demanded.
    pub window: WindowRule,
    /// What a conflict with other changes means.
    #[serde(default)]
    pub conflict: ConflictRule,
    /// How the change is closed.
    pub close: CloseTerms,
    /// What is written into the configuration item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmdb: Option<CmdbTerms>,
    /// What happens when an approval is withdrawn.
    pub on_withdrawal: OnWithdrawal,
    /// How the change of a rollback differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackTerms>,
    /// Who may not approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separation: Option<SeparationTerms>,
    /// Which files of the run are attached to the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceTerms>,
    /// The failed change that this deployment takes back; the terms are those of its rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<ChangeRef>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::policies::Policies;
    use interlock_events::{Deployment, DeploymentKey, Project};

    pub(crate) fn deployment() -> Deployment {
        Deployment {
            key: DeploymentKey {
                tenant: "default".into(),
                connection: "github".into(),
                project: "70012".into(),
                environment: "production".into(),
                occurrence: "2210045".into(),
            },
            project: Project { id: "70012".into(), name: "acme/payments-api".into(), url: None },
            sha: "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31".into(),
            reference: Some("main".into()),
            run: None,
            actor: Some("dana-dev".into()),
        }
    }

    pub(crate) fn terms() -> Terms {
        Policies::new(vec![], "snow".into()).of(&deployment())
    }
}
