//! What a gate's watch carries from tick to tick.

use chrono::{DateTime, Utc};
use interlock_events::{ChangeRef, CorrelationId, DeploymentRequested, Event, GateHandle, KeyHash};
use interlock_rules::{
    Answered, ChangeRow, ChangeState, ChangeTerms, Checked, CloseTerms, ConflictCheck, Party, Person,
    RollbackTerms, SIBLINGS_KEPT, SharedGate, Sibling, Terms,
};
use interlock_servicenow::Known;
use serde::{Deserialize, Serialize};

/// Longer than this nothing of a change is kept.
pub(crate) const SEEN_MAX: usize = 500;

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

    /// This gate and all that share it, as far as the state knows.
    pub(crate) fn shared(&self, state: &GateState) -> SharedGate {
        SharedGate::of(&self.request.deployment.key, &state.siblings)
    }

    /// The correlation id that the record must have: of whoever's key it stands under.
    pub(crate) fn correlation_id_of(&self, shared: &SharedGate, row: &ChangeRow) -> CorrelationId {
        let deployment = &self.request.deployment;
        let theirs = shared.correlation_id_of(row, &deployment.sha, &deployment.project.name);
        theirs.unwrap_or_else(|| self.correlation_id())
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
    /// `sys_id` of the template that the terms promise, once the instance has told it.
    #[serde(default)]
    pub template: Option<String>,
    /// Who set the run off and who wrote its commit, where the terms look at that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
    /// The same, and who they are in ServiceNow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<Vec<Party>>,
    /// The last check of the change for conflicts, where the terms look at that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// When it must be decided, as far as the record was last known.
    pub deadline: DateTime<Utc>,
    /// The attempt that it is of, once that is known.
    pub attempt: Option<u32>,
    /// The change, once there is one.
    pub change: Option<ChangeRef>,
    /// The highest state in which the change was seen.
    pub highest: Option<ChangeState>,
    /// What was last seen of the change: the poll looks at the gate when it differs.
    pub seen: String,
    /// The versions that were last read, where the gate waits for nothing but a change of them.
    #[serde(default)]
    pub known: Option<Known>,
    /// When something matters that no change of the record tells: its window begins.
    #[serde(default)]
    pub matters_at: Option<DateTime<Utc>>,
    /// Mark of the freezes that it was last judged by.
    #[serde(default)]
    pub freezes: Option<u64>,
    /// Why it waits, for people.
    pub reason: String,
    /// The trace that its request began: what follows belongs to it, whoever's hint made us look.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// When the run was last looked at.
    pub run_read: Option<DateTime<Utc>>,
    /// When it was last read as a whole.
    #[serde(default)]
    pub run_read_whole: Option<DateTime<Utc>>,
    /// Its mark then.
    #[serde(default)]
    pub run_mark: Option<String>,
    /// Reports that people were given at the platform.
    #[serde(default)]
    pub reports: u8,
    /// What the last of them was about.
    #[serde(default)]
    pub reported: String,
    /// That ServiceNow cannot be read was reported.
    #[serde(default)]
    pub reported_unreadable: bool,
    /// Since when the run is started without a trace of a decision.
    pub unexplained_since: Option<DateTime<Utc>>,
    /// The failing look was told.
    pub fault_told: bool,
    /// When the change was first seen approved. Later edits of the record do not make it later.
    #[serde(default)]
    pub approved_at: Option<DateTime<Utc>>,
    /// Who shares the gate, as last read; nobody, if it is this deployment's alone.
    #[serde(default)]
    pub siblings: Vec<Sibling>,
    /// They were read at some time.
    #[serde(default)]
    pub siblings_known: bool,
    /// That the record does not permit any more, after the answer, was told.
    #[serde(default)]
    pub withdrawn_told: bool,
    /// When the record was last read after the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<DateTime<Utc>>,
    /// The run was canceled for a withdrawn approval.
    #[serde(default)]
    pub run_canceled: bool,
    /// A look by a hint came to nothing yet, and wants another at this time.
    #[serde(default)]
    pub soon: Option<DateTime<Utc>>,
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
    },
    /// Over, found by a hint: the watch tells the same and ends.
    Over {
        /// What was told.
        told: Vec<Event>,
    },
}

impl GateState {
    /// The texts of the change are another worker's, and a state must stay small.
    pub(crate) fn begin(mut terms: Terms, deadline: DateTime<Utc>, attempt: Option<u32>) -> Self {
        terms.change = ChangeTerms {
            change_type: terms.change.change_type,
            template: terms.change.template.take(),
            short_description: String::new(),
            description: String::new(),
            ..ChangeTerms::default()
        };
        terms.rollback = terms.rollback.map(|rollback| RollbackTerms {
            change_type: rollback.change_type,
            template: rollback.template,
            reference: rollback.reference,
            short_description: String::new(),
            ..RollbackTerms::default()
        });
        terms.cmdb = None;
        terms.close = CloseTerms { notes: String::new(), ..terms.close };
        Self {
            revision: 0,
            terms,
            template: None,
            people: Vec::new(),
            parties: None,
            checked: None,
            deadline,
            attempt,
            change: None,
            highest: None,
            seen: String::new(),
            known: None,
            matters_at: None,
            freezes: None,
            reason: "no look yet".into(),
            traceparent: None,
            run_read: None,
            run_read_whole: None,
            run_mark: None,
            reports: 0,
            reported: String::new(),
            reported_unreadable: false,
            unexplained_since: None,
            fault_told: false,
            approved_at: None,
            siblings: Vec::new(),
            siblings_known: false,
            withdrawn_told: false,
            checked_at: None,
            run_canceled: false,
            soon: None,
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

    /// Takes over who shares the gate; says whether that differs from what was known.
    pub(crate) fn note_siblings(&mut self, mut siblings: Vec<Sibling>) -> bool {
        siblings.truncate(SIBLINGS_KEPT);
        self.siblings_known = true;
        let differ = self.siblings != siblings;
        self.siblings = siblings;
        differ
    }

    /// Goes on with what a copy in the Store knows; says whether the release that it knows of is news.
    ///
    /// A look by a hint leaves its copy before what it told is confirmed, and may die in between. Only a
    /// watch's own state proves that something was told: what is news to it is told again.
    pub(crate) fn go_on_with(&mut self, copy: Self) -> bool {
        let knew = std::mem::replace(self, copy);
        self.withdrawn_told &= knew.withdrawn_told;
        let is_released = |state: &Self| matches!(state.phase, Phase::Released { .. });
        is_released(self) && !is_released(&knew)
    }

    /// The row with the approval's time as it was first seen: `sys_updated_on` moves with every edit.
    pub(crate) fn as_first_approved(&mut self, row: &ChangeRow) -> ChangeRow {
        let Some(at) = row.approved_at() else {
            self.approved_at = None;
            return row.clone();
        };
        let first = *self.approved_at.get_or_insert(at);
        ChangeRow { updated: first, approvers: Vec::new(), ..row.clone() }
    }

    pub(crate) fn answered(&self) -> Option<&Answered> {
        match &self.phase {
            Phase::Answered(answered) => Some(answered),
            Phase::Waiting | Phase::Released { .. } | Phase::Over { .. } => None,
        }
    }
}

/// What of a row and its approvals would change the answer about it.
pub(crate) fn seen(row: &ChangeRow) -> String {
    let approvers: Vec<String> =
        row.approvers.iter().map(|approver| format!("{}={}", approver.by, approver.state)).collect();
    format!("{}{}", seen_row(row), approvers.join(",")).chars().take(SEEN_MAX).collect()
}

/// The beginning of it, which the row alone shows.
pub(crate) fn seen_row(row: &ChangeRow) -> String {
    let state = row.state.map_or("?".to_owned(), |state| state.number().to_string());
    let ConflictCheck { status, last_run } = &row.conflict;
    let ran = last_run.map_or(0, |at| at.timestamp());
    format!("{state} {:?} {} {:?} {:?} {status:?} {ran} ", row.approval, row.on_hold, row.start, row.end)
}
