//! Judges: what must hold at the end of a story, read at the far sides and not from Interlock.

use interlock_simulators::journal::JournalEntry;
use serde_json::Value;

use super::{Deployment, World};

impl World {
    /// Every change with the deployment's correlation id, canceled ones too.
    pub fn changes_of(&self, deployment: &Deployment) -> Vec<Value> {
        let prefix = deployment.key.correlation_prefix();
        let is_its = |change: &Value| {
            change["correlation_id"]
                .as_str()
                .is_some_and(|correlation_id| correlation_id.starts_with(&prefix))
        };
        self.service_now.changes().into_iter().filter(is_its).collect()
    }

    /// The changes of a deployment that are not canceled.
    pub fn live_changes_of(&self, deployment: &Deployment) -> Vec<Value> {
        self.changes_of(deployment).into_iter().filter(|change| change["state"] != "4").collect()
    }

    /// What GitHub's journal says of the deployment's gate: `gate.released`, `gate.rejected`, and so on.
    pub fn at_gate(&self, deployment: &Deployment, what: &str) -> Vec<JournalEntry> {
        let id = deployment.id.to_string();
        let is_it = |entry: &JournalEntry| entry.what == what && entry.ids.get("deployment_id") == Some(&id);
        self.github.journal().into_iter().filter(is_it).collect()
    }

    /// How often the gate was released.
    pub fn releases_of(&self, deployment: &Deployment) -> usize {
        self.at_gate(deployment, "gate.released").len()
    }

    /// Exactly one live change, which was approved before the one release, and no rejection.
    ///
    /// # Panics
    /// When it was otherwise.
    pub fn judge_released(&self, deployment: &Deployment) {
        let live = self.live_changes_of(deployment);
        assert_eq!(live.len(), 1, "exactly one live change: {live:#?}");
        let releases = self.at_gate(deployment, "gate.released");
        assert_eq!(releases.len(), 1, "exactly one release: {releases:#?}");
        assert!(self.at_gate(deployment, "gate.rejected").is_empty(), "released and rejected");
        let number = live[0]["number"].as_str().unwrap_or_default();
        let approved = self.scheduled_at(number).expect("the change was approved");
        assert!(approved <= releases[0].at, "released at {} before it was approved", releases[0].at);
        assert_eq!(live[0]["correlation_id"], deployment.correlation_id.as_str());
    }

    /// Never released.
    ///
    /// # Panics
    /// When it was.
    pub fn judge_not_released(&self, deployment: &Deployment) {
        let releases = self.at_gate(deployment, "gate.released");
        assert!(releases.is_empty(), "a wrong release: {releases:#?}");
        assert!(self.at_github(deployment).started_at.is_none(), "its job has started");
    }

    fn scheduled_at(&self, number: &str) -> Option<chrono::DateTime<chrono::Utc>> {
        let entries = self.service_now.journal().entries();
        let moved = |entry: &&JournalEntry| {
            entry.what == "change.moved"
                && entry.ids.get("number").is_some_and(|its| its == number)
                && entry.ids.get("to").is_some_and(|to| to == "-2")
        };
        entries.iter().find(moved).map(|entry| entry.at)
    }
}
