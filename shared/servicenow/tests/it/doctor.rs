//! The examination of a connection: each fault is seeded in a simulated instance and found by its name.

use std::sync::Arc;

use interlock_runtime::ports::clock::SystemClock;
use interlock_servicenow::doctor::{Doctor, Examination, PolicyWishes, Severity, Verdict, Wishes};
use interlock_simulators::servicenow::{Effect, Fault, Knobs, Options, ServiceNow as Simulator};
use serde_json::{Value, json};

use crate::world::{BASE, InProcess, reference, secret, settings_of};

mod faults;
mod test_change;

const INTERLOCK: &str = "26fbff173b331300ad3cc9bb34efc4bd";

/// An instance with one approved change of other people's, and business rules that tell of changes.
fn instance() -> Simulator {
    instance_with(|_| {})
}

fn instance_with(change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::default();
    change(&mut options);
    let sim = Simulator::new(options);
    let fields = [("number", "CHG0000001"), ("type", "normal"), ("state", "-4"), ("active", "true")];
    let more = ["approval", "correlation_id", "correlation_display", "on_hold", "start_date", "end_date"];
    let more = more.map(|field| (field, if field == "approval" { "requested" } else { "" }));
    let change = sim.insert("change_request", &[fields.as_slice(), more.as_slice()].concat()).unwrap();
    let row = [("sysapproval", change.as_str()), ("approver", INTERLOCK), ("state", "requested")];
    sim.insert("sysapproval_approver", &row).unwrap();
    let note =
        [("name", "change_request"), ("element", "work_notes"), ("element_id", &change), ("value", "x")];
    sim.insert("sys_journal_field", &note).unwrap();
    let rule = [("name", "Interlock: change"), ("collection", "change_request"), ("active", "true")];
    sim.insert("sys_script", &rule).unwrap();
    let role = sim.insert("sys_user_role", &[("name", "sn_change_write")]).unwrap();
    sim.insert("sys_user_has_role", &[("user", INTERLOCK), ("role", &role)]).unwrap();
    sim
}

fn turn(sim: &Simulator, change: impl FnOnce(&mut Knobs)) {
    let mut knobs = sim.knobs();
    change(&mut knobs);
    sim.set_knobs(knobs);
}

fn shorten(knobs: &mut Knobs) {
    knobs.text_max.insert("correlation_id".into(), 40);
}

fn play(sim: &Simulator, effect: Effect, method: &str, table: &str) {
    sim.fault(Fault::forever(effect).on_method(method).on_table(table)).unwrap();
}

/// Changes the rows of a table that have this value.
fn edit(sim: &Simulator, table: &str, which: (&str, &str), fields: &[(&str, &str)]) {
    let found = sim.records(table).into_iter().filter(|row| row[which.0] == which.1);
    let ids: Vec<String> = found.map(|row| row["sys_id"].as_str().unwrap().to_owned()).collect();
    assert!(!ids.is_empty(), "{table} has no row whose {} is {}", which.0, which.1);
    for id in ids {
        sim.update(table, &id, fields).unwrap();
    }
}

fn wishes() -> Wishes {
    let policy = PolicyWishes {
        name: "default".into(),
        group: Some("Change Management".into()),
        item: Some("payments-api".into()),
        template: Some("Clear BGP sessions on a Cisco router".into()),
        fields: [("risk".to_owned(), Some("4".to_owned()))].into(),
        close_codes: ["successful".to_owned(), "unsuccessful".to_owned()].into(),
        change_type: "normal".into(),
    };
    Wishes { policies: vec![policy] }
}

fn with_policy(change: impl FnOnce(&mut PolicyWishes)) -> Wishes {
    let mut wishes = wishes();
    change(&mut wishes.policies[0]);
    wishes
}

fn with_field(field: &str, value: Option<&str>) -> Wishes {
    with_policy(|policy| {
        policy.fields.insert(field.to_owned(), value.map(str::to_owned));
    })
}

fn by_client(secret: &str) -> Value {
    json!({ "oauth": { "client_id": "interlock-client", "client_secret": secret } })
}

fn by_password(secret: &str) -> Value {
    json!({ "basic": { "username": "interlock", "password": secret } })
}

async fn examined(sim: &Simulator, wishes: &Wishes, write: bool) -> Examination {
    let secret = secret("interlock-client-secret");
    examined_as(sim, &by_client(&reference(&secret)), wishes, write).await
}

async fn examined_as(sim: &Simulator, auth: &Value, wishes: &Wishes, write: bool) -> Examination {
    examined_with(sim, &json!({ "base_url": BASE, "auth": auth }), wishes, write).await
}

async fn examined_with(sim: &Simulator, settings: &Value, wishes: &Wishes, write: bool) -> Examination {
    let mut settings = settings.clone();
    settings["webhook"] = json!({ "secrets": ["${env:CARGO_PKG_NAME}"] });
    let settings = settings_of(&settings);
    let http = Arc::new(InProcess::of(sim.router()));
    let doctor = Doctor::new("acme", settings, http, Arc::new(SystemClock));
    doctor.examine(wishes, write, &mut |_| {}).await
}

fn names(examination: &Examination) -> Vec<&'static str> {
    examination.findings().map(|finding| finding.name.as_str()).collect()
}

fn unseen(examination: &Examination) -> Vec<&Verdict> {
    examination.verdicts.iter().filter(|verdict| verdict.unseen.is_some()).collect()
}

/// Exactly this is found by reading, and it says a cause and a cure.
async fn found(sim: &Simulator, expected: &[&str]) -> Examination {
    found_for(sim, &wishes(), expected).await
}

async fn found_for(sim: &Simulator, wishes: &Wishes, expected: &[&str]) -> Examination {
    told(examined(sim, wishes, false).await, expected)
}

fn told(examination: Examination, expected: &[&str]) -> Examination {
    assert_eq!(names(&examination), expected, "{examination:#?}");
    assert!(examination.findings().all(|finding| finding.cause.len() > 10 && finding.cure.len() > 10));
    examination
}

#[tokio::test]
async fn a_healthy_instance_gives_no_finding_and_nothing_is_written_to_it() {
    let sim = instance();
    let examination = found(&sim, &[]).await;
    assert_eq!(unseen(&examination), Vec::<&Verdict>::new());
    assert_eq!(examination.user.as_deref(), Some("interlock"));
    assert!(examination.calls <= 25, "{}", examination.calls);
    let written = sim.requests().find(&Default::default()).into_iter();
    let written: Vec<_> =
        written.filter(|asked| asked.method != "GET" && asked.path != "/oauth_token.do").collect();
    assert!(written.is_empty(), "{written:?}");
}

#[tokio::test]
async fn what_the_user_may_not_look_at_is_unseen_and_no_finding() {
    let sim = instance();
    for table in ["sys_dictionary", "sys_data_policy2", "sys_choice", "sys_script", "sys_user_has_role"] {
        play(&sim, Effect::AclRefuse, "GET", table);
    }
    let examination = found(&sim, &[]).await;
    let checks: Vec<&str> = unseen(&examination).iter().map(|verdict| verdict.check.as_str()).collect();
    let expected = ["roles", "correlation id", "mandatory fields", "choices", "states", "webhook"];
    assert_eq!(checks, expected);
}

#[tokio::test]
async fn an_examination_holds_no_secret() {
    let secret = secret("hunter2");
    let refused = examined_as(&instance(), &by_client(&reference(&secret)), &wishes(), false).await;
    let text = format!("{refused:?} {}", serde_json::to_string(&refused).unwrap());
    assert!(!text.contains("hunter2"), "{text}");
}
