use super::*;

#[test]
fn policies_of_the_file_come_first_and_their_default_takes_its_place() {
    let names = |text: &str| -> Vec<String> {
        load(text).unwrap().policies.into_iter().map(|policy| policy.name).collect()
    };
    assert_eq!(names("policies: [{name: a}, {name: b}]"), ["a", "b", "default"]);
    assert_eq!(names("policies: [{name: default, window: required}]"), ["default"]);
    assert!(faults("policies: [{name: a}, {name: a}]").contains("another policy is named `a`"));
}

#[test]
fn the_change_of_a_rollback_is_checked_as_any_other() {
    let said = faults("policies: [{ name: a, rollback: { type: standard } }]");
    assert!(said.contains("policies[0].rollback: a standard change is made from a template"), "{said}");
    let said = faults("policies: [{ name: a, rollback: { fields: { parent: x, state: '1', u_a: '{{' } } }]");
    for what in
        ["rollback.fields.parent: this is", "rollback.fields.state: this is", "rollback.fields.u_a: template"]
    {
        assert!(said.contains(what), "{what} is missing:\n{said}");
    }
    assert!(faults("policies: [{ name: a, rollback: { tpye: normal } }]").contains("did you mean `type`?"));
    let policies = load("policies: [{ name: a, rollback: {} }]").unwrap().policies;
    assert!(policies[0].rollback.is_some() && policies[1].rollback.is_none(), "off by default");
}

#[test]
fn a_record_of_what_nothing_holds_is_a_standard_change() {
    let said = faults("policies: [{ name: a, gate: none }]");
    assert!(said.contains("policies[0].gate: nobody approves what nothing holds"), "{said}");
    assert!(load("policies: [{ name: a, gate: none, change: { type: standard, template: T } }]").is_ok());
}

#[test]
fn a_check_for_conflicts_needs_an_item_and_both_dates() {
    let of = |more: &str| format!("policies: [{{ name: a, conflict: wait, change: {{ {more} }} }}]");
    let said = faults(&of("cmdb_ci: payments-api, start: '{{ requested_at }}'"));
    assert!(
        said.contains("policies[0].conflict: no conflict can be looked for without `change.end`"),
        "{said}"
    );
    let said = faults(&of("start: a, end: b"));
    assert!(said.contains("without `change.cmdb_ci`"), "{said}");
    assert!(load(&of("cmdb_ci: payments-api, start: a, end: b")).is_ok());
    assert!(load(&of("type: standard, template: T, start: a, end: b")).is_ok(), "its template may have one");
    assert!(load("policies: [{ name: a, conflict: ignore }]").is_ok());
}

#[test]
fn what_is_written_into_an_item_is_checked_too() {
    let of = |fields: &str| format!("policies: [{{ name: a, cmdb: {{ fields: {{ {fields} }} }} }}]");
    assert!(faults(&of("")).contains("policies[0].cmdb.fields: it writes nothing"));
    assert!(faults(&of("sys_class_name: x")).contains("policies[0].cmdb.fields.sys_class_name"));
    assert!(faults(&of("'a,b': x")).contains("no field that may be written"));
    assert!(faults(&of("version: '{{'")).contains("policies[0].cmdb.fields.version: template"));
    assert!(load(&of("version: '{{ reference }}'")).is_ok());
}

#[test]
fn who_may_not_approve_is_checked_too() {
    let said = faults("policies: [{ name: a, separation: { trigger: '{{', author: null } }]");
    assert!(said.contains("policies[0].separation.trigger: template"), "{said}");
    let said = faults("policies: [{ name: a, separation: { trigger: null, author: null } }]");
    assert!(said.contains("policies[0].separation: it looks at nobody"), "{said}");
    let policies = load("policies: [{ name: a, separation: {} }]").unwrap().policies;
    assert!(policies[0].separation.is_some() && policies[1].separation.is_none(), "off by default");
}

#[test]
fn what_a_policy_says_is_checked_before_a_deployment_needs_it() {
    let text = "\
connections:
  snow: { kind: servicenow }
policies:
  - name: good
    service_now: snow
    change: { fields: { u_ref: '{{ reference }}' } }
  - name: bad
    service_now: sonw
    change:
      short_description: 'Deploy {{ sha'
      fields:
        u_token: '{% if %}'
    approval:
      timeout_minutes: 50000
    close:
      finish_within_hours: 0
  - name: bad
";
    insta::assert_snapshot!(faults(text), @r#"
    6 faults in the configuration
    interlock.yaml:8:18: policies[1].service_now: no connection is named `sonw`
      8 |     service_now: sonw
      cure: did you mean `snow`? known: snow
    interlock.yaml:10:26: policies[1].change.short_description: template cannot be used: syntax error: unexpected end of input, expected end of variable block (in <string>:1)
      10 |       short_description: 'Deploy {{ sha'
      cure: write a Jinja template: {{ project.name }}
    interlock.yaml:12:18: policies[1].change.fields.u_token: template cannot be used: syntax error: unexpected end of block (in <string>:1)
      12 |         u_token: …
      cure: write a Jinja template: {{ project.name }}
    interlock.yaml:14:24: policies[1].approval.timeout_minutes: 50000 is out of range
      14 |       timeout_minutes: 50000
      cure: write a number up to 41760
    interlock.yaml:16:28: policies[1].close.finish_within_hours: a deployment needs time to finish
      16 |       finish_within_hours: 0
      cure: write a whole number from 1
    interlock.yaml:17:11: policies[2].name: another policy is named `bad`
      17 |   - name: bad
      cure: give each its own name: it stands in events and notes
    "#);
}

#[test]
fn a_policy_that_no_change_could_follow_is_refused_with_the_cure() {
    let text = "\
policies:
  - name: a
    change: { type: standard }
  - name: b
    change: { template: Clear BGP sessions }
  - name: c
    change:
      type: standard
      template: Clear BGP sessions
      fields: { test_plan: none, state: '3' }
    close: { successful: '' }
";
    let said = faults(text);
    assert!(said.starts_with("5 faults"), "{said}");
    for (at, what, cure) in [
        (
            "3:13: policies[0].change:",
            "a standard change is made from a template",
            "write template: <name or sys_id",
        ),
        (
            "5:25: policies[1].change.template:",
            "only a standard change has a template",
            "or write type: standard",
        ),
        ("10:28: policies[2].change.fields.test_plan:", "from its template alone", "say it in work_notes"),
        (
            "10:41: policies[2].change.fields.state:",
            "never taken from a policy's fields",
            "keys of their own",
        ),
        ("11:26: policies[2].close.successful:", "without a close code", "field close_code"),
    ] {
        let at = said.find(at).unwrap_or_else(|| panic!("{at} is missing:\n{said}"));
        let rest = &said[at..];
        assert!(rest.contains(what) && rest.contains(cure), "{what}, {cure}:\n{said}");
    }
}

#[test]
fn texts_that_no_watch_could_carry_are_refused() {
    let text = |length: usize| {
        format!("policies:\n  - name: default\n    change: {{ description: '{}' }}\n", "x".repeat(length))
    };
    assert!(load(&text(10_000)).is_ok());
    let said = faults(&text(13_000));
    assert!(said.contains("policies[0].change") && said.contains("at most 12288"), "{said}");
}

#[test]
fn evidence_that_no_artifact_could_be_is_refused_with_the_cure() {
    let text =
        |artifacts: &str| format!("policies:\n  - name: a\n    evidence: {{ artifacts: {artifacts} }}\n");
    assert!(load(&text("[junit*, sbom]")).is_ok());
    let many = format!("[{}]", vec!["a"; 21].join(", "));
    for (artifacts, what) in [
        ("[]", "names 0 artifacts"),
        (many.as_str(), "names 21 artifacts"),
        ("[junit, ' ']", "without a name"),
    ] {
        let said = faults(&text(artifacts));
        assert!(said.contains("policies[0].evidence.artifacts") && said.contains(what), "{said}");
        assert!(said.contains("junit*"), "the cure: {said}");
    }
}
