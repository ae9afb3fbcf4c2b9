//! How the story is told: in lines for people, or in JSON for scripts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use crate::say::{self, Tone};
use crate::words;

/// Tells it.
#[derive(Debug, Clone, Copy)]
pub struct Teller {
    json: bool,
}

/// One step that was seen.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub step: &'static str,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// By whom.
    pub who: String,
    /// In words.
    pub what: String,
    /// The event's type, if it is one.
    pub event: Option<String>,
    /// Since the story began.
    pub milliseconds: i64,
    /// Since the step before.
    #[serde(skip)]
    pub since_previous: i64,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// The bad end was played.
    pub reject: bool,
    /// The change.
    pub number: String,
    /// Its state.
    pub state: i64,
    /// GitHub's word for the gate.
    pub gate: String,
    /// How long it all took.
    pub milliseconds: i64,
}

impl End {
    fn outcome(&self) -> &'static str {
        if self.gate == "approved" { "released" } else { "rejected" }
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "outcome": self.outcome(),
            "change": { "number": self.number, "state": self.state },
            "gate": self.outcome(),
            "milliseconds": self.milliseconds,
        })
    }
}

impl Teller {
    /// Tells it in JSON, or in lines.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Does a script listen?
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// What is about to be played.
    pub fn begin(&self, reject: bool) {
        if self.json {
            return;
        }
        let ending = if reject { "rejected" } else { "approved" };
        say::line(say::toned(Tone::Strong, "One deployment, held at its gate until its change is decided"));
        say::line(say::toned(
            Tone::Faint,
            &format!(
                "simulated GitHub and ServiceNow, embedded broker and store; the change gets {ending}\n"
            ),
        ));
    }

    /// All steps that were seen, for scripts: in the order of their times, which is not quite that of the story.
    pub fn steps(&self, mut steps: Vec<Step>) {
        if self.json {
            steps.sort_by_key(|step| step.at);
            steps.iter().for_each(|step| say::line(json!(step)));
        }
    }

    /// A step was seen.
    pub fn step(&self, step: &Step) {
        if self.json {
            return;
        }
        let tone = match step.step {
            "gate.opened" | "change.closed" => Tone::Good,
            "gate.closed" | "rejected.bob" => Tone::Bad,
            _ => Tone::Strong,
        };
        let time = say::toned(Tone::Faint, &format!("+{}", seconds(step.since_previous)));
        let event = step.event.as_deref().map(words::short).unwrap_or_default();
        say::line(format_args!(
            "{time}  {}  {}  {}",
            say::toned(tone, &format!("{:<16}", step.who)),
            step.what,
            say::toned(Tone::Faint, event)
        ));
    }

    /// A step was not seen in time.
    pub fn missing(&self, step: &str) {
        if self.json {
            say::line(json!({ "outcome": "missing", "step": step }));
        }
    }

    /// The story is over.
    pub fn end(&self, end: &End) {
        if self.json {
            say::line(end.as_json());
            return;
        }
        let (tone, outcome) = if end.reject { (Tone::Bad, "rejected") } else { (Tone::Good, "released") };
        say::line(format_args!(
            "\n{}: {} is {}, after {}",
            say::toned(tone, &format!("the gate was {outcome}")),
            end.number,
            words::state_name(Some(end.state)),
            seconds(end.milliseconds)
        ));
    }
}

fn seconds(milliseconds: i64) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_how_it_ended() {
        let number = "CHG0030001".to_owned();
        let end = End { reject: false, number, state: 3, gate: "approved".to_owned(), milliseconds: 6_420 };
        let expected = json!({
            "outcome": "released",
            "change": { "number": "CHG0030001", "state": 3 },
            "gate": "released",
            "milliseconds": 6420,
        });
        assert_eq!(end.as_json(), expected);
        assert_eq!(seconds(end.milliseconds), "6.42 s");
    }
}
