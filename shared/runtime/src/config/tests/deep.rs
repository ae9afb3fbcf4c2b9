//! Faults beneath other keys, and secrets that shapes of serde would show.

use super::*;

#[test]
fn faults_deep_in_a_policy_are_all_reported() {
    let text = "\
policies:
  - name: deep
    change:
      type: usual
      short: x
      cmdb_ci: payments
    approval:
      timeout: 5
      on_rejection: maybe
    window: never
  - name: well
";
    insta::assert_snapshot!(faults(text), @r#"
    5 faults in the configuration
    interlock.yaml:4:13: policies[0].change.type: unknown value `usual`
      4 |       type: usual
      cure: known: normal, emergency, standard
    interlock.yaml:5:7: policies[0].change: unknown key `short`
      5 |       short: …
      cure: did you mean `start`? known: type, template, assignment_group, cmdb_ci, short_description, description, start, end, fields
    interlock.yaml:8:7: policies[0].approval: unknown key `timeout`
      8 |       timeout: …
      cure: did you mean `timeout_minutes`? known: timeout_minutes, on_rejection
    interlock.yaml:9:21: policies[0].approval.on_rejection: unknown value `maybe`
      9 |       on_rejection: maybe
      cure: known: reject, wait
    interlock.yaml:10:13: policies[0].window: unknown value `never`
      10 |     window: never
      cure: known: as_planned, required
    "#);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deep {
    #[serde(rename = "numbers")]
    _numbers: std::collections::BTreeMap<u16, String>,
    hooks: Vec<Option<Adapter>>,
}

#[test]
fn faults_deep_in_a_connection_are_all_reported() {
    let section = |own: &str| {
        let config = load(&format!("connections:\n  hub:\n    kind: k\n    {own}")).unwrap();
        config.connections().next().unwrap().section::<Deep>()
    };
    let good = "\
    numbers: { 1: a, 2: b }
    hooks:
      - { url: u, token: '${env:T}' }
      - null
";
    assert_eq!(section(good).unwrap().hooks.len(), 2);
    let bad = "\
    numbers: { 1: a, -2: b }
    hooks:
      - { url: u, token: hunter2 }
      - retries: many
        tokn: hunter2
      - 5
";
    let said = section(bad).unwrap_err().to_string();
    assert!(!said.contains("hunter2"), "{said}");
    insta::assert_snapshot!(said, @r#"
    6 faults in the configuration
    interlock.yaml:4:22: connections.hub.numbers: the value does not fit
      4 |     numbers: { 1: a, -2: b }
      cure: write a whole number, not below 0
    interlock.yaml:6:26: connections.hub.hooks[0].token: a secret stands here in the clear or its reference is malformed
      6 |       - { url: …
      cure: write ${env:NAME} or ${file:/run/secrets/name}
    interlock.yaml:7:18: connections.hub.hooks[1].retries: the value does not fit
      7 |       - retries: many
      cure: write a whole number, not below 0
    interlock.yaml:8:9: connections.hub.hooks[1]: unknown key `tokn`
      8 |         tokn: …
      cure: did you mean `token`? known: url, token, retries
    interlock.yaml:8:9: connections.hub.hooks[1]: `url` is missing
      8 |         tokn: …
      cure: add `url:`
    interlock.yaml:9:9: connections.hub.hooks[2]: the value does not fit
      9 |       - 5
      cure: write keys with values
    "#);
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Login {
    Basic {
        #[serde(rename = "pin")]
        _pin: SecretRef,
    },
}

#[derive(Debug, Deserialize)]
struct Tagged {
    #[serde(rename = "login")]
    _login: Login,
}

#[test]
fn a_literal_secret_behind_a_tag_is_not_shown_either() {
    for pin in
        ["4711", "-4711", "4711.5", "47110000000000000000000000", "true", "hunter2", "{ a: 4711 }", "null"]
    {
        let text =
            format!("connections:\n  hub:\n    kind: k\n    login:\n      type: basic\n      pin: {pin}\n");
        let config = load(&text).unwrap();
        let said = config.connections().next().unwrap().section::<Tagged>().unwrap_err().to_string();
        assert!(
            said.contains("interlock.yaml:") && !said.contains("4711") && !said.contains("hunter2"),
            "{said}"
        );
    }
}
