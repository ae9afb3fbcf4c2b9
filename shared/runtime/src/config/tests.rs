//! The file over the defaults, the environment over the file, and every fault in one message.

mod deep;
mod policies;

use serde::Deserialize;
use serde_json::Value;

use super::document::Step;
use super::*;
use crate::secret::SecretRef;

const NO_ENVIRONMENT: [(String, String); 0] = [];

fn load(text: &str) -> Result<Config, Faults> {
    Config::parse("interlock.yaml", text, NO_ENVIRONMENT.into_iter())
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, Faults> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse("interlock.yaml", text, environment)
}

fn faults(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Adapter {
    url: String,
    token: SecretRef,
    #[serde(default)]
    retries: u32,
}

#[test]
fn the_defaults_are_a_configuration() {
    let config = Config::load(None, NO_ENVIRONMENT.into_iter()).unwrap();
    assert!(matches!(&config.broker.place, Place::Embedded(folder) if folder == Path::new("./data")));
    assert!(matches!(&config.store.place, Place::Embedded(folder) if folder == Path::new("./data")));
    assert_eq!(config.ingress.listen.to_string(), "127.0.0.1:8080");
    let spool = config.ingress.spool.as_ref().unwrap();
    assert_eq!((spool.folder.to_str(), spool.entries_max), (Some("./data/spool"), 100_000));
    assert_eq!(config.timing.settle.as_secs(), 75);
    assert_eq!(config.worker.concurrency, 16);
    assert_eq!(config.telemetry.otlp_endpoint, None);
    assert_eq!(config.policies.iter().map(|policy| &*policy.name).collect::<Vec<_>>(), ["default"]);
    assert_eq!(config.connections().count(), 0);
}

#[test]
fn the_defaults_show_every_key_of_a_policy_with_its_default() {
    let shown: Vec<Policy> =
        Document::parse("", DEFAULTS).unwrap().value(&[Step::Key("policies")]).unwrap().unwrap();
    let built_in: Policy = serde_saphyr::from_str("name: default").unwrap();
    assert_eq!(shown, std::slice::from_ref(&built_in));
    let written: Value = serde_saphyr::from_str::<Value>(DEFAULTS).unwrap()["policies"][0].take();
    assert_same_keys(&written, &serde_json::to_value(built_in).unwrap(), "policy");
}

fn assert_same_keys(written: &Value, built_in: &Value, path: &str) {
    let (Value::Object(written), Value::Object(built_in)) = (written, built_in) else { return };
    assert!(written.keys().eq(built_in.keys()), "{path}: {written:?} {built_in:?}");
    for (key, value) in written {
        assert_same_keys(value, &built_in[key], &format!("{path}.{key}"));
    }
}

#[test]
fn the_environment_is_laid_over_the_file_and_the_file_over_the_defaults() {
    let text = "ingress:\n  listen: 0.0.0.0:80\n  in_flight_max: 9\nworker:\n";
    let config = load_with(text, &[("INTERLOCK__INGRESS__LISTEN", "[::]:81"), ("PATH", "/bin")]).unwrap();
    assert_eq!(config.ingress.listen.to_string(), "[::]:81");
    assert_eq!((config.ingress.in_flight_max, config.ingress.body_limit_bytes), (9, 25_000_000));
    assert_eq!(config.worker.concurrency, 16);
    for empty in ["", "# nothing\n", "{}"] {
        assert_eq!(load(empty).unwrap().timing.poll.as_secs(), 15, "{empty:?}");
    }
}

#[test]
fn a_spool_is_a_folder_with_bounds_or_off() {
    let text = "ingress: { spool: /var/spool/interlock, spool_bytes_max: 2000000 }";
    let spool = load(text).unwrap().ingress.spool.unwrap();
    assert_eq!((spool.folder.to_str(), spool.bytes_max), (Some("/var/spool/interlock"), 2_000_000));
    assert_eq!(load("ingress: { spool: off }").unwrap().ingress.spool, None);
    assert_eq!(load_with("", &[("INTERLOCK__INGRESS__SPOOL", "off")]).unwrap().ingress.spool, None);
    let found = faults("ingress: { spool: '', spool_bytes_max: 7, spool_entries_max: 0 }");
    assert!(found.starts_with("3 faults"), "{found}");
}

#[test]
fn every_fault_is_reported_at_once_with_line_excerpt_and_cure() {
    let text = "\
broker: ampq://rabbit
store: redis://:hunter2@redis
ingress:
  listen: 8080
  body_limit: 5
  in_flight_max: none
telemetry:
  log: xml
  level: info,=
  otlp_endpoint: collector:4318
timing:
  settle_seconds: 400
  poll_seconds: -1
conections: {}
policies:
  - name: strict
    aproval: { timeout_minutes: 5 }
    window: sometimes
  - when: {}
";
    insta::assert_snapshot!(faults(text), @r#"
    14 faults in the configuration
    interlock.yaml:1:9: broker: `ampq:` is not a scheme that it speaks
      1 | broker: ampq://rabbit
      cure: write embedded:./data, a URL of amqp or amqps, or ${env:NAME}
    interlock.yaml:2:8: store: the URL holds a password in the clear
      2 | store: …
      cure: for the whole URL write ${env:NAME} or ${file:/run/secrets/name}
    interlock.yaml:4:11: ingress.listen: invalid socket address syntax
      4 |   listen: 8080
      cure: write an address and a port: 127.0.0.1:8080
    interlock.yaml:5:3: ingress: unknown key `body_limit`
      5 |   body_limit: …
      cure: did you mean `body_limit_bytes`? known: listen, body_limit_bytes, in_flight_max, spool, spool_bytes_max, spool_entries_max
    interlock.yaml:6:18: ingress.in_flight_max: the value does not fit
      6 |   in_flight_max: none
      cure: write a whole number from 1 to 10000
    interlock.yaml:8:8: telemetry.log: unknown value `xml`
      8 |   log: xml
      cure: write human or json
    interlock.yaml:9:10: telemetry.level: is no filter: invalid filter directive
      9 |   level: info,=
      cure: write error, warn, info, debug or trace, or a filter: info,interlock_broker=debug
    interlock.yaml:10:18: telemetry.otlp_endpoint: is no URL over HTTP
      10 |   otlp_endpoint: collector:4318
      cure: write the collector's base: http://localhost:4318
    interlock.yaml:12:19: timing.settle_seconds: 400 is out of range
      12 |   settle_seconds: 400
      cure: write a whole number from 1 to 310
    interlock.yaml:13:17: timing.poll_seconds: the value does not fit
      13 |   poll_seconds: -1
      cure: write a whole number from 1 to 600
    interlock.yaml:14:1: unknown key `conections`
      14 | conections: …
      cure: did you mean `connections`? known: broker, store, ingress, admin, telemetry, timing, worker, connections, policies, freezes
    interlock.yaml:17:5: policies[0]: unknown key `aproval`
      17 |     aproval: …
      cure: did you mean `approval`?
    interlock.yaml:18:13: policies[0].window: unknown value `sometimes`
      18 |     window: sometimes
      cure: known: as_planned, required
    interlock.yaml:19:5: policies[1]: `name` is missing
      19 |   - when: …
      cure: add `name:`
    "#);
}

#[test]
fn a_freeze_that_no_calendar_could_mean_is_reported_where_it_stands() {
    let text = "\
freezes:
  - { name: a, time_zone: Europe/Berln }
  - { name: b, from: 18.12.2026 }
  - { name: c, weekly: { from: Freitag, until: Mon 06:00 } }
";
    insta::assert_snapshot!(faults(text), @"
    3 faults in the configuration
    interlock.yaml:2:27: freezes[0].time_zone: `Europe/Berln` is no time zone; write Europe/Berlin
      2 |   - { name: a, time_zone: Europe/Berln }
    interlock.yaml:3:22: freezes[1].from: `18.12.2026` is no local time; write 2026-12-18 18:00
      3 |   - { name: b, from: 18.12.2026 }
    interlock.yaml:4:32: freezes[2].weekly.from: `Freitag` is no time of the week; write Fri 16:00
      4 |   - { name: c, weekly: { from: Freitag, until: Mon 06:00 } }
    ");
    let text = "\
freezes:
  - { name: a, from: 2026-12-18, until: 2026-12-01 }
  - { name: a, weekly: { from: Fri 16:00, until: Fri 16:00 } }
";
    insta::assert_snapshot!(faults(text), @"
    3 faults in the configuration
    interlock.yaml:2:41: freezes[0].until: it ends before it begins
      2 |   - { name: a, from: 2026-12-18, until: 2026-12-01 }
      cure: write a time after `from`
    interlock.yaml:3:13: freezes[1].name: another freeze is named `a`
      3 |   - { name: a, weekly: { from: Fri 16:00, until: Fri 16:00 } }
      cure: give each its own name: people read it while they wait
    interlock.yaml:3:24: freezes[1].weekly: it begins when it ends
      3 |   - { name: a, weekly: { from: Fri 16:00, until: Fri 16:00 } }
      cure: leave `weekly` out for a freeze that holds all the time
    ");
}

#[test]
fn a_text_that_is_no_yaml_is_one_fault_that_shows_no_value() {
    insta::assert_snapshot!(faults("worker:\n  concurrency: [1\npassword: hunter2\n"), @r#"
    1 fault in the configuration
    interlock.yaml:3:9: illegal placement of ':' indicator
      3 | password: …
      cure: check indentation, quotes and brackets up to here
    "#);
    insta::assert_snapshot!(faults("- one\n"), @r#"
    1 fault in the configuration
    interlock.yaml:1:1: sequence does not fit
      cure: write keys with values
    "#);
    insta::assert_snapshot!(faults("worker: {}\nworker: {}\n"), @r#"
    1 fault in the configuration
    interlock.yaml:2:1: `worker` stands here twice
      2 | worker: …
      cure: keep one
    "#);
    insta::assert_snapshot!(faults("worker: 5\n"), @r#"
    1 fault in the configuration
    interlock.yaml:1:1: worker: integer `5` does not fit
      1 | worker: 5
      cure: write keys with values
    "#);
}

#[test]
fn faults_of_variables_name_the_variable_and_show_no_value() {
    let environment = [
        ("INTERLOCK__WORKER__CONCURRENCY", "many"),
        ("INTERLOCK__TIMING__POLL_SECONDS", "0"),
        ("INTERLOCK__WORKER__CONCURENCY", "5"),
        ("INTERLOCK__CONNECTIONS__GITHUB__TOKEN", "hunter2"),
        ("INTERLOCK__BROKER", "http://user:hunter2@rabbit"),
    ];
    let said = load_with("", &environment).unwrap_err().to_string();
    assert!(!said.contains("hunter2"));
    insta::assert_snapshot!(said, @r#"
    5 faults in the configuration
    INTERLOCK__BROKER: broker: `http:` is not a scheme that it speaks
      cure: write embedded:./data, a URL of amqp or amqps, or ${env:NAME}
    INTERLOCK__CONNECTIONS__GITHUB__TOKEN: names no key of the configuration
      cure: `connections` stand in the file; refer to a variable there: ${env:NAME}
    INTERLOCK__TIMING__POLL_SECONDS: timing.poll_seconds: 0 is out of range
      cure: write a whole number from 1 to 600
    INTERLOCK__WORKER__CONCURENCY: names no key of the configuration
      cure: did you mean `INTERLOCK__WORKER__CONCURRENCY`?
    INTERLOCK__WORKER__CONCURRENCY: worker.concurrency: the value does not fit
      cure: write a whole number from 1 to 1024
    "#);
}

#[test]
fn a_connection_hands_its_own_keys_to_its_adapter() {
    let text = "\
connections:
  hub:
    kind: github
    url: no
    aliases: [old-hub]
    token: ${env:HUB_TOKEN}
  snow: { kind: servicenow, tenant: acme, url: https://acme.example, token: '${file:/run/secrets/snow}' }
";
    let config = load(text).unwrap();
    let [hub, snow] = config.connections().collect::<Vec<_>>()[..] else { unreachable!() };
    assert_eq!(
        (&*hub.name, &*hub.kind, &*hub.tenant, &hub.aliases[..]),
        ("hub", "github", "default", &["old-hub".to_owned()][..])
    );
    assert_eq!(snow.tenant, "acme");
    let expected = Adapter { url: "no".to_owned(), token: SecretRef::env("HUB_TOKEN"), retries: 0 };
    assert_eq!(hub.section::<Adapter>().unwrap(), expected);
    assert_eq!(snow.section::<Adapter>().unwrap().token.to_string(), "${file:/run/secrets/snow}");
}

#[test]
fn every_fault_of_a_connection_is_reported_and_no_secret_is_shown() {
    let text = "\
connections:
  hub:
    kind: github
    token: hunter2
    tokn: hunter2
    retries: often
  block: { kind: github, url: u, token: { value: hunter2 } }
";
    let config = load(text).unwrap();
    let mut all = Faults::default();
    for connection in config.connections() {
        all.gather(connection.section::<Adapter>());
    }
    all.0.extend(config.connections().next().map(|hub| hub.fault("kind", "unknown kind".to_owned(), None)));
    let said = all.to_string();
    assert!(!said.contains("hunter2"), "{said}");
    insta::assert_snapshot!(said, @r#"
    6 faults in the configuration
    interlock.yaml:4:12: connections.hub.token: a secret stands here in the clear or its reference is malformed
      4 |     token: …
      cure: write ${env:NAME} or ${file:/run/secrets/name}
    interlock.yaml:5:5: connections.hub: unknown key `tokn`
      5 |     tokn: …
      cure: did you mean `token`? known: url, token, retries
    interlock.yaml:6:14: connections.hub.retries: the value does not fit
      6 |     retries: often
      cure: write a whole number, not below 0
    interlock.yaml:2:3: connections.hub: `url` is missing
      2 |   hub: …
      cure: add `url:`
    interlock.yaml:7:41: connections.block.token: the value does not fit
      7 |   block: …
      cure: write a reference to a secret: ${env:NAME} or ${file:/run/secrets/name}
    interlock.yaml:3:11: connections.hub.kind: unknown kind
      3 |     kind: github
    "#);
}

#[test]
fn names_of_connections_are_checked_and_are_unambiguous() {
    let text = "\
connections:
  a/b: { kind: github }
  hub: { kind: github, aliases: [old] }
  old: { kind: gitlab }
  none: { tenant: acme }
  number: { kind: github, tenant: [1] }
  empty:
";
    insta::assert_snapshot!(faults(text), @r#"
    5 faults in the configuration
    interlock.yaml:2:8: connections.a/b: the name cannot stand in a URL
      2 |   a/b: { kind: github }
      cure: letters, digits, `-`, `_` and `.`, at most 63
    interlock.yaml:4:8: connections.old.aliases: `old` is also a name of connection `hub`
      4 |   old: { kind: gitlab }
      cure: take it out of one of them
    interlock.yaml:5:3: connections.none: `kind` is missing
      5 |   none: …
      cure: add `kind:`
    interlock.yaml:6:35: connections.number.tenant: the value does not fit
      6 |   number: { kind: github, tenant: [1] }
      cure: write a text
    interlock.yaml:7:3: connections.empty: `kind` is missing
      7 |   empty: …
      cure: add `kind:`
    "#);
}

#[test]
fn a_role_that_runs_alone_needs_servers() {
    let config = load_with("broker: embedded:/var/lib/interlock\n", &[]).unwrap();
    let said = config.for_single_role("change-worker").unwrap_err().to_string();
    insta::assert_snapshot!(said, @r#"
    2 faults in the configuration
    interlock.yaml:1:9: broker: `embedded:/var/lib/interlock` serves exactly one process, but change-worker runs alone and must share it with the other roles
      cure: set a URL of amqp or amqps, or run all roles in one process: interlock run
    defaults:12:8: store: `embedded:./data` serves exactly one process, but change-worker runs alone and must share it with the other roles
      cure: set a URL of redis or rediss, or run all roles in one process: interlock run
    "#);
    let environment =
        [("INTERLOCK__BROKER", "amqp://guest:guest@rabbit"), ("INTERLOCK__STORE", "${env:STORE_URL}")];
    let config = load_with("", &environment).unwrap();
    config.for_single_role("change-worker").unwrap();
    assert!(!format!("{config:?}").contains("guest"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let fault = Config::load(Some(Path::new("/nonexistent.yaml")), NO_ENVIRONMENT.into_iter()).unwrap_err();
    insta::assert_snapshot!(fault, @r#"
    1 fault in the configuration
    /nonexistent.yaml: No such file or directory (os error 2)
      cure: name a readable YAML file
    "#);
}

#[test]
fn anchors_hold_across_sections() {
    let text = "timing: &short { poll_seconds: 1 }\nconnections:\n  a: &a { kind: k, url: u, token: '${env:T}' }\n  b: { <<: *a, url: v }\n";
    let config = load(text).unwrap();
    let urls: Vec<String> =
        config.connections().map(|connection| connection.section::<Adapter>().unwrap().url).collect();
    assert_eq!(urls, ["u", "v"]);
}
