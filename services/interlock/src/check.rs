//! Everything that can be known to be wrong with a configuration before anything is bound or connected.

mod against_broker;
mod secrets;

use std::path::Path;

use interlock_rules::{ChangeType, Mode, Policies, Policy, When};
use interlock_runtime::config::{Config, Fault, Faults, Origin};
use interlock_servicenow::KIND as SERVICE_NOW;

use crate::roles::Role;
use crate::{arguments, ports, say};

/// `config check`: reports every fault, or that there is none.
pub async fn run(file: Option<&Path>, with_broker: bool, skip_secrets: bool) -> anyhow::Result<()> {
    let config = arguments::load_and_check(file, |config| {
        let mut found = faults(config, file, &Role::ALL);
        if !skip_secrets {
            found.gather(secrets::faults(config).into_result());
        }
        found
    })?;
    for policy in reachable(&config.policies).iter().filter(|policy| policy.mode == Mode::Observe) {
        say::fault(format_args!(
            "warning: policy `{}` only observes: its gates are released without approval",
            policy.name
        ));
    }
    for warning in secrets::warnings(&config) {
        say::fault(format_args!("warning: {warning}"));
    }
    let source = file.map_or("the defaults".to_owned(), |file| file.display().to_string());
    let (connections, policies) = (config.connections().count(), config.policies.len());
    say::line(format_args!("{source}: no faults; {connections} connections, {policies} policies"));
    if with_broker { against_broker::run(&config).await } else { Ok(()) }
}

/// What is wrong for these roles: connections, policies, and where broker and store are. `file` is where
/// lines are looked up.
pub fn faults(config: &Config, file: Option<&Path>, roles: &[Role]) -> Faults {
    let mut faults = Faults::default();
    faults.gather(single_role(roles, config));
    faults.gather(interlock_servicenow::webhook_sources(config));
    match ports::machine() {
        Ok((clock, http)) => {
            faults.gather(interlock_platforms::platforms(config, &http, &clock, None));
        }
        Err(fault) => tracing::warn!(%fault, "the platforms' sections are not looked at"),
    }
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let source = file.map_or("configuration".to_owned(), |file| file.display().to_string());
    faults.0.extend(policy_faults(config, &source, &text));
    faults
}

/// A role of its own shares broker and store with others, so neither may be embedded.
fn single_role(roles: &[Role], config: &Config) -> Result<(), Faults> {
    match roles {
        [role] => config.for_single_role(role.name()),
        _ => Ok(()),
    }
}

/// The policies and freezes of a configuration.
pub fn policies(config: &Config) -> Policies {
    let policies = Policies::new(config.policies.clone(), default_service_now(config));
    policies.with_freezes(config.freezes.clone())
}

/// The ServiceNow connection of policies that name none.
pub fn default_service_now(config: &Config) -> String {
    service_nows(config).first().map(|name| (*name).to_owned()).unwrap_or_default()
}

fn service_nows(config: &Config) -> Vec<&str> {
    let instances = config.connections().filter(|connection| connection.kind == SERVICE_NOW);
    instances.map(|connection| connection.name.as_str()).collect()
}

/// What a policy lacks only once there are connections that it is used for.
fn policy_faults(config: &Config, source: &str, text: &str) -> Vec<Fault> {
    let instances = service_nows(config);
    if config.connections().next().is_none() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for policy in reachable(&config.policies) {
        let mut refuse = |key: &str, what: &str, cure: String| {
            let origin = origin_of(source, text, &policy.name);
            let path = format!("policies.{}.{key}", policy.name);
            faults.push(Fault { origin, path, what: what.to_owned(), excerpt: None, cure: Some(cure) });
        };
        match &policy.service_now {
            Some(name) if !instances.contains(&name.as_str()) => refuse(
                "service_now",
                "names no connection of kind servicenow",
                format!("write one of: {}", instances.join(", ")),
            ),
            None if instances.is_empty() => refuse(
                "service_now",
                "there is no connection of kind servicenow that could hold its changes",
                "add one under `connections`".to_owned(),
            ),
            None if instances.len() > 1 => refuse(
                "service_now",
                "says not which ServiceNow gets its changes, and there are several",
                format!("write one of: {}", instances.join(", ")),
            ),
            _ => {}
        }
        // The template of a standard change names its group.
        let names_group = policy.change.change_type == ChangeType::Standard;
        if policy.change.assignment_group.is_none() && !names_group {
            refuse(
                "change.assignment_group",
                "a change without an assignment group does not leave New, so nobody is asked",
                format!(
                    "in the policy named `{}` write change: {{ assignment_group: <name or sys_id> }}",
                    policy.name
                ),
            );
        }
        let rollback =
            policy.rollback.as_ref().filter(|rollback| rollback.change_type != ChangeType::Standard);
        let has_group = |own: &Option<String>| own.is_some() || policy.change.assignment_group.is_some();
        if names_group && rollback.is_some_and(|rollback| !has_group(&rollback.assignment_group)) {
            refuse(
                "rollback.assignment_group",
                "the change of a rollback without an assignment group does not leave New",
                "name one there, or under change".to_owned(),
            );
        }
    }
    faults
}

/// Behind a policy that fits everything none is ever used; the default one often stands there.
pub fn reachable(policies: &[Policy]) -> &[Policy] {
    let catch_all = policies.iter().position(|policy| policy.when == When::default());
    &policies[..catch_all.map_or(policies.len(), |index| index + 1)]
}

/// The line on which a policy is named. Without one it is the default that the file does not replace.
fn origin_of(source: &str, text: &str, policy: &str) -> Origin {
    let names = |line: &str| {
        let value = line.trim_start().trim_start_matches("- ").trim_start().strip_prefix("name:");
        value.is_some_and(|value| value.trim().trim_matches(['"', '\'']) == policy)
    };
    let line = text.lines().position(names).map(|index| index as u64 + 1);
    Origin { source: source.to_owned(), line, column: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let config = Config::parse("test.yaml", text, std::iter::empty()).unwrap();
        policy_faults(&config, "test.yaml", text).iter().map(ToString::to_string).collect()
    }

    const TWO: &str = "connections:\n  one: { kind: servicenow }\n  two: { kind: servicenow }\n";

    #[test]
    fn without_connections_no_policy_is_used_and_none_is_wrong() {
        assert!(faults("{}").is_empty());
    }

    #[test]
    fn a_policy_without_a_group_is_a_fault_on_its_line() {
        let text = "connections:\n  one: { kind: servicenow }\npolicies:\n  - name: default\n";
        let found = faults(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("test.yaml:4: policies.default.change.assignment_group"), "{found:?}");
    }

    #[test]
    fn a_standard_change_has_its_templates_group() {
        let policy = "  - name: default\n    change: { type: standard, template: Clear BGP sessions }\n";
        assert!(
            faults(&format!("connections:\n  one: {{ kind: servicenow }}\npolicies:\n{policy}")).is_empty()
        );
    }

    #[test]
    fn the_change_of_a_rollback_needs_a_group_too() {
        let text = |more: &str| {
            let change = "change: { type: standard, template: Clear BGP sessions }";
            let policy = format!("  - name: default\n    {change}\n    rollback: {{ {more} }}\n");
            format!("connections:\n  one: {{ kind: servicenow }}\npolicies:\n{policy}")
        };
        let found = faults(&text("type: normal"));
        assert!(found.len() == 1 && found[0].contains("rollback.assignment_group"), "{found:?}");
        assert!(faults(&text("type: normal, assignment_group: Network")).is_empty());
    }

    #[test]
    fn every_example_is_a_configuration_without_faults() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "yaml")).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let check = |config: &Config| super::faults(config, Some(&file), &Role::ALL);
            if let Err(faults) = Config::load_and_check(Some(&file), std::iter::empty(), check) {
                panic!("{}: {faults}", file.display());
            }
        }
    }

    #[test]
    fn a_policy_that_is_never_reached_is_not_judged() {
        let text = |when: &str| {
            let policy = format!("  - name: mine\n    {when}change: {{ assignment_group: Network }}\n");
            format!("connections:\n  one: {{ kind: servicenow }}\npolicies:\n{policy}")
        };
        assert!(faults(&text("")).is_empty());
        let found = faults(&text("when: { environment: production }\n    "));
        assert!(found.len() == 1 && found[0].contains("policies.default.change"), "{found:?}");
    }

    #[test]
    fn a_policy_must_say_which_of_several_instances() {
        let group = "change: { assignment_group: Change Management }";
        let text = format!("{TWO}policies:\n  - name: default\n    {group}\n");
        let found = faults(&text);
        assert!(found.len() == 1 && found[0].contains("write one of: one, two"), "{found:?}");
        assert!(faults(&format!("{text}    service_now: two\n")).is_empty());
    }
}
