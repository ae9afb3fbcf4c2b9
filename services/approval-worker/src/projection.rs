//! The gates' copies in the Store: what hints and the batched poll find a gate by.
//!
//! Rebuilt by the watches as they tick; losing it costs time alone.

use interlock_events::{DeploymentRequested, KeyHash};
use serde::{Deserialize, Serialize};

use crate::Desk;
use crate::gate::{GateState, Phase};

const GATES: &str = "gates";
const CHANGES: &str = "gates-by-change";
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
    }

    pub(crate) async fn forget(&self, key: &KeyHash, state: &GateState) {
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

    /// Gates whose change is known and may still move.
    pub(crate) async fn open_gates(&self) -> Vec<Copy> {
        let mut gates = self.gates().await;
        gates.retain(|copy| copy.state.change.is_some() && !matches!(copy.state.phase, Phase::Answered(_)));
        gates
    }
}
