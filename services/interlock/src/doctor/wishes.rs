//! What the policies want of one ServiceNow.

use interlock_rules::Policy;
use interlock_runtime::config::Config;
use interlock_servicenow::doctor::{PolicyWishes, Wishes};
use serde_json::Value;

use crate::check;

/// Of those policies that can be used and whose changes this connection gets.
pub fn of(config: &Config, connection: &str) -> Wishes {
    let default = check::default_service_now(config);
    let gets = |policy: &&Policy| policy.service_now.as_ref().unwrap_or(&default) == connection;
    let policies = check::reachable(&config.policies).iter().filter(gets);
    Wishes {
        policies: policies.flat_map(|policy| [Some(wishes(policy)), of_rollback(policy)]).flatten().collect(),
    }
}

/// What the change of a rollback wants otherwise than the policy's others.
fn of_rollback(policy: &Policy) -> Option<PolicyWishes> {
    let rollback = policy.rollback.clone()?;
    let mut policy = policy.clone();
    policy.name = format!("{}, rollback", policy.name);
    policy.change.change_type = rollback.change_type;
    policy.change.template = rollback.template;
    policy.change.assignment_group = rollback.assignment_group.or(policy.change.assignment_group);
    policy.change.fields.extend(rollback.fields);
    Some(wishes(&policy))
}

fn wishes(policy: &Policy) -> PolicyWishes {
    let change = serde_json::to_value(&policy.change).unwrap_or_default();
    let text = |key: &str| change.get(key).and_then(Value::as_str).map(str::to_owned);
    let codes = [&policy.close.successful, &policy.close.unsuccessful];
    let fields = policy.change.fields.iter();
    PolicyWishes {
        name: policy.name.clone(),
        group: policy.change.assignment_group.clone().filter(|name| is_fixed(name)),
        item: policy.change.cmdb_ci.clone().filter(|name| is_fixed(name)),
        template: text("template").filter(|name| is_fixed(name)),
        fields: fields
            .map(|(field, value)| (field.clone(), Some(value.clone()).filter(|v| is_fixed(v))))
            .collect(),
        close_codes: codes.into_iter().filter(|code| is_fixed(code)).cloned().collect(),
        change_type: text("type").unwrap_or_default(),
    }
}

/// The same for every deployment: no template.
fn is_fixed(text: &str) -> bool {
    !text.contains("{{") && !text.contains("{%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_wants_what_is_the_same_for_every_deployment() {
        let text = "connections:\n  one: { kind: servicenow }\n  two: { kind: servicenow }\npolicies:\n  \
                    - name: mine\n    service_now: two\n    change:\n      assignment_group: Network\n      fields:\n        \
                    risk: \"4\"\n        justification: \"{{ sha }}\"\n    rollback: { type: standard, template: Back }\n";
        let config = Config::parse("test.yaml", text, std::iter::empty()).unwrap();
        let wishes = of(&config, "two");
        let rollback = &wishes.policies[1];
        let wants = (&*rollback.change_type, rollback.template.as_deref(), rollback.group.as_deref());
        assert_eq!(wants, ("standard", Some("Back"), Some("Network")));
        let policy = &wishes.policies[0];
        assert_eq!((policy.group.as_deref(), &*policy.change_type), (Some("Network"), "normal"));
        assert_eq!(policy.fields["risk"].as_deref(), Some("4"));
        assert_eq!(policy.fields["justification"], None);
        assert!(policy.close_codes.contains("successful"));
        assert!(of(&config, "one").policies.is_empty(), "behind a policy that fits all none is used");
    }
}
