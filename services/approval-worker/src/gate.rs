//! What a gate's watch carries from tick to tick.

use chrono::{DateTime, Utc};
use interlock_events::{ChangeRef, CorrelationId, DeploymentRequested, GateHandle, KeyHash};
use interlock_rules::{Answered, ChangeRow, ChangeState, Terms};
use serde::{Deserialize, Serialize};

/// The request, and the handle without which it is no gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    pub request: &'a DeploymentRequested,
    pub handle: &'a GateHandle,
}

impl<'a> Gate<'a> {
    pub(crate) fn of(request: &'a DeploymentRequested) -> Option<Self> {
        request.gate.as_ref().map(|handle| Self { request, handle })
    }

    pub(crate) fn key(&self) -> KeyHash {
        self.request.deployment.key.hash()
    }

    pub(crate) fn correlation_id(&self) -> CorrelationId {
        let deployment = &self.request.deployment;
        CorrelationId::new(&deployment.key, &deployment.sha, &deployment.project.name)
    }
}

/// The state of a gate's watch. Small: it travels in a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GateState {
    /// Counts what was learned, so that of two copies the one that knows more wins.
    pub revision: u64,
    /// The policy's terms, as they were at the request.
    pub terms: Terms,
    /// When it must be decided, as far as the record was last known.
    pub deadline: DateTime<Utc>,
    /// The attempt that it is of, once that is known.
    pub attempt: Option<u32>,
    /// The change, once there is one.
    pub change: Option<ChangeRef>,
    /// The highest state in which the change was seen.
    pub highest: Option<ChangeState>,
    /// What was last seen of the change: the batched poll looks at the gate when it differs.
    pub seen: String,
    /// Why it waits, for people.
    pub reason: String,
    /// When the run was last read.
    pub run_read: Option<DateTime<Utc>>,
    /// Since when the run is started without a trace of a decision.
    pub unexplained_since: Option<DateTime<Utc>>,
    /// The failing look was told.
    pub fault_told: bool,
    /// How far it is.
    pub phase: Phase,
}

/// How far a gate is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Not decided.
    Waiting,
    /// An answer was sent, or may have been; what came of it is not known yet.
    Answered(Answered),
    /// Released: the record is looked at until the deployment ends.
    Released {
        /// When the answer was given.
        at: DateTime<Utc>,
        /// The platform does not say whose answer it was.
        unproven: bool,
        /// That the record does not permit any more was told.
        withdrawn_told: bool,
    },
}

impl GateState {
    pub(crate) fn begin(terms: Terms, deadline: DateTime<Utc>, attempt: Option<u32>) -> Self {
        Self {
            revision: 0,
            terms,
            deadline,
            attempt,
            change: None,
            highest: None,
            seen: String::new(),
            reason: "no look yet".into(),
            run_read: None,
            unexplained_since: None,
            fault_told: false,
            phase: Phase::Waiting,
        }
    }

    /// Takes over what the canonical row says.
    pub(crate) fn note_row(&mut self, row: &ChangeRow) {
        self.change = Some(row.change_ref(&self.terms.service_now));
        self.seen = seen(row);
        if let Some(state) = row.state.filter(|state| state.is_live()) {
            self.highest = self.highest.max(Some(state));
        }
    }

    /// Goes on with what a copy in the Store knows; says whether the release that it knows of is news.
    ///
    /// A look by a hint leaves its copy before what it told is confirmed, and may die in between. Only a
    /// watch's own state proves that something was told: what is news to it is told again.
    pub(crate) fn go_on_with(&mut self, copy: Self) -> bool {
        let knew = std::mem::replace(self, copy);
        let Phase::Released { withdrawn_told: told, .. } = &mut self.phase else { return false };
        let Phase::Released { withdrawn_told: knew_told, .. } = knew.phase else {
            *told = false;
            return true;
        };
        *told &= knew_told;
        false
    }

    pub(crate) fn answered(&self) -> Option<&Answered> {
        match &self.phase {
            Phase::Answered(answered) => Some(answered),
            Phase::Waiting | Phase::Released { .. } => None,
        }
    }
}

/// What of a row would change the answer about it.
pub(crate) fn seen(row: &ChangeRow) -> String {
    let state = row.state.map_or("?".to_owned(), |state| state.number().to_string());
    let approvers: Vec<String> =
        row.approvers.iter().map(|approver| format!("{}={}", approver.by, approver.state)).collect();
    let digest = format!(
        "{state} {:?} {} {:?} {:?} {}",
        row.approval,
        row.on_hold,
        row.start,
        row.end,
        approvers.join(",")
    );
    digest.chars().take(500).collect()
}
