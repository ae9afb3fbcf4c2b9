use interlock_runtime::config::Config;

use super::*;

fn config(text: &str) -> Config {
    Config::parse("test.yaml", text, std::iter::empty()).unwrap()
}

const GOOD: &str = "
connections:
  github:
    kind: github
    app_id: 12
  acme:
    kind: servicenow
    tenant: payments
    base_url: https://acme.service-now.com/
    auth:
      oauth:
        client_id: interlock
        client_secret: ${env:SN_SECRET}
    webhook:
      encoding: base64
      header: X-Signature
      secrets:
        - ${env:SN_HOOK}
    state_map:
      -5: new
      -4: assess
      -3: authorize
      -2: scheduled
      -1: implement
      0: review
      3: closed
      4: canceled
      7: closed
  other:
    kind: servicenow
    base_url: http://127.0.0.1:8081
    auth:
      basic:
        username: interlock
        password: ${file:/run/secrets/servicenow}
";

#[test]
fn the_sections_of_our_kind_are_read_with_their_defaults() {
    let config = config(GOOD);
    let sections = sections(&config).unwrap();
    let names: Vec<&str> = sections.iter().map(|(connection, _)| connection.name.as_str()).collect();
    assert_eq!(names, ["acme", "other"]);
    let acme = &sections[0].1;
    assert_eq!(acme.base_url.as_str(), "https://acme.service-now.com");
    assert_eq!(acme.state_map.state(7), Some(interlock_rules::ChangeState::Closed));
    assert_eq!(acme.state_map.number(interlock_rules::ChangeState::Closed), 3);
    let other = &sections[1].1;
    assert_eq!((other.permits, other.base_url.authority()), (4, "127.0.0.1:8081"));
    assert!(other.webhook.is_none());
    let sources = webhook_sources(&config).unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(sources["acme"].source_uri(), "/tenants/payments/connections/acme");
}

fn fault(key: &str, value: &str) -> String {
    let text = format!(
        "connections:\n  acme:\n    kind: servicenow\n    base_url: https://acme.service-now.com\n    auth:\n      basic:\n        \
         username: u\n        password: ${{env:P}}\n    {key}: {value}\n"
    );
    let text = if key == "base_url" {
        text.replacen("    base_url: https://acme.service-now.com\n", "", 1)
    } else {
        text
    };
    sections(&config(&text)).unwrap_err().to_string()
}

#[test]
fn a_wrong_section_is_told_with_the_cure() {
    for (key, value, said) in [
        ("permits", "9", "from 1 to 8"),
        ("permits", "0", "from 1 to 8"),
        ("webhook", "{ secrets: [] }", "name a secret"),
        ("webhook", "{ secrets: [hunter2] }", "${env:NAME}"),
        ("webhook", "{ secrets: ['${env:H}'], header: 'a b' }", "no name of a header"),
        ("state_map", "{ -5: new }", "name all eight states"),
        ("base_url", "acme", "https://<instance>.service-now.com"),
        ("base_url", "https://user:hunter2@acme.service-now.com", "no user"),
        ("base_url", "ftp://acme.service-now.com", "not an HTTP URL"),
        ("permit", "4", "permits"),
    ] {
        let told = fault(key, value);
        assert!(told.contains(said) && !told.contains("hunter2"), "{key}: {value}\n{told}");
    }
}
