//! Which deployments a person means.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_events::{AttributesReader, CorrelationId, DeploymentRequested, EventData, KeyHash};
use interlock_runtime::ports::broker::LogEntry;
use serde::Serialize;
use serde_json::Value;

use crate::words;

/// A deployment that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its key.
    pub key: KeyHash,
    /// When it was asked for, or first heard of.
    pub at: DateTime<Utc>,
    /// In words.
    pub what: String,
}

/// All that fit, the newest first. Case does not count.
pub fn deployments(what: &str, log: &[LogEntry]) -> Vec<Found> {
    let wanted = what.trim().to_lowercase();
    // A key names one deployment, whether or not the log still knows of it.
    let named = wanted.parse().ok().or_else(|| CorrelationId::hash_in(&wanted));
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for entry in log {
        let Some(key) = entry.event.subject().and_then(|subject| subject.parse::<KeyHash>().ok()) else {
            continue;
        };
        let data = words::data(&entry.event);
        let fits = named.as_ref().map_or_else(|| is_about(&wanted, &data), |named| *named == key);
        if !fits {
            continue;
        }
        let is_request = entry.event.ty() == DeploymentRequested::TYPE;
        let known =
            found.entry(key.to_string()).or_insert_with(|| Found { key, at: entry.at, what: String::new() });
        if is_request || known.what.is_empty() {
            known.what = words::tell(&entry.event).what;
        }
    }
    if let (Some(key), true) = (named, found.is_empty()) {
        return vec![Found { key, at: DateTime::UNIX_EPOCH, what: String::new() }];
    }
    let mut found: Vec<Found> = found.into_values().collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.at));
    found
}

/// A change's number, a run's or a deployment's id, a repository, or a repository and its environment.
fn is_about(wanted: &str, data: &Value) -> bool {
    let text = |pointer: &str| match data.pointer(pointer) {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let (project, environment) = (text("/deployment/project/name"), text("/deployment/key/environment"));
    let both = [" ", "/", ":", "@"].map(|between| format!("{project}{between}{environment}"));
    let ids = ["/deployment/run/id", "/deployment/key/occurrence", "/change/number", "/change/sys_id"];
    !wanted.is_empty()
        && (ids.iter().any(|id| text(id) == wanted)
            || project == wanted
            || both.iter().any(|one| one == wanted))
}

#[cfg(test)]
mod tests {
    use interlock_events::{ChangeOpened, ChangeRef, DeploymentKey, event};
    use serde_json::json;

    use super::*;

    fn key(occurrence: &str) -> DeploymentKey {
        let text = |text: &str| text.to_owned();
        DeploymentKey {
            tenant: text("default"),
            connection: text("github"),
            project: text("70012"),
            environment: text("production"),
            occurrence: text(occurrence),
        }
    }

    fn requested(occurrence: &str, run: &str, seconds: i64) -> LogEntry {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let fact: DeploymentRequested = serde_json::from_value(json!({
            "deployment": {
                "key": key(occurrence), "sha": "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31",
                "project": { "id": "70012", "name": "acme/Payments-API" }, "run": { "id": run, "attempt": 1 },
            },
            "requested_at": at,
        }))
        .unwrap();
        LogEntry { at, event: event("/s", at, &fact) }
    }

    fn log() -> Vec<LogEntry> {
        let change =
            ChangeRef { connection: "snow".into(), number: "CHG0030001".into(), sys_id: "1a".into() };
        let fact = ChangeOpened {
            key: key("1"),
            change,
            policy: "default".into(),
            found: false,
            shared_with: None,
            rolls_back: None,
            ignored_fields: vec![],
        };
        let at = DateTime::from_timestamp(5, 0).unwrap();
        vec![
            requested("1", "900", 1),
            LogEntry { at, event: event("/s", at, &fact) },
            requested("2", "901", 9),
        ]
    }

    fn found(what: &str) -> Vec<KeyHash> {
        deployments(what, &log()).into_iter().map(|found| found.key).collect()
    }

    #[test]
    fn a_deployment_is_found_by_everything_that_people_have_at_hand() {
        let hash = key("1").hash();
        let correlation_id = format!("IL1.{}.4f0c2a9be1d7.acme/payments-api production", hash.as_str());
        let names = ["CHG0030001", "chg0030001", "900", "1", hash.as_str(), &correlation_id, "1A"];
        for name in names {
            assert_eq!(found(name), std::slice::from_ref(&hash), "{name}");
            assert_eq!(found(&format!(" {} ", name.to_uppercase())), std::slice::from_ref(&hash), "{name}");
        }
        assert_eq!(found("CHG0030002"), []);
        assert_eq!(found(""), []);
    }

    #[test]
    fn several_that_fit_are_listed_the_newest_first() {
        let both = [key("2").hash(), key("1").hash()];
        for name in ["acme/payments-api production", "ACME/payments-api", "acme/payments-api/production"] {
            assert_eq!(found(name), both, "{name}");
        }
        assert_eq!(found("acme/payments-api staging"), []);
        let listed = deployments("acme/payments-api", &log());
        assert!(listed[0].what.contains("acme/Payments-API to production"), "{listed:?}");
    }

    #[test]
    fn a_key_that_the_log_forgot_is_still_a_key() {
        let forgotten = key("77").hash();
        assert_eq!(found(forgotten.as_str()), [forgotten]);
    }
}
