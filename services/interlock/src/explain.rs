//! `explain`: the story of one deployment, from the log, and how its gate stands now.

mod gate;
mod source;

use anyhow::bail;
use interlock_events::{AttributesReader, CorrelationId, KeyHash};
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::LogEntry;
use serde_json::json;

use crate::arguments::Explain;
use crate::say::{self, Tone};
use crate::words;

/// Prints the story of one deployment in order.
pub async fn run(wish: &Explain, config: &Config) -> anyhow::Result<()> {
    let source = source::open(config).await?;
    let log = source.log().await?;
    let Some(key) = key_of(&wish.what, &log) else {
        bail!("nothing in the log is about {}; the log keeps what happened in the last days only", wish.what)
    };
    let story: Vec<&LogEntry> =
        log.iter().filter(|entry| entry.event.subject() == Some(key.as_str())).collect();
    let gate = source.gate(&key).await?;
    source.close().await;
    if story.is_empty() && gate.is_none() {
        bail!("nothing in the log is about {key}");
    }
    if wish.json {
        say::line(as_json(&key, &story, gate.as_ref()));
    } else {
        print(&key, &story, gate.as_ref());
    }
    Ok(())
}

/// The key that a hash, a correlation id or a change's number means.
fn key_of(what: &str, log: &[LogEntry]) -> Option<KeyHash> {
    if let Ok(key) = what.parse() {
        return Some(key);
    }
    if let Some(key) = CorrelationId::hash_in(what) {
        return Some(key);
    }
    let is_about = |entry: &&LogEntry| words::change_number(&words::data(&entry.event)) == Some(what);
    log.iter().rev().find(is_about)?.event.subject()?.parse().ok()
}

fn print(key: &KeyHash, story: &[&LogEntry], gate: Option<&gate::Gate>) {
    say::line(say::toned(Tone::Strong, &format!("deployment {key}")));
    for entry in story {
        let told = words::tell(&entry.event);
        let time = entry.at.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
        say::line(format_args!(
            "{}  {:<15}  {}  {}",
            say::toned(Tone::Faint, &time),
            told.who,
            told.what,
            say::toned(Tone::Faint, words::short(entry.event.ty()))
        ));
    }
    say::line(format_args!("now: {}", now(story, gate)));
}

/// What the log says of a gate is newer than the gate's own state, which is written as it ticks.
fn now(story: &[&LogEntry], gate: Option<&gate::Gate>) -> String {
    let said = |types: &[&str]| {
        story
            .iter()
            .rev()
            .find(|entry| types.contains(&words::short(entry.event.ty())))
            .map(|entry| &entry.event)
    };
    let decided = said(&["gate.released", "gate.rejected", "gate.lost", "gate.bypassed"]);
    let at_rest = said(&["change.closed", "change.canceled", "change.failed"]);
    match (at_rest.or(decided), gate) {
        (Some(event), _) => words::tell(event).what,
        (None, Some(gate)) => gate.told(),
        (None, None) => "no open gate is known".to_owned(),
    }
}

fn as_json(key: &KeyHash, story: &[&LogEntry], gate: Option<&gate::Gate>) -> serde_json::Value {
    let story: Vec<_> = story
        .iter()
        .map(|entry| {
            let told = words::tell(&entry.event);
            json!({ "at": entry.at, "who": told.who, "what": told.what, "event": entry.event })
        })
        .collect();
    json!({ "key": key, "story": story, "gate": gate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use interlock_events::{ChangeOpened, ChangeRef, DeploymentKey, GateReleased, event};

    fn opened() -> (KeyHash, Vec<LogEntry>) {
        let text = |text: &str| text.to_owned();
        let key = DeploymentKey {
            tenant: text("default"),
            connection: text("github"),
            project: text("70012"),
            environment: text("production"),
            occurrence: text("2210045"),
        };
        let change =
            ChangeRef { connection: text("servicenow"), number: text("CHG0030001"), sys_id: text("1") };
        let hash = key.hash();
        let fact = ChangeOpened { key, change, policy: text("default"), found: false, shared_with: None };
        let at = DateTime::UNIX_EPOCH;
        (hash, vec![LogEntry { at, event: event("/s", at, &fact) }])
    }

    #[test]
    fn a_deployment_is_found_by_hash_number_and_correlation_id() {
        let (key, log) = opened();
        let correlation_id = format!("il1.{key}.4f0c2a9be1d7.acme/payments-api production");
        for name in [key.as_str(), "CHG0030001", &correlation_id] {
            assert_eq!(key_of(name, &log).as_ref(), Some(&key), "{name}");
        }
        assert_eq!(key_of("CHG0030002", &log), None);
    }

    #[test]
    fn the_log_is_believed_before_the_state_of_a_gate_that_has_not_ticked_since() {
        let (_, mut log) = opened();
        let copy =
            r#"{"state":{"reason":"nobody approved","deadline":"2026-03-01T10:00:00Z","phase":"waiting"}}"#;
        let gate = gate::of_copy(copy);
        let story: Vec<&LogEntry> = log.iter().collect();
        assert!(now(&story, gate.as_ref()).starts_with("the gate waits: nobody approved"));
        let data: ChangeOpened = interlock_events::data_of(&log[0].event).unwrap();
        let at = DateTime::UNIX_EPOCH;
        let released = GateReleased { key: data.key, change: data.change, at, unproven: false };
        log.push(LogEntry { at, event: event("/s", at, &released) });
        let story: Vec<&LogEntry> = log.iter().collect();
        assert_eq!(now(&story, gate.as_ref()), "the gate is released on CHG0030001");
    }
}
