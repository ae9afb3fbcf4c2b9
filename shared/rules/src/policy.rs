//! Policies: which deployment gets which change, on which terms. The first that matches wins.

use std::collections::BTreeMap;
use std::time::Duration;

use interlock_events::{ChangeRef, Deployment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::freeze::Freeze;
use crate::rollback::RollbackTerms;
use crate::separation::SeparationTerms;
use crate::when::{Considered, When};

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
    /// How the change is closed.
    #[serde(default)]
    pub close: CloseTerms,
    /// What happens when an approval is withdrawn after the release.
    #[serde(default)]
    pub on_withdrawal: OnWithdrawal,
    /// The change of a deployment that takes back one that failed; none: as any other.
    #[serde(default)]
    pub rollback: Option<RollbackTerms>,
    /// Who may not approve; none: whoever ServiceNow asks.
    #[serde(default)]
    pub separation: Option<SeparationTerms>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// How the change is closed.
    pub close: CloseTerms,
    /// What happens when an approval is withdrawn.
    pub on_withdrawal: OnWithdrawal,
    /// How the change of a rollback differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackTerms>,
    /// Who may not approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separation: Option<SeparationTerms>,
    /// The failed change that this deployment takes back; the terms are those of its rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<ChangeRef>,
}

/// All policies in order, and the ServiceNow connection of those that name none.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    policies: Vec<Policy>,
    default_service_now: String,
    freezes: Vec<Freeze>,
}

impl Policies {
    /// `policies` in order of their priority; a catch-all is added, so that a gate never goes without.
    #[must_use]
    pub fn new(mut policies: Vec<Policy>, default_service_now: String) -> Self {
        policies.push(Policy {
            name: "default".into(),
            when: When::default(),
            service_now: None,
            mode: Mode::default(),
            gate: GateRule::default(),
            change: ChangeTerms::default(),
            approval: ApprovalTerms::default(),
            window: WindowRule::default(),
            close: CloseTerms::default(),
            on_withdrawal: OnWithdrawal::default(),
            rollback: None,
            separation: None,
        });
        Self { policies, default_service_now, freezes: Vec::new() }
    }

    /// The same, and times in which nothing is released.
    #[must_use]
    pub fn with_freezes(self, freezes: Vec<Freeze>) -> Self {
        Self { freezes, ..self }
    }

    /// The freezes that concern a deployment, whether they hold now or not.
    #[must_use]
    pub fn freezes_of(&self, deployment: &Deployment) -> Vec<&Freeze> {
        self.freezes.iter().filter(|freeze| freeze.concerns(deployment)).collect()
    }

    /// The policies in their order, up to the one that matches.
    #[must_use]
    pub fn considered(&self, deployment: &Deployment) -> Vec<Considered> {
        let mut considered = Vec::new();
        for policy in &self.policies {
            let conditions = policy.when.conditions(deployment).collect();
            considered.push(Considered { policy: policy.name.clone(), conditions });
            if considered.last().is_some_and(Considered::fits) {
                break;
            }
        }
        considered
    }

    /// The terms of the first policy that matches.
    #[must_use]
    pub fn of(&self, deployment: &Deployment) -> Terms {
        let catch_all = self.policies.len() - 1;
        let place = self.policies.iter().position(|policy| policy.when.fits(deployment)).unwrap_or(catch_all);
        let policy = self.policies[place].clone();
        Terms {
            policy: policy.name,
            service_now: policy.service_now.unwrap_or_else(|| self.default_service_now.clone()),
            mode: policy.mode,
            gate: policy.gate,
            change: policy.change,
            approval: policy.approval,
            window: policy.window,
            close: policy.close,
            on_withdrawal: policy.on_withdrawal,
            rollback: policy.rollback,
            separation: policy.separation,
            rolls_back: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use interlock_events::{DeploymentKey, Project};

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

    fn policy(name: &str, when: When) -> Policy {
        let mut policy = Policies::new(vec![], String::new()).policies.remove(0);
        policy.name = name.into();
        policy.when = when;
        policy
    }

    #[test]
    fn the_first_policy_that_fits_wins() {
        let policies = Policies::new(
            vec![
                policy("staging", When { environment: Some("stag*".into()), ..When::default() }),
                policy("acme", When { repository: Some("acme/*".into()), ..When::default() }),
                policy("all", When::default()),
            ],
            "snow".into(),
        );
        assert_eq!(policies.of(&deployment()).policy, "acme");
    }

    #[test]
    fn what_is_considered_ends_with_the_policy_whose_terms_apply() {
        let policies = Policies::new(
            vec![
                policy("staging", When { environment: Some("stag*".into()), ..When::default() }),
                policy("acme", When { repository: Some("acme/*".into()), ..When::default() }),
            ],
            "snow".into(),
        );
        let considered = policies.considered(&deployment());
        let names: Vec<_> = considered.iter().map(|one| (one.policy.as_str(), one.fits())).collect();
        assert_eq!(names, [("staging", false), ("acme", true)]);
        let why = &considered[0].conditions;
        assert_eq!((why.len(), why[0].pattern.as_str(), why[0].has.as_str()), (1, "stag*", "production"));
    }

    #[test]
    fn a_deployment_that_nothing_matches_gets_the_default_policy() {
        let policies = Policies::new(
            vec![policy("other", When { repository: Some("else/*".into()), ..When::default() })],
            "snow".into(),
        );
        let terms = policies.of(&deployment());
        assert_eq!((terms.policy.as_str(), terms.service_now.as_str()), ("default", "snow"));
    }
}
