use std::path::{Path, PathBuf};

use super::*;

const CONNECTIONS: &str = "\
connections:
  github: { kind: github, app_id: 1, private_key: '${file:/none}', webhook_secrets: ['${env:NONE}'] }
  servicenow:
    kind: servicenow
    base_url: https://acme.example.com
    auth: { basic: { username: u, password: '${env:NONE}' } }
";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/platforms/fixtures/github").join(name)
}

fn asked(event: PathBuf, policies: &str) -> anyhow::Result<Answer> {
    let text = format!("{CONNECTIONS}{policies}");
    let config = Config::parse("test.yaml", &text, std::iter::empty())?;
    let wish = PolicyTest { event, connection: None, json: false };
    let (request, gate_limit) = source::read(&wish, &config)?;
    let policies = check::policies(&config);
    answer(request, &policies, gate_limit).map_err(anyhow::Error::msg)
}

const POLICIES: &str = "\
policies:
  - name: staging
    when: { environment: staging, repository: acme/* }
    change: { assignment_group: Network }
  - name: hotfix
    when: { reference: hotfix/* }
    change: { type: emergency, assignment_group: Network }
  - name: default
    change:
      assignment_group: Change Management
      end: '{{ requested_at | plus(hours=2) }}'
      fields: { risk: '3', u_commit: '{{ sha[:7] }}' }
    approval: { timeout_minutes: 480, on_rejection: wait }
";

#[test]
fn a_recorded_webhook_shows_its_policy_its_change_and_its_terms() {
    let answer = asked(fixture("deployment_protection_rule.requested.json"), POLICIES).unwrap();
    insta::assert_snapshot!(shown::shown(&answer));
}

#[test]
fn a_standard_change_shows_its_template() {
    let policies =
        "policies: [{ name: default, change: { type: standard, template: Clear BGP sessions } }]\n";
    let answer = asked(fixture("deployment.created.json"), policies).unwrap();
    let shown = shown::shown(&answer);
    for line in ["type: standard", "template: Clear BGP sessions", "work_notes:", "is held by nothing"] {
        assert!(shown.contains(line), "{line} is missing:\n{shown}");
    }
}

#[test]
fn what_a_conflict_means_is_shown_where_one_is_looked_for() {
    let shown = |rule: &str| {
        let change =
            "change: { cmdb_ci: c, start: '{{ requested_at }}', end: '{{ requested_at | plus(hours=2) }}' }";
        let policies = format!("policies: [{{ name: default, conflict: {rule}, {change} }}]\n");
        shown::shown(&asked(fixture("deployment_protection_rule.requested.json"), &policies).unwrap())
    };
    assert!(!shown("ignore").contains("conflict"));
    for (rule, line) in [
        ("wait", "a conflict that ServiceNow's check finds keeps the gate closed until a check shows none"),
        ("reject", "a conflict that ServiceNow's check finds rejects the gate at once"),
        ("next-slot", "moves the change to the next free slot"),
    ] {
        assert!(shown(rule).contains(line), "{}", shown(rule));
    }
}

#[test]
fn one_of_our_own_events_is_read_too() {
    let request = asked(fixture("deployment_protection_rule.requested.json"), POLICIES).unwrap().request;
    let event = interlock_events::event("/s", request.requested_at, &request);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    std::fs::write(&file, serde_json::to_string(&event).unwrap()).unwrap();
    let answer = asked(file, POLICIES).unwrap();
    assert_eq!(answer.request, request);
    assert_eq!(answer.considered.len(), 3);
}

#[test]
fn what_is_no_deployment_or_no_event_is_refused_with_the_reason() {
    let said = |event| format!("{:#}", asked(event, POLICIES).unwrap_err());
    let ping = said(fixture("ping.json"));
    assert!(ping.contains("github") && ping.contains("no event of a deployment"), "{ping}");
    assert!(said(PathBuf::from("/nowhere.json")).contains("/nowhere.json"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    std::fs::write(&file, "<html>").unwrap();
    assert!(said(file).contains("it is not JSON"));
}

#[test]
fn a_template_that_cannot_be_filled_in_is_named() {
    let policies = "policies: [{ name: default, change: { assignment_group: x, start: soon } }]\n";
    let said = asked(fixture("deployment.created.json"), policies).unwrap_err().to_string();
    assert!(said.contains("`change.start`"), "{said}");
}

#[test]
fn freezes_that_concern_the_deployment_are_told_and_whether_they_hold() {
    let freezes = "\
freezes:
  - { name: year-end, from: 2000-01-01, until: 2999-12-31 18:00, time_zone: Europe/Berlin, reason: closing of the books }
  - { name: past, until: 2000-01-01, except: [normal] }
  - { name: elsewhere, when: { environment: nowhere } }
";
    let answer = asked(fixture("deployment_protection_rule.requested.json"), freezes).unwrap();
    let shown = shown::shown(&answer);
    let (_, told) = shown.split_once("freezes").unwrap();
    insta::assert_snapshot!(told, @r"
    , at the time of the request
      the freeze `year-end` (closing of the books) holds until 2999-12-31 18:00 CET
      the freeze `past` does not hold
        it excepts changes of this type
    ");
}
