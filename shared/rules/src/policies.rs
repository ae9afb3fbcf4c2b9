//! All policies in their order: the first that matches wins.

use std::hash::{DefaultHasher, Hash, Hasher};

use interlock_events::Deployment;

use crate::conflict::ConflictRule;
use crate::freeze::Freeze;
use crate::policy::{
    ApprovalTerms, ChangeTerms, CloseTerms, GateRule, Mode, OnWithdrawal, Policy, Terms, WindowRule,
};
use crate::when::{Considered, When};

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
            conflict: ConflictRule::default(),
            close: CloseTerms::default(),
            cmdb: None,
            on_withdrawal: OnWithdrawal::default(),
            rollback: None,
            separation: None,
            evidence: None,
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

    /// What the freezes of a deployment say, as a number: a file that says otherwise has another. `None`: there
    /// are none.
    #[must_use]
    pub fn freezes_mark(&self, deployment: &Deployment) -> Option<u64> {
        let freezes = self.freezes_of(deployment);
        let mut hasher = DefaultHasher::new();
        freezes.hash(&mut hasher);
        (!freezes.is_empty()).then(|| hasher.finish())
    }

    /// Some policy wants evidence.
    #[must_use]
    pub fn any_evidence(&self) -> bool {
        self.policies.iter().any(|policy| policy.evidence.is_some())
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
            conflict: policy.conflict,
            close: policy.close,
            cmdb: policy.cmdb,
            on_withdrawal: policy.on_withdrawal,
            rollback: policy.rollback,
            separation: policy.separation,
            evidence: policy.evidence,
            rolls_back: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::deployment;

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
