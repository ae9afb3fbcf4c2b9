//! An open gate, as its watch or its copy in the Store says.

use chrono::{DateTime, Utc};
use interlock_broker::embedded::Waiting;
use interlock_events::{AttributesReader, DeploymentRequested, EventData, KeyHash};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What of a gate's state people ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Why it waits.
    pub reason: String,
    /// When it is decided at the latest.
    pub deadline: DateTime<Utc>,
    /// How far it is.
    pub phase: Value,
    /// The change that it last saw.
    #[serde(default)]
    pub change: Option<Value>,
    /// When it is looked at next, where that is known.
    #[serde(default)]
    pub next_look: Option<DateTime<Utc>>,
}

impl Gate {
    /// In words.
    pub fn told(&self) -> String {
        let deadline = self.deadline.format("%Y-%m-%d %H:%M:%S");
        let next =
            self.next_look.map(|at| format!(", next look at {}", at.format("%H:%M:%S"))).unwrap_or_default();
        match &self.phase {
            Value::String(phase) if phase == "waiting" => {
                format!("the gate waits: {}; decided by {deadline} UTC at the latest{next}", self.reason)
            }
            Value::Object(phase) if phase.contains_key("released") => {
                format!("the gate is released; its change is looked at until the deployment ends{next}")
            }
            _ => format!("an answer was sent, and what came of it is read again{next}"),
        }
    }
}

/// The gate of `key`, if this is the message that carries it.
pub fn of_watch(waiting: &Waiting, key: &KeyHash) -> Option<Gate> {
    let event = waiting.event.as_ref().ok()?;
    let ours = event.ty() == DeploymentRequested::TYPE && event.subject() == Some(key.as_str());
    let state = waiting.travel.state.as_ref().filter(|_| ours)?;
    let gate = Gate::deserialize(state).ok()?;
    Some(Gate { next_look: waiting.due, ..gate })
}

/// The gate in a copy of the Store.
pub fn of_copy(json: &str) -> Option<Gate> {
    let copy: Value = serde_json::from_str(json).ok()?;
    Gate::deserialize(copy.get("state")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_the_store_says_why_a_gate_waits() {
        let copy = r#"{"request":{},"state":{"reason":"nobody approved yet","deadline":"2026-03-01T10:00:00Z",
            "phase":"waiting","revision":3}}"#;
        let told = of_copy(copy).unwrap().told();
        assert!(
            told.starts_with("the gate waits: nobody approved yet; decided by 2026-03-01 10:00:00"),
            "{told}"
        );
        assert_eq!(of_copy("{}"), None);
    }
}
