//! What a policy applies to.

use interlock_events::Deployment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// Conditions of a policy; all must fit. `*` and `?` are wildcards, case counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Name of the platform's connection.
    pub connection: Option<String>,
    /// Full name of the project or repository.
    pub repository: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// Branch or tag.
    pub reference: Option<String>,
}

impl When {
    pub(crate) fn fits(&self, deployment: &Deployment) -> bool {
        self.conditions(deployment).all(|condition| condition.fits)
    }

    /// Each condition that is set, and what the deployment has.
    pub(crate) fn conditions<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> impl Iterator<Item = Condition> + 'a {
        let reference = deployment.reference.as_deref().unwrap_or_default();
        [
            ("connection", &self.connection, deployment.key.connection.as_str()),
            ("repository", &self.repository, &deployment.project.name),
            ("environment", &self.environment, &deployment.key.environment),
            ("reference", &self.reference, reference),
        ]
        .into_iter()
        .filter_map(|(name, pattern, has)| {
            let pattern = pattern.as_ref()?;
            let fits = WildMatch::new(pattern).matches(has);
            Some(Condition { name, pattern: pattern.clone(), has: has.to_owned(), fits })
        })
    }
}

/// One condition of a policy, held against a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it looks at: `connection`, `repository`, `environment`, `reference`.
    pub name: &'static str,
    /// What it wants.
    pub pattern: String,
    /// What the deployment has.
    pub has: String,
    /// The one fits the other.
    pub fits: bool,
}

/// A policy that was looked at for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Its name.
    pub policy: String,
    /// Its conditions; none: it fits everything.
    pub conditions: Vec<Condition>,
}

impl Considered {
    /// All of its conditions fit.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.conditions.iter().all(|condition| condition.fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::deployment;

    #[test]
    fn every_condition_must_fit_and_case_counts() {
        for (when, fits) in [
            (When { connection: Some("github".into()), ..When::default() }, true),
            (When { connection: Some("gitlab".into()), ..When::default() }, false),
            (When { environment: Some("Production".into()), ..When::default() }, false),
            (
                When {
                    reference: Some("main".into()),
                    repository: Some("*/payments-?pi".into()),
                    ..When::default()
                },
                true,
            ),
            (
                When { reference: Some("v*".into()), repository: Some("acme/*".into()), ..When::default() },
                false,
            ),
        ] {
            assert_eq!(when.fits(&deployment()), fits, "{when:?}");
        }
    }
}
