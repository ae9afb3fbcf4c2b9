use async_trait::async_trait;
use bytes::Bytes;
use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::http::HttpError;
use tokio::time::Instant;

use super::*;

/// Building a platform calls nobody.
struct NoNetwork;

#[async_trait]
impl Http for NoNetwork {
    async fn send(&self, _: http::Request<Bytes>, _: Instant) -> Result<http::Response<Bytes>, HttpError> {
        Err(HttpError::NotSent { host: "nowhere".into(), reason: "no network".into() })
    }
}

fn built(yaml: &str) -> Result<Platforms, Faults> {
    let config = Config::parse("test", yaml, std::iter::empty()).unwrap();
    let (http, clock): (Arc<dyn Http>, Arc<dyn Clock>) = (Arc::new(NoNetwork), Arc::new(SystemClock));
    platforms(&config, &http, &clock, None)
}

const GITHUB: &str = "connections:
  github-east:
    kind: github
    aliases: [github]
    app_id: 771203
    private_key: ${file:/run/secrets/app.pem}
    webhook_secrets: ['${env:NEW}', '${env:OLD}']
";

#[test]
fn a_connection_is_found_by_its_name_and_by_those_it_had() {
    let platforms = built(GITHUB).unwrap();
    assert_eq!(platforms.keys().collect::<Vec<_>>(), ["github", "github-east"]);
    assert!(platforms.values().all(|platform| platform.connection() == "github-east"));
}

#[test]
fn connections_of_other_crates_are_left_to_them() {
    assert!(built("connections:\n  snow:\n    kind: servicenow\n").unwrap().is_empty());
}

#[test]
fn every_fault_of_every_connection_is_said_at_once_with_its_cure() {
    let yaml = "connections:
  a:
    kind: githab
  b:
    kind: github
    app_id: ''
    private_key: ${env:KEY}
    webhook_secrets: []
    base_url: https://user:hunter2@github.example
  c:
    kind: github
    app_id: 1
    private_key: hunter2
    webhook_secrets: ['${env:S}']
";
    let said = built(yaml).err().unwrap().to_string();
    for expected in
        ["githab", "known: github, servicenow", "base_url", "webhook_secrets", "app_id", "${env:NAME}"]
    {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
