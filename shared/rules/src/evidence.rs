//! Which of a run's files prove something about a deployment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// What is attached to the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceTerms {
    /// Names of artifacts of the run; `*` and `?` are wildcards.
    pub artifacts: Vec<String>,
}

impl EvidenceTerms {
    /// An artifact of this name is evidence.
    #[must_use]
    pub fn wants(&self, artifact: &str) -> bool {
        self.artifacts.iter().any(|pattern| WildMatch::new(pattern).matches(artifact))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_evidence_if_its_name_fits_one_of_the_patterns() {
        let terms = EvidenceTerms { artifacts: vec!["junit*".into(), "sbom".into()] };
        assert!(terms.wants("junit") && terms.wants("junit-linux") && terms.wants("sbom"));
        assert!(!terms.wants("my-junit") && !terms.wants("sbom-2") && !terms.wants("Sbom"));
        assert!(!EvidenceTerms { artifacts: vec![] }.wants(""));
    }
}
