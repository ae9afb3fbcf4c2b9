use interlock_events::{AttributesReader, data_of};
use interlock_runtime::webhook::check_nesting;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const RECEIVED: &str = "2026-02-03T04:05:09Z";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../fixtures/github/", $name, ".json"))
    };
}

fn origin() -> Origin {
    Origin {
        tenant: "default".into(),
        key_name: "github".into(),
        name: "github".into(),
        source: "/tenants/default/connections/github".into(),
        base: Url::parse("https://api.github.com").unwrap(),
    }
}

fn read(name: &str, body: &str) -> Result<Parsed, Unreadable> {
    translate(&origin(), name, body.as_bytes(), RECEIVED.parse().unwrap())
}

/// The only event in a webhook, as its subscribers see it.
fn event_in(name: &str, body: &str) -> Event {
    let mut parsed = read(name, body).unwrap();
    assert_eq!((parsed.kind.as_str(), parsed.events.len()), (name, 1));
    parsed.events.remove(0)
}

fn altered(body: &str, pointer: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    *body.pointer_mut(pointer).unwrap() = value;
    body.to_string()
}

const GATE: &str = fixture!("deployment_protection_rule.requested");
const STARTED: &str = fixture!("deployment_status.in_progress");

#[test]
fn a_protection_rule_asks_for_a_deployment_with_its_gate() {
    insta::assert_json_snapshot!(event_in("deployment_protection_rule", GATE));
}

#[test]
fn a_created_deployment_binds_the_attempt_and_has_no_gate() {
    insta::assert_json_snapshot!(event_in("deployment", fixture!("deployment.created")));
}

#[test]
fn a_status_in_progress_is_a_start() {
    insta::assert_json_snapshot!(event_in("deployment_status", STARTED));
}

#[test]
fn a_status_success_or_failure_is_an_end() {
    insta::assert_json_snapshot!(event_in("deployment_status", fixture!("deployment_status.success")));
    let failed: DeploymentFinished =
        data_of(&event_in("deployment_status", fixture!("deployment_status.failure"))).unwrap();
    assert_eq!(failed.outcome, Outcome::Failed);
}

#[test]
fn a_completed_run_is_its_end() {
    insta::assert_json_snapshot!(event_in("workflow_run", fixture!("workflow_run.completed")));
}

#[test]
fn what_we_do_not_act_on_has_no_events_and_a_known_kind() {
    let completed = fixture!("workflow_run.completed");
    let cases = [
        ("ping", fixture!("ping").to_owned(), "ping"),
        ("deployment_status", fixture!("deployment_status.waiting").to_owned(), "deployment_status"),
        (
            "deployment_status",
            altered(STARTED, "/deployment_status/state", json!("inactive")),
            "deployment_status",
        ),
        ("deployment_status", altered(STARTED, "/workflow_run", Value::Null), "deployment_status"),
        ("deployment", altered(fixture!("deployment.created"), "/workflow_run", Value::Null), "deployment"),
        ("workflow_run", altered(completed, "/action", json!("requested")), "workflow_run"),
        (
            "workflow_run",
            altered(completed, "/workflow_run/conclusion", json!("action_required")),
            "workflow_run",
        ),
        (
            "deployment_protection_rule",
            altered(GATE, "/action", json!("edited")),
            "deployment_protection_rule",
        ),
        ("issues", "{}".to_owned(), "other"),
        ("made-up-to-fill-the-metrics", "{}".to_owned(), "other"),
    ];
    for (name, body, kind) in cases {
        assert_eq!(read(name, &body), Ok(Parsed { kind: kind.into(), events: Vec::new() }), "{name}: {body}");
    }
}

#[test]
fn each_conclusion_of_a_run_has_its_outcome() {
    use Outcome::{Canceled, Failed, Skipped, Succeeded};
    let outcomes = [
        ("success", Succeeded),
        ("failure", Failed),
        ("timed_out", Failed),
        ("startup_failure", Failed),
        ("cancelled", Canceled),
        ("skipped", Skipped),
        ("neutral", Skipped),
        ("stale", Skipped),
    ];
    for (conclusion, expected) in outcomes {
        assert_eq!(conclusion_outcome(conclusion), Some(expected), "{conclusion}");
    }
    for open in ["action_required", "queued", "in_progress", "", "null", "SUCCESS"] {
        assert_eq!(conclusion_outcome(open), None, "{open}");
    }
}

#[test]
fn ids_may_be_texts_and_new_keys_and_odd_types_do_no_harm() {
    let mut body: Value = serde_json::from_str(GATE).unwrap();
    body["deployment"]["id"] = json!("5510093");
    body["repository"]["id"] = json!("880417");
    body["sender"] = json!([1, { "login": "x" }]);
    body["organization"] = json!(false);
    body["deployment"]["ref"] = json!({ "name": "trunk" });
    body["brand_new"] = json!({ "deep": [[[]]] });
    let odd = event_in("deployment_protection_rule", &body.to_string());
    let plain = event_in("deployment_protection_rule", GATE);
    assert_eq!(odd.id(), plain.id());
    let data: DeploymentRequested = data_of(&odd).unwrap();
    assert_eq!((data.deployment.reference, data.deployment.actor.as_deref()), (None, Some("noor")));
}

#[test]
fn what_must_be_there_is_named_when_it_is_not() {
    let cases = [
        ("/deployment", json!(null), "/deployment"),
        ("/deployment/id", json!(null), "/deployment/id"),
        ("/deployment/id", json!("5510093/.."), "/deployment/id"),
        ("/deployment/sha", json!(""), "/deployment/sha"),
        ("/deployment/environment", json!("x".repeat(2_000)), "/deployment/environment"),
        ("/repository", json!(7), "/repository"),
        ("/repository/id", json!(-1), "/repository/id"),
        ("/repository/full_name", json!("harbour/other"), "/deployment_callback_url"),
        ("/installation/id", json!(1.5), "/installation/id"),
        ("/deployment_callback_url", json!("https://evil.example/"), "/deployment_callback_url"),
    ];
    for (pointer, value, at) in cases {
        let error = read("deployment_protection_rule", &altered(GATE, pointer, value)).unwrap_err();
        assert_eq!(error.at, at, "{error}");
    }
    assert_eq!(read("deployment", "{\n  broken").unwrap_err().at, "line 2, column 3");
}

#[test]
fn the_receipt_counts_where_github_gives_no_time() {
    let event =
        event_in("deployment_protection_rule", &altered(GATE, "/deployment/created_at", json!("soon")));
    assert_eq!(event.time().map(|time| time.to_rfc3339()), Some("2026-02-03T04:05:09+00:00".into()));
}

#[test]
fn a_renamed_connection_keeps_its_keys_and_answers_under_its_new_name() {
    let renamed = Origin { name: "github-east".into(), ..origin() };
    let parsed =
        translate(&renamed, "deployment_protection_rule", GATE.as_bytes(), RECEIVED.parse().unwrap())
            .unwrap();
    let data: DeploymentRequested = data_of(&parsed.events[0]).unwrap();
    assert_eq!(data.deployment.key.connection, "github");
    assert_eq!(data.gate.unwrap().connection, "github-east");
    assert_eq!(parsed.events[0].id(), event_in("deployment_protection_rule", GATE).id());
}

const EVENTS: [&str; 4] = ["deployment_protection_rule", "deployment", "deployment_status", "workflow_run"];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,12}", inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// Every place in the fixtures that a value may stand at.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        into.push(at.clone());
        pointers(inner, &at, into);
    }
}

proptest! {
    #[test]
    fn reading_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), name in 0..4_usize) {
        let _ = check_nesting(&bytes);
        let _ = translate(&origin(), EVENTS[name], &bytes, RECEIVED.parse().unwrap());
    }

    #[test]
    fn reading_never_panics_whatever_the_json(json in any_json(), name in 0..4_usize) {
        let _ = read(EVENTS[name], &json.to_string());
    }

    #[test]
    fn reading_never_panics_whatever_stands_in_a_place(place in any::<prop::sample::Index>(), json in any_json(), name in 0..4_usize) {
        let body = [GATE, fixture!("deployment.created"), STARTED, fixture!("workflow_run.completed")][name];
        let mut places = Vec::new();
        pointers(&serde_json::from_str(body).unwrap(), "", &mut places);
        let _ = read(EVENTS[name], &altered(body, place.get::<String>(&places), json));
    }
}
