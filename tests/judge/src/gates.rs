//! Gates and their deployments, out of GitHub's journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use interlock_simulators::journal::JournalEntry;

/// Who our App is at GitHub.
const BOT: &str = "interlock[bot]";

/// A gate, and what became of it and of its job.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// GitHub's deployment id.
    pub deployment: u64,
    /// Its run.
    pub run: String,
    /// The attempt that made it.
    pub attempt: String,
    /// Its environment: jobs of one run, attempt and environment share a gate, and a change.
    pub environment: String,
    /// When the gate was asked.
    pub asked: DateTime<Utc>,
    /// Our decisions.
    pub decisions: Vec<Decision>,
    /// When we canceled its run.
    pub canceled_by_us: Vec<DateTime<Utc>>,
    /// When it was decided otherwise: bypassed, canceled, expired.
    pub otherwise: Option<DateTime<Utc>>,
    /// When the job began.
    pub started: Option<DateTime<Utc>>,
    /// How the job ended: `success`, `failure`, `cancelled`.
    pub end: Option<String>,
}

/// A decision of ours that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: DateTime<Utc>,
    /// It was a release.
    pub released: bool,
    /// The deployment that its comment names: GitHub binds an answer to run and environment alone.
    pub meant_for: Option<u64>,
}

impl Gate {
    /// One answer decides both.
    #[must_use]
    pub fn shares_with(&self, other: &Self) -> bool {
        (&self.run, &self.attempt, &self.environment) == (&other.run, &other.attempt, &other.environment)
    }

    /// When it was first released by us.
    #[must_use]
    pub fn released_at(&self) -> Option<DateTime<Utc>> {
        self.decisions.iter().find(|decision| decision.released).map(|decision| decision.at)
    }

    /// When it was first decided, by anybody.
    #[must_use]
    pub fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.decisions.iter().map(|decision| decision.at).chain(self.otherwise).min()
    }
}

/// All that share a gate, taken as one: begun with the first of them, and ended with the last and the worst.
pub(super) fn together(all: &[&Gate]) -> Gate {
    let mut one = all[0].clone();
    let ends: Vec<&str> = all.iter().filter_map(|gate| gate.end.as_deref()).collect();
    one.started = all.iter().filter_map(|gate| gate.started).min();
    one.decisions = all.iter().flat_map(|gate| gate.decisions.iter().copied()).collect();
    one.end = (ends.len() == all.len()).then(|| {
        let worst = ["failure", "cancelled", "success"].into_iter().find(|end| ends.contains(end));
        worst.unwrap_or(ends[0]).to_owned()
    });
    one
}

/// All gates, in the order in which they were asked.
pub(super) fn read(journal: &[JournalEntry]) -> Vec<Gate> {
    let mut gates: BTreeMap<u64, Gate> = BTreeMap::new();
    for entry in journal {
        if entry.what == "run.canceled" && entry.actor == BOT {
            let of_run = gates.values_mut().filter(|gate| entry.ids.get("run_id") == Some(&gate.run));
            of_run.for_each(|gate| gate.canceled_by_us.push(entry.at));
        }
        let Some(id) = entry.ids.get("deployment_id").and_then(|id| id.parse().ok()) else { continue };
        if entry.what == "gate.asked" {
            let named = |name: &str| entry.ids.get(name).cloned().unwrap_or_default();
            let (run, attempt, environment) = (named("run_id"), named("run_attempt"), named("environment"));
            let gate = Gate { deployment: id, run, attempt, environment, asked: entry.at, ..Gate::default() };
            gates.insert(id, gate);
        } else if let Some(gate) = gates.get_mut(&id) {
            note(gate, entry);
        }
    }
    gates.into_values().collect()
}

fn note(gate: &mut Gate, entry: &JournalEntry) {
    let detail = entry.ids.get("detail").cloned().unwrap_or_default();
    match entry.what.as_str() {
        "gate.released" if entry.actor == BOT => gate.decisions.push(decision(entry.at, true, &detail)),
        "gate.rejected" if entry.actor == BOT => {
            gate.decisions.push(decision(entry.at, false, &detail));
            gate.end.get_or_insert("failure".into());
        }
        "gate.bypassed" | "gate.expired" => {
            gate.otherwise.get_or_insert(entry.at);
        }
        "job.started" => gate.started = Some(entry.at),
        "job.finished" => gate.end = Some(detail),
        "job.canceled" => {
            gate.otherwise.get_or_insert(entry.at);
            gate.end.get_or_insert("cancelled".into());
        }
        _ => {}
    }
}

fn decision(at: DateTime<Utc>, released: bool, comment: &str) -> Decision {
    let named = comment.rsplit_once("(deployment ").map(|(_, id)| id.trim_end_matches(')'));
    Decision { at, released, meant_for: named.and_then(|id| id.parse().ok()) }
}
