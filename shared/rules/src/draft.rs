//! What a policy asks ServiceNow for, of one deployment: its templates filled in.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_events::DeploymentRequested;
use serde::Serialize;

use crate::policy::{ChangeType, Terms};
use crate::text::{TemplateFault, render_request};

/// A change as the policy wants it. Names are not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// Type of change.
    #[serde(rename = "type")]
    pub change_type: ChangeType,
    /// Template of a standard change, by name or sys_id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Group that assesses it, by name or sys_id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment_group: Option<String>,
    /// Configuration item, by name or sys_id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdb_ci: Option<String>,
    /// The failed change that it takes back, by sys_id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// One line.
    pub short_description: String,
    /// For people.
    pub description: String,
    /// Planned start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// Planned end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// Further fields of the record.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// Fills in the policy's templates.
///
/// # Errors
/// Which key of which policy cannot be filled in, and what to write there.
pub fn draft(request: &DeploymentRequested, terms: &Terms) -> Result<Draft, String> {
    let change = &terms.change;
    let fault = |key: &str, fault: &dyn std::fmt::Display| {
        format!("policy `{}`, `change.{key}`: {fault}", terms.policy)
    };
    let text = |key: &str, template: &str| {
        render_request(template, request, terms.rolls_back.as_ref())
            .map_err(|why: TemplateFault| fault(key, &why))
    };
    let moment = |key: &str, template: &Option<String>| -> Result<Option<DateTime<Utc>>, String> {
        let Some(template) = template else { return Ok(None) };
        moment(&text(key, template)?).map_err(|why| fault(key, &why))
    };
    if change.change_type == ChangeType::Standard && change.template.is_none() {
        return Err(fault("template", &"a standard change needs one"));
    }
    let (start, end) = (moment("start", &change.start)?, moment("end", &change.end)?);
    if start.zip(end).is_some_and(|(start, end)| end <= start) {
        return Err(fault("end", &"it is not after the start"));
    }
    let fields = change.fields.iter();
    let fields =
        fields.map(|(name, template)| Ok((name.clone(), text(&format!("fields.{name}"), template)?)));
    Ok(Draft {
        change_type: change.change_type,
        template: change.template.clone(),
        assignment_group: change.assignment_group.clone(),
        cmdb_ci: change.cmdb_ci.clone(),
        parent: terms.rolls_back.as_ref().map(|failed| failed.sys_id.clone()),
        short_description: text("short_description", &change.short_description)?,
        description: text("description", &change.description)?,
        start,
        end,
        fields: fields.collect::<Result<_, String>>()?,
    })
}

/// Nothing is no bound.
fn moment(text: &str) -> Result<Option<DateTime<Utc>>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| Some(time.to_utc()));
    parsed.map_err(|_| {
        format!("`{text}` is no time: write one by RFC 3339, as in {{{{ requested_at | plus(minutes=30) }}}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{deployment, terms};
    use crate::record::tests::at;

    fn request() -> DeploymentRequested {
        DeploymentRequested { deployment: deployment(), gate: None, place: None, requested_at: at(0) }
    }

    #[test]
    fn every_field_is_a_template() {
        let mut terms = terms();
        terms.change.start = Some("{{ requested_at }}".into());
        terms.change.end = Some("{{ requested_at | plus(hours=1, minutes=30) }}".into());
        let fields = [
            ("implementation_plan", "Deploy {{ sha[:7] }}"),
            ("backout_plan", "Deploy the release before"),
            ("priority", "{{ 1 if environment == 'production' else 4 }}"),
            ("u_repository", "{{ project.name }}"),
        ];
        terms.change.fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let draft = draft(&request(), &terms).unwrap();
        assert_eq!((draft.start, draft.end), (Some(at(0)), Some(at(5400))));
        insta::assert_json_snapshot!(draft.fields, @r#"
        {
          "backout_plan": "Deploy the release before",
          "implementation_plan": "Deploy 4f0c2a9",
          "priority": "1",
          "u_repository": "acme/payments-api"
        }
        "#);
    }

    #[test]
    fn what_cannot_be_filled_in_is_named_with_its_policy_key_and_cure() {
        let with = |change: &dyn Fn(&mut Terms)| {
            let mut terms = terms();
            change(&mut terms);
            draft(&request(), &terms).unwrap_err()
        };
        let said = with(&|terms| terms.change.start = Some("tomorrow".into()));
        assert!(
            said.starts_with("policy `default`, `change.start`: `tomorrow` is no time: write one"),
            "{said}"
        );
        let said = with(&|terms| {
            terms.change.start = Some("{{ requested_at }}".into());
            terms.change.end = Some("{{ requested_at | plus(minutes=-1) }}".into());
        });
        assert!(said.contains("`change.end`: it is not after the start"), "{said}");
        let said = with(&|terms| {
            terms.change.fields = [("u_x".to_owned(), "{{ sha | nothing }}".to_owned())].into();
        });
        assert!(said.contains("`change.fields.u_x`"), "{said}");
        let said = with(&|terms| terms.change.change_type = ChangeType::Standard);
        assert!(said.contains("`change.template`"), "{said}");
    }

    #[test]
    fn an_empty_time_is_no_bound() {
        let mut terms = terms();
        terms.change.end = Some("{% if environment == 'staging' %}2026-03-01T10:00:00Z{% endif %}".into());
        assert_eq!(draft(&request(), &terms).unwrap().end, None);
    }
}
