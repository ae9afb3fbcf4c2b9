//! What the policies write, against what the instance demands and knows.

use std::collections::{BTreeMap, BTreeSet};

use super::may_not_see;
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Heard, Readings, Wishes, field};

/// Shown of a long list.
const SHOWN: usize = 12;

/// Dictionary entries bind forms; data policies bind every way of writing (ServiceNow docs, "Data policy").
pub(super) fn mandatory(readings: &Readings, wishes: &Wishes) -> Verdict {
    let mut findings = Vec::new();
    for entry in readings.dictionary.rows() {
        let element = field(entry, "element");
        let demanded = field(entry, "mandatory") == "true" && field(entry, "default_value").is_empty();
        if let Some(policies) = unfilled(wishes, &element).filter(|_| demanded) {
            findings.push(Finding::warning(
                Name::MandatoryUnfilled,
                format!(
                    "the dictionary says that {}.{element} is mandatory, and {policies} does not fill it: forms \
                     demand it, REST calls as the instance is set",
                    field(entry, "name")
                ),
                format!("give it in the policy's change.fields: {{ {element}: … }}"),
            ));
        }
    }
    for rule in readings.data_policy_rules.rows() {
        findings.extend(of_rule(rule, &readings.data_policies, wishes));
    }
    if !findings.is_empty() {
        return Verdict::of(Check::Mandatory, findings, "");
    }
    if readings.dictionary.rows().is_empty() && readings.data_policies.rows().is_empty() {
        let heard = if readings.dictionary.rows().is_empty() {
            &readings.dictionary
        } else {
            &readings.data_policies
        };
        return Verdict::unseen(Check::Mandatory, may_not_see(heard, "sys_dictionary or sys_data_policy2"));
    }
    Verdict::seen(Check::Mandatory, "the policies fill what the instance is seen to demand")
}

fn of_rule(
    rule: &serde_json::Map<String, serde_json::Value>,
    policies: &Heard,
    wishes: &Wishes,
) -> Option<Finding> {
    let element = field(rule, "field");
    let missing = unfilled(wishes, &element)?;
    let policy = policies.rows().iter().find(|one| field(one, "sys_id") == field(rule, "sys_data_policy"))?;
    let (title, condition) = (field(policy, "short_description"), field(policy, "conditions"));
    let cure = format!(
        "give it in the policy's change.fields: {{ {element}: … }}, or exempt the user in the data policy"
    );
    let cause = format!("the data policy `{title}` demands {element}, and {missing} does not fill it");
    Some(match condition.trim_end_matches("^EQ") {
        "" => Finding::fault(Name::MandatoryUnfilled, cause, cure),
        condition => Finding::warning(Name::MandatoryUnfilled, format!("{cause}, when {condition}"), cure),
    })
}

/// The policies that leave a field empty.
fn unfilled(wishes: &Wishes, element: &str) -> Option<String> {
    let missing: Vec<String> = wishes
        .policies
        .iter()
        .filter(|policy| !policy.fills(element))
        .map(|policy| format!("policy `{}`", policy.name))
        .collect();
    (!missing.is_empty() && !element.is_empty()).then(|| missing.join(", "))
}

pub(super) fn choices(readings: &Readings, wishes: &Wishes) -> Verdict {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // A table's own list takes the place of the one that it inherits.
    for table in ["task", "change_request"] {
        let mut own: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in readings.choices.rows().iter().filter(|row| field(row, "name") == table) {
            own.entry(field(row, "element")).or_default().insert(field(row, "value"));
        }
        known.extend(own);
    }
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for policy in &wishes.policies {
        for (element, value) in policy.values() {
            let Some(values) = known.get(element).filter(|values| !values.contains(value)) else { continue };
            if told.insert((element, value)) {
                findings.push(unknown_choice(&policy.name, element, value, values));
            }
        }
    }
    if findings.is_empty() && known.is_empty() {
        return Verdict::unseen(Check::Choices, may_not_see(&readings.choices, "sys_choice"));
    }
    Verdict::of(Check::Choices, findings, "the instance knows the values that the policies write")
}

fn unknown_choice(policy: &str, element: &str, value: &str, values: &BTreeSet<String>) -> Finding {
    let shown: Vec<&str> = values.iter().map(String::as_str).take(SHOWN).collect();
    Finding::fault(
        Name::ChoiceUnknown,
        format!("policy `{policy}` writes {element} `{value}`, which is no choice of the instance"),
        format!("write one of: {}; values as they are stored, not as forms show them", shown.join(", ")),
    )
}

pub(super) fn states(readings: &Readings) -> Verdict {
    let of_changes = readings
        .choices
        .rows()
        .iter()
        .filter(|row| field(row, "name") == "change_request" && field(row, "element") == "state");
    let at_instance: BTreeMap<String, String> =
        of_changes.map(|row| (field(row, "value"), field(row, "label"))).collect();
    if at_instance.is_empty() {
        return Verdict::unseen(Check::States, may_not_see(&readings.choices, "sys_choice"));
    }
    let ours: BTreeMap<String, String> =
        readings.states.numbers().map(|(number, state)| (number.to_string(), format!("{state:?}"))).collect();
    let mut findings = Vec::new();
    let listed = |some: &BTreeMap<String, String>, others: &BTreeMap<String, String>| {
        let only = some.iter().filter(|(number, _)| !others.contains_key(*number)).take(SHOWN);
        only.map(|(number, name)| format!("{name} ({number})")).collect::<Vec<_>>().join(", ")
    };
    let missing = listed(&ours, &at_instance);
    if !missing.is_empty() {
        findings.push(Finding::fault(
            Name::StateMissing,
            format!("the instance has no state {missing}"),
            "say in the connection's state_map which numbers its states have",
        ));
    }
    let unknown = listed(&at_instance, &ours);
    if !unknown.is_empty() {
        findings.push(Finding::warning(
            Name::StateUnknown,
            format!("the instance has states that Interlock does not know: {unknown}; a gate waits while its change is in one"),
            "name them in the connection's state_map, each as one of the eight, or deactivate them",
        ));
    }
    Verdict::of(Check::States, findings, "the states have the numbers of the state map")
}
