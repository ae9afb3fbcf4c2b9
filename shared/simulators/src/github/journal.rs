//! The append-only list of what really happened here: what a test or a judge reads afterwards.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Older effects are forgotten beyond so many.
const ENTRIES_MAX: usize = 200_000;

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Simulated time.
    pub at: DateTime<Utc>,
    /// Login of who caused it; `github` for the platform itself.
    pub actor: String,
    /// `gate.asked`, `gate.released`, `gate.rejected`, `gate.reported`, `gate.bypassed`, `gate.expired`,
    /// `job.started`, `job.finished`, `job.canceled`, `run.canceled`, `run.rerun`, `status.created`.
    pub what: String,
    /// `owner/name`.
    pub repository: String,
    /// The workflow run.
    pub run_id: u64,
    /// The attempt that it happened to.
    pub run_attempt: u32,
    /// The deployment, where one is meant.
    pub deployment_id: Option<u64>,
    /// Its environment.
    pub environment: Option<String>,
    /// Head commit.
    pub sha: String,
    /// Comment, outcome or state.
    pub detail: String,
}

#[derive(Default)]
pub(super) struct Journal {
    entries: VecDeque<Effect>,
}

impl Journal {
    pub fn write(&mut self, effect: Effect) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(effect);
    }

    pub fn all(&self) -> Vec<Effect> {
        self.entries.iter().cloned().collect()
    }
}
