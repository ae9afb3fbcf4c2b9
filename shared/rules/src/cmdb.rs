//! What is written into the configuration item once a deployment went well.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_events::Deployment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{TemplateFault, render_item};

/// Which fields of the configuration item say what was deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CmdbTerms {
    /// Fields by their names; values are templates, which also know `change.number` and `finished_at`, as the
    /// instance stores a time.
    pub fields: BTreeMap<String, String>,
}

/// The fields of the item as they should be after a deployment.
///
/// # Errors
/// Which field cannot be filled in, and why.
pub fn item_fields(
    terms: &CmdbTerms,
    deployment: &Deployment,
    change: &str,
    finished_at: DateTime<Utc>,
) -> Result<BTreeMap<String, String>, String> {
    let fields = terms.fields.iter().map(|(field, template)| {
        let text = render_item(template, deployment, change, finished_at);
        let text = text.map_err(|why: TemplateFault| format!("`cmdb.fields.{field}`: {why}"))?;
        Ok((field.clone(), text.trim().to_owned()))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::deployment;
    use crate::record::tests::at;

    fn terms(pairs: &[(&str, &str)]) -> CmdbTerms {
        let pairs = pairs.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned()));
        CmdbTerms { fields: pairs.collect() }
    }

    #[test]
    fn every_field_is_a_template_that_knows_the_change_and_the_end() {
        let terms = terms(&[
            ("version", "{{ reference }}"),
            ("u_commit", "{{ sha[:7] }}"),
            ("u_change", "{{ change.number }} "),
            ("u_deployed_at", "{{ finished_at }}"),
        ]);
        let fields = item_fields(&terms, &deployment(), "CHG1", at(0)).unwrap();
        insta::assert_json_snapshot!(fields, @r#"
        {
          "u_change": "CHG1",
          "u_commit": "4f0c2a9",
          "u_deployed_at": "2026-01-12 09:15:02",
          "version": "main"
        }
        "#);
    }

    #[test]
    fn a_field_that_cannot_be_filled_in_is_named() {
        let said = item_fields(&terms(&[("u_x", "{{ sha | nothing }}")]), &deployment(), "CHG1", at(0));
        assert!(said.unwrap_err().starts_with("`cmdb.fields.u_x`: template"));
    }
}
