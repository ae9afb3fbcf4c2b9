//! Does a deployment take back one that failed? Then its change is a rollback's: linked to the failed change, and of
//! the type that the policy says. Only what stands in ServiceNow counts, so that both workers come to the same.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_events::{CORRELATION_DISPLAY, ChangeRef, CorrelationId, Deployment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::policy::{ChangeType, Terms};
use crate::record::ChangeState;

/// How the change of a rollback differs from the policy's others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackTerms {
    /// Type of change.
    #[serde(rename = "type")]
    pub change_type: ChangeType,
    /// Template of a standard change, by name or sys_id.
    pub template: Option<String>,
    /// Group that assesses it; none: that of the policy's other changes.
    pub assignment_group: Option<String>,
    /// One line; it also knows `failed.number`.
    pub short_description: String,
    /// Laid over the fields of the policy's other changes; they know `failed.number` too.
    pub fields: BTreeMap<String, String>,
    /// Branch or tag by which a pipeline says that it rolls back, whatever commit it deploys.
    pub reference: Option<String>,
}

impl Default for RollbackTerms {
    fn default() -> Self {
        Self {
            change_type: ChangeType::Emergency,
            template: None,
            assignment_group: None,
            short_description:
                "Roll back {{ project.name }} in {{ environment }} to {{ sha[:12] }}: {{ failed.number }} failed"
                    .into(),
            fields: BTreeMap::new(),
            reference: None,
        }
    }
}

impl Terms {
    /// The terms of a deployment that rolls back `failed`; these where the policy has none for that.
    #[must_use]
    pub fn rolling_back(mut self, failed: ChangeRef) -> Self {
        let Some(rollback) = self.rollback.take() else { return self };
        let change = &mut self.change;
        change.change_type = rollback.change_type;
        change.template = rollback.template;
        change.assignment_group = rollback.assignment_group.or(change.assignment_group.take());
        change.short_description = rollback.short_description;
        change.fields.extend(rollback.fields);
        self.rolls_back = Some(failed);
        self
    }
}

/// A change of another deployment, as it ended or stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The record's id.
    pub sys_id: String,
    /// The number that people use.
    pub number: String,
    /// Correlation id, as it stands.
    pub correlation_id: String,
    /// Correlation display, as it stands.
    pub correlation_display: String,
    /// Its state; `None` where the number is none that we know.
    pub state: Option<ChangeState>,
    /// Its close code.
    pub close_code: String,
    /// `sys_created_on`.
    pub created: DateTime<Utc>,
}

impl Earlier {
    fn closed_as(&self, code: &str) -> bool {
        self.state == Some(ChangeState::Closed) && self.close_code == code
    }

    fn sha(&self) -> &str {
        CorrelationId::sha_and_place_in(&self.correlation_id).map_or("", |(sha, _)| sha)
    }
}

/// What a deployment takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollback<'a> {
    /// The deployment of this change, which failed.
    Of(&'a Earlier),
    /// Perhaps that of this one, which has not ended yet.
    NotYet(&'a Earlier),
    /// Nothing.
    No,
}

/// What `deployment` takes back, by the changes of the same project and environment.
///
/// It goes back if its commit was deployed there before with success, or if its reference says so. It takes back the
/// last deployment that ran there, if that failed with another commit.
#[must_use]
pub fn rollback<'a>(deployment: &Deployment, terms: &Terms, earlier: &'a [Earlier]) -> Rollback<'a> {
    let Some(past) = Past::of(deployment, terms, earlier).filter(Past::goes_back) else {
        return Rollback::No;
    };
    let ran = |one: &&&Earlier| {
        matches!(one.state, Some(ChangeState::Implement | ChangeState::Review | ChangeState::Closed))
    };
    let last = past.others.iter().filter(ran).max_by_key(|one| (one.created, &one.number));
    match last {
        Some(last) if past.has_failed(last) => Rollback::Of(last),
        Some(last) if last.sha() != past.sha && last.state < Some(ChangeState::Closed) => {
            Rollback::NotYet(last)
        }
        _ => Rollback::No,
    }
}

/// The change that a record names as its parent, if the deployment goes back and that one failed: it may take it
/// back, whatever has run since.
#[must_use]
pub fn may_take_back<'a>(
    deployment: &Deployment,
    terms: &Terms,
    earlier: &'a [Earlier],
    parent: &str,
) -> Option<&'a Earlier> {
    let past = Past::of(deployment, terms, earlier).filter(Past::goes_back)?;
    past.others.iter().find(|one| one.sys_id == parent && past.has_failed(one)).copied()
}

/// What is known of the other deployments to the same place.
struct Past<'a, 't> {
    terms: &'t Terms,
    sha: String,
    named: bool,
    others: Vec<&'a Earlier>,
}

impl<'a, 't> Past<'a, 't> {
    /// `None` where rollbacks are nothing special, or where it cannot be told which deployments went to this place.
    fn of(deployment: &Deployment, terms: &'t Terms, earlier: &'a [Earlier]) -> Option<Self> {
        let wanted = terms.rollback.as_ref()?.reference.as_deref();
        let reference = deployment.reference.as_deref().unwrap_or_default();
        let named = wanted.is_some_and(|wanted| WildMatch::new(wanted).matches(reference));
        let own = deployment.key.hash();
        let place = CorrelationId::place(&deployment.project.name, &deployment.key.environment)?;
        let is_other = |one: &&Earlier| {
            one.correlation_display == CORRELATION_DISPLAY
                && CorrelationId::hash_in(&one.correlation_id).is_some_and(|hash| hash != own)
                && CorrelationId::sha_and_place_in(&one.correlation_id).is_some_and(|(_, its)| its == place)
        };
        let others = earlier.iter().filter(is_other).collect();
        Some(Self { terms, sha: deployment.sha.chars().take(12).collect(), named, others })
    }

    fn goes_back(&self) -> bool {
        let went_well = |one: &&Earlier| one.sha() == self.sha && one.closed_as(&self.terms.close.successful);
        self.named || self.others.iter().any(went_well)
    }

    fn has_failed(&self, one: &Earlier) -> bool {
        one.sha() != self.sha && one.closed_as(&self.terms.close.unsuccessful)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{deployment, terms};
    use crate::record::tests::at;
    use interlock_events::DeploymentKey;

    const GOOD: &str = "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31";
    const BAD: &str = "9d0b6c1e52f7a8430e6d1c2b3a4958671fe0dc3a";

    fn with_rollback() -> Terms {
        let rollback = RollbackTerms { reference: Some("rollback/*".into()), ..RollbackTerms::default() };
        Terms { rollback: Some(rollback), ..terms() }
    }

    fn change(number: &str, created: i64, sha: &str, state: ChangeState, code: &str) -> Earlier {
        let key = DeploymentKey { occurrence: number.into(), ..deployment().key };
        Earlier {
            sys_id: format!("{number:0>32}"),
            number: number.into(),
            correlation_id: CorrelationId::new(&key, sha, &deployment().project.name).to_string(),
            correlation_display: CORRELATION_DISPLAY.into(),
            state: Some(state),
            close_code: code.into(),
            created: at(created),
        }
    }

    fn good() -> Earlier {
        change("CHG1", 10, GOOD, ChangeState::Closed, "successful")
    }

    fn failed() -> Earlier {
        change("CHG2", 20, BAD, ChangeState::Closed, "unsuccessful")
    }

    fn judge(earlier: &[Earlier]) -> String {
        match rollback(&deployment(), &with_rollback(), earlier) {
            Rollback::Of(one) => one.number.clone(),
            Rollback::NotYet(one) => format!("{} has not ended", one.number),
            Rollback::No => "no".into(),
        }
    }

    #[test]
    fn a_commit_that_went_well_before_takes_back_the_last_one_that_failed() {
        assert_eq!(judge(&[failed(), good()]), "CHG2");
        assert_eq!(judge(&[good(), failed()]), "CHG2", "in whichever order they are read");
        assert_eq!(judge(&[failed()]), "no", "the commit is new here");
        assert_eq!(judge(&[good()]), "no", "nothing failed");
    }

    #[test]
    fn what_was_mended_since_is_not_taken_back() {
        let mended = change("CHG3", 30, "aaaaaaaaaaaaaaaa", ChangeState::Closed, "successful");
        assert_eq!(judge(&[good(), failed(), mended]), "no");
        let never_ran = change("CHG3", 30, "aaaaaaaaaaaaaaaa", ChangeState::Canceled, "");
        assert_eq!(judge(&[good(), failed(), never_ran]), "CHG2");
        let waits = change("CHG3", 30, "aaaaaaaaaaaaaaaa", ChangeState::Assess, "");
        assert_eq!(judge(&[good(), failed(), waits]), "CHG2");
    }

    #[test]
    fn one_that_has_not_ended_is_waited_for() {
        for state in [ChangeState::Implement, ChangeState::Review] {
            let running = change("CHG2", 20, BAD, state, "");
            assert_eq!(judge(&[good(), running]), "CHG2 has not ended");
        }
        let same = change("CHG2", 20, GOOD, ChangeState::Implement, "");
        assert_eq!(judge(&[good(), same]), "no", "the same commit is not taken back by itself");
    }

    #[test]
    fn a_commit_that_failed_is_not_taken_back_by_itself() {
        let failed_again = change("CHG2", 20, GOOD, ChangeState::Closed, "unsuccessful");
        assert_eq!(judge(&[good(), failed_again]), "no");
    }

    #[test]
    fn a_pipeline_may_name_its_rollback_but_something_must_have_failed() {
        let named = Deployment { reference: Some("rollback/login".into()), ..deployment() };
        let of = |earlier: &[Earlier]| match rollback(&named, &with_rollback(), earlier) {
            Rollback::Of(one) => Some(one.number.clone()),
            _ => None,
        };
        assert_eq!(of(&[failed()]), Some("CHG2".into()));
        assert_eq!(of(&[good()]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn changes_of_other_places_and_products_do_not_count() {
        let elsewhere = |project: &str, environment: &str, one: Earlier| {
            let key = DeploymentKey { environment: environment.into(), ..deployment().key };
            Earlier { correlation_id: CorrelationId::new(&key, BAD, project).to_string(), ..one }
        };
        let staging = elsewhere("acme/payments-api", "staging", failed());
        let other = elsewhere("acme/payments", "production", failed());
        let foreign = Earlier { correlation_display: "Exalate".into(), ..failed() };
        for one in [staging, other, foreign] {
            assert_eq!(judge(&[good(), one.clone()]), "no", "{one:?}");
        }
    }

    #[test]
    fn a_place_whose_name_is_cut_is_not_told_apart_from_others() {
        let mut long = deployment();
        long.project.name = "acme/".to_owned() + &"payments-".repeat(8);
        let of = |one: Earlier, sha: &str| {
            let key = DeploymentKey { occurrence: one.number.clone(), ..long.key.clone() };
            Earlier { correlation_id: CorrelationId::new(&key, sha, &long.project.name).to_string(), ..one }
        };
        let earlier = [of(good(), GOOD), of(failed(), BAD)];
        assert_eq!(rollback(&long, &with_rollback(), &earlier), Rollback::No);
    }

    #[test]
    fn without_terms_for_it_nothing_is_a_rollback() {
        assert_eq!(rollback(&deployment(), &terms(), &[good(), failed()]), Rollback::No);
        assert_eq!(may_take_back(&deployment(), &terms(), &[good(), failed()], &failed().sys_id), None);
    }

    #[test]
    fn a_parent_is_taken_at_its_word_only_if_it_failed_and_the_deployment_goes_back() {
        let mended = change("CHG3", 30, "aaaaaaaaaaaaaaaa", ChangeState::Closed, "successful");
        let earlier = [good(), failed(), mended.clone()];
        let of = |parent: &str, earlier: &[Earlier]| {
            may_take_back(&deployment(), &with_rollback(), earlier, parent).map(|one| one.number.clone())
        };
        assert_eq!(of(&failed().sys_id, &earlier), Some("CHG2".into()), "whatever has run since");
        assert_eq!(of(&mended.sys_id, &earlier), None);
        assert_eq!(of(&good().sys_id, &earlier), None);
        assert_eq!(of("", &earlier), None);
        assert_eq!(of(&failed().sys_id, &[failed()]), None, "the commit is new here");
    }

    #[test]
    fn its_terms_are_laid_over_those_of_the_policy() {
        let mut terms = with_rollback();
        terms.change.assignment_group = Some("Change Management".into());
        terms.change.fields =
            [("risk".to_owned(), "3".to_owned()), ("u_a".to_owned(), "b".to_owned())].into();
        if let Some(rollback) = &mut terms.rollback {
            rollback.fields = [("risk".to_owned(), "2".to_owned())].into();
        }
        let failed = ChangeRef { connection: "snow".into(), number: "CHG2".into(), sys_id: "2".repeat(32) };
        let terms = terms.rolling_back(failed.clone());
        assert_eq!(terms.change.change_type, ChangeType::Emergency);
        assert_eq!(terms.change.assignment_group.as_deref(), Some("Change Management"));
        let fields: Vec<_> = terms.change.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, [("risk", "2"), ("u_a", "b")]);
        assert_eq!((terms.rollback, terms.rolls_back), (None, Some(failed)));
    }
}
