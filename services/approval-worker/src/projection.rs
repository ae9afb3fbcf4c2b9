//! The gates' copies in the Store: what hints and the shared poll find a gate by.
//!
//! Rebuilt by the watches as they tick; losing it costs time alone.

use chrono::{DateTime, Utc};
use interlock_events::{DeploymentRequested, KeyHash};
use serde::{Deserialize, Serialize};

use crate::Desk;
use crate::gate::{GateState, Phase};

const GATES: &str = "gates";
const CHANGES: &str = "gates-by-change";
const RUNS: &str = "gates-by-run";
/// Gates of one run that a hint finds; the others find out by themselves.
const OF_RUN_MAX: usize = 300;
/// Gates that one turn of the poll looks at.
const PAGE: usize = 10_000;

/// A gate as it was last seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Copy {
    pub request: DeploymentRequested,
    pub state: GateState,
}

impl Desk {
    pub(crate) async fn remember(&self, request: &DeploymentRequested, state: &GateState) {
        let key = request.deployment.key.hash();
        let copy = Copy { request: request.clone(), state: state.clone() };
        let Ok(json) = serde_json::to_string(&copy) else { return };
        let _ = self.context.store.project(GATES, key.as_str(), &json).await;
        if let Some(change) = &state.change {
            let _ = self.context.store.project(CHANGES, &change.sys_id, key.as_str()).await;
        }
        self.index(request, &key, true).await;
    }

    /// Adds a gate to those of its run, or takes it out. Two at once may lose one: its watch adds it again.
    async fn index(&self, request: &DeploymentRequested, key: &KeyHash, is_open: bool) {
        let deployment = &request.deployment;
        let Some(run) = &deployment.run else { return };
        let place = run_place(&deployment.key.connection, &deployment.key.project, &run.id);
        let store = &self.context.store;
        let Ok(held) = store.projected(RUNS, &place).await else { return };
        let mut keys: Vec<&str> = held.as_deref().unwrap_or_default().split_whitespace().collect();
        let known = keys.contains(&key.as_str());
        if known == is_open || (is_open && keys.len() >= OF_RUN_MAX) {
            return;
        }
        keys.retain(|one| *one != key.as_str());
        if is_open {
            keys.push(key.as_str());
        }
        let _ = match keys.is_empty() {
            true => store.unproject(RUNS, &place).await,
            false => store.project(RUNS, &place, &keys.join(" ")).await,
        };
    }

    /// The open gates of a run, as far as they are known.
    pub(crate) async fn keys_of_run(&self, connection: &str, project: &str, run: &str) -> Vec<KeyHash> {
        let held = self.context.store.projected(RUNS, &run_place(connection, project, run)).await;
        let held = held.ok().flatten().unwrap_or_default();
        held.split_whitespace().filter_map(|key| key.parse().ok()).collect()
    }

    pub(crate) async fn forget(&self, request: &DeploymentRequested, state: &GateState) {
        let key = &request.deployment.key.hash();
        self.index(request, key, false).await;
        let _ = self.context.store.unproject(GATES, key.as_str()).await;
        if let Some(change) = &state.change {
            let _ = self.context.store.unproject(CHANGES, &change.sys_id).await;
        }
    }

    pub(crate) async fn recall(&self, key: &KeyHash) -> Option<Copy> {
        let json = self.context.store.projected(GATES, key.as_str()).await.ok()??;
        serde_json::from_str(&json).ok()
    }

    pub(crate) async fn key_of_change(&self, sys_id: &str) -> Option<KeyHash> {
        self.context.store.projected(CHANGES, sys_id).await.ok()??.parse().ok()
    }

    /// All gates that are not over.
    pub(crate) async fn gates(&self) -> Vec<Copy> {
        let entries = self.context.store.projection(GATES, PAGE).await.unwrap_or_default();
        let copies = entries.iter().filter_map(|(_, json)| serde_json::from_str::<Copy>(json).ok());
        copies.filter(|copy| !matches!(copy.state.phase, Phase::Over { .. })).collect()
    }
}

impl Copy {
    pub(crate) fn key(&self) -> KeyHash {
        self.request.deployment.key.hash()
    }

    /// What happens to its change matters now.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state.phase, Phase::Answered(_))
    }

    /// A hint's look wanted another by now.
    pub(crate) fn is_wanted_soon(&self, now: DateTime<Utc>) -> bool {
        self.state.soon.is_some_and(|soon| soon <= now)
    }
}

fn run_place(connection: &str, project: &str, run: &str) -> String {
    format!("{connection}/{project}/{run}")
}
