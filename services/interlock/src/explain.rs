//! `explain`: the story of one deployment, from the log, and how its gate stands now.

mod advice;
mod gate;
mod source;
mod which;

use anyhow::bail;
use interlock_events::{AttributesReader, KeyHash};
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::LogEntry;
use serde_json::json;

use crate::arguments::Explain;
use crate::say::{self, Tone};
use crate::words;

/// So many of several deployments are listed.
const LISTED_MAX: usize = 20;

/// Prints the story of one deployment in order; of several that fit, which they are.
pub async fn run(wish: &Explain, config: &Config) -> anyhow::Result<()> {
    let source = source::open(config).await?;
    let told = tell(wish, &source).await;
    source.close().await;
    told
}

async fn tell(wish: &Explain, source: &source::Source) -> anyhow::Result<()> {
    let log = source.log().await?;
    let what = wish.what.join(" ");
    let found = which::deployments(&what, &log);
    let key = match &found[..] {
        [] => bail!("nothing in the log is about {what}; the log keeps what happened in the last days only"),
        [one] => one.key.clone(),
        several => {
            list(&what, several, wish.json);
            return Ok(());
        }
    };
    let story: Vec<&LogEntry> =
        log.iter().filter(|entry| entry.event.subject() == Some(key.as_str())).collect();
    let gate = source.gate(&key).await?;
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

/// The newest first: that is the one which is mostly meant.
fn list(what: &str, several: &[which::Found], as_json: bool) {
    if as_json {
        say::line(json!({ "matches": several }));
        return;
    }
    say::line(format_args!("{} deployments fit {what}; name one by its key:", several.len()));
    for found in several.iter().take(LISTED_MAX) {
        let at = found.at.format("%Y-%m-%d %H:%M:%S").to_string();
        say::line(format_args!("  {}  {}  {}", found.key, say::toned(Tone::Faint, &at), found.what));
    }
    if several.len() > LISTED_MAX {
        say::line(format_args!("  and {} older ones", several.len() - LISTED_MAX));
    }
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
    let now = now(story, gate);
    say::line(format_args!("now: {now}"));
    if let Some(advice) = advice::of(&now) {
        say::line(format_args!("what to do: {advice}"));
    }
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
    let decided = said(&["gate.released", "gate.rejected", "gate.lost", "gate.bypassed", "gate.observed"]);
    let at_rest = said(&["change.closed", "change.canceled", "change.failed"]);
    match (at_rest.or(decided), gate) {
        (Some(event), _) => words::tell(event).what,
        (None, Some(gate)) => match said(&["change.opened"]).filter(|_| gate.change.is_none()) {
            // The watch has not looked since; hints have.
            Some(opened) => gate::Gate { reason: words::tell(opened).what, ..gate.clone() }.told(),
            None => gate.told(),
        },
        (None, None) => "no open gate is known".to_owned(),
    }
}

fn as_json(key: &KeyHash, story: &[&LogEntry], gate: Option<&gate::Gate>) -> serde_json::Value {
    let now = now(story, gate);
    let story: Vec<_> = story
        .iter()
        .map(|entry| {
            let told = words::tell(&entry.event);
            json!({ "at": entry.at, "who": told.who, "what": told.what, "event": entry.event })
        })
        .collect();
    json!({ "key": key, "story": story, "gate": gate, "now": now, "advice": advice::of(&now) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use interlock_events::{ChangeOpened, ChangeRef, DeploymentKey, GateReleased, event};

    fn opened() -> Vec<LogEntry> {
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
        let fact = ChangeOpened {
            key,
            change,
            policy: text("default"),
            found: false,
            shared_with: None,
            rolls_back: None,
            ignored_fields: vec![],
        };
        let at = DateTime::UNIX_EPOCH;
        vec![LogEntry { at, event: event("/s", at, &fact) }]
    }

    fn waiting(reason: &str, change: &str) -> Option<gate::Gate> {
        gate::of_copy(&format!(
            r#"{{"state":{{"reason":"{reason}","deadline":"2026-03-01T10:00:00Z","phase":"waiting","change":{change}}}}}"#
        ))
    }

    #[test]
    fn the_log_is_believed_before_the_state_of_a_gate_that_has_not_ticked_since() {
        let mut log = opened();
        let gate = waiting("there is no change yet", "null");
        let story: Vec<&LogEntry> = log.iter().collect();
        assert!(now(&[], gate.as_ref()).starts_with("the gate waits: there is no change yet"));
        let told = now(&story, gate.as_ref());
        assert!(told.starts_with("the gate waits: CHG0030001 opened in ServiceNow"), "{told}");
        assert!(advice::of(&told).is_some_and(|advice| advice.contains("approve")));
        let gate = waiting("nobody approved", r#"{"number":"CHG0030001"}"#);
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
