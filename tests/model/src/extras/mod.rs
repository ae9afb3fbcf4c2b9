//! Two live changes of one deployment: the second committed late. Each worker picks the one that counts for
//! itself, people approve either, and one is canceled.
//!
//! One unit of time is a settle time.

mod tests;

use std::sync::LazyLock;

use interlock_rules::{
    CANCELED_MARK, ChangeRow, ChangeState, Goal, Reading, ReleaseInputs, RunPhase, RunReading, Step, Verdict,
    approved_after_cancel, canonical, extras, may_release, next_step,
};
use stateright::{Model, Property};

use crate::records::{CORRELATION, DEPLOYMENT, KEY, TERMS, approver, at, row};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Both workers pick by what both read in the rows.
    CanonicalPick,
    /// What a person approved is never canceled.
    ApprovedSpared,
    /// The change that `gate.released` names is the one that goes to Implement.
    ImplementNamed,
    /// A canceled row that shows an approval is told.
    CanceledToldApproved,
}

const CALM_FROM: u8 = 3;
const END: u8 = 7;

pub(crate) struct Extras {
    pub without: Option<Rule>,
    pub approvals: u8,
    /// Standard changes are born approved, by nobody.
    pub standard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    state: ChangeState,
    /// By a person.
    approved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    /// Oldest first; the second one commits late.
    rows: Vec<Row>,
    /// The extra that change-worker has seen, and since when.
    seen: Option<(usize, u8)>,
    /// The row that change-worker has decided to cancel.
    canceling: Option<usize>,
    /// The row that permitted the release.
    released: Option<usize>,
    /// Change-worker looks, and approval-worker looks, once a unit at least.
    followed: bool,
    gate_looked: bool,
    left: u8,
    told: bool,
    /// A row permitted that is not the one by all rows.
    mispicked: bool,
    /// A row was canceled whose approval stood in the read before.
    trampled: bool,
}

/// The number is the row's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    CommitLate,
    Approve(usize),
    Follow,
    Cancel,
    LookAtGate,
    Implement,
}

static RUN: LazyLock<RunReading> = LazyLock::new(|| RunReading {
    at: at(60),
    dated: true,
    attempt: Some(1),
    sha: DEPLOYMENT.sha.clone(),
    phase: RunPhase::Waiting,
    superseded: false,
    answer: None,
    mark: None,
    people: Vec::new(),
});

fn row_of(place: usize, row_seen: &Row) -> ChangeRow {
    let created = if place == 0 { 0 } else { 30 };
    let change = row(&format!("CHG{place}"), created, row_seen.state);
    let approvers = if row_seen.approved { vec![approver("approved", 50)] } else { vec![] };
    let canceled = row_seen.state == ChangeState::Canceled;
    let close_notes = if canceled { CANCELED_MARK.to_owned() } else { String::new() };
    ChangeRow { approvers, close_notes, ..change }
}

impl State {
    fn rows(&self) -> Vec<ChangeRow> {
        self.rows.iter().enumerate().map(|(place, row)| row_of(place, row)).collect()
    }
}

fn place_of(rows: &[ChangeRow], sys_id: &str) -> usize {
    rows.iter().position(|row| row.sys_id == sys_id).unwrap_or_default()
}

impl Extras {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn born(&self) -> Row {
        let state = if self.standard { ChangeState::Scheduled } else { ChangeState::Assess };
        Row { state, approved: false }
    }

    /// One tick of change-worker: it notes an extra, or decides to cancel it, and tells of what it canceled.
    fn follow(&self, state: &mut State) {
        state.followed = true;
        let rows = state.rows();
        if self.keeps(Rule::CanceledToldApproved) && !approved_after_cancel(&rows, &*KEY).is_empty() {
            state.told = true;
        }
        let Some(extra) = self.extra(&rows) else {
            state.seen = None;
            return;
        };
        let first = state.seen.filter(|(seen, _)| *seen == extra).map_or(state.now, |(_, since)| since);
        state.seen = Some((extra, first));
        if first < state.now {
            state.trampled |= state.rows[extra].approved;
            state.canceling = Some(extra);
        }
    }

    fn extra(&self, rows: &[ChangeRow]) -> Option<usize> {
        if self.keeps(Rule::ApprovedSpared) {
            return extras(rows, &*KEY).first().map(|row| place_of(rows, &row.sys_id));
        }
        // By age alone.
        rows.iter().enumerate().skip(1).find(|(_, row)| row.is_live()).map(|(place, _)| place)
    }

    /// One tick of approval-worker.
    fn look_at_gate(&self, state: &mut State) {
        state.gate_looked = true;
        let mut rows = state.rows();
        let told = rows.len() - 1;
        if !self.keeps(Rule::CanonicalPick) {
            // The change that was told last.
            rows.drain(..told);
        }
        let reading = Reading { rows, at: at(60), skew_seconds: Some(0) };
        let verdict = may_release(ReleaseInputs {
            whose: &*KEY,
            correlation_id: &CORRELATION,
            sha: &DEPLOYMENT.sha,
            attempt: Some(1),
            reading: Ok(&reading),
            run: Some(&RUN),
            highest: None,
            terms: &TERMS,
            template: None,
            parties: None,
            checked: None,
            freezes: &[],
            now: at(60),
        });
        if let Verdict::Release(permit) = verdict {
            let rows = state.rows();
            let picked = canonical(&rows, &*KEY).map(|family| family.canonical.sys_id.as_str());
            state.mispicked |= picked != Some(permit.sys_id());
            state.released = Some(place_of(&rows, permit.sys_id()));
        }
    }

    /// `gate.released`: change-worker takes the change further that permitted it.
    fn implement(&self, state: &mut State) {
        let rows = state.rows();
        let picked = canonical(&rows, &*KEY).map(|family| place_of(&rows, &family.canonical.sys_id));
        let named = if self.keeps(Rule::ImplementNamed) { state.released } else { picked };
        let Some(place) = named else { return };
        if let Step::Move(to) = next_step(Goal::Implement, &rows[place]) {
            state.rows[place].state = to;
        }
    }
}

impl Model for Extras {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            rows: vec![self.born()],
            seen: None,
            canceling: None,
            released: None,
            followed: false,
            gate_looked: false,
            left: self.approvals,
            told: false,
            mispicked: false,
            trampled: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.rows.len() < 2 {
            actions.push(Action::CommitLate);
        }
        if state.now < CALM_FROM && state.left > 0 {
            let open = |row: &Row| row.state == ChangeState::Assess && !row.approved;
            actions.extend((0..state.rows.len()).filter(|at| open(&state.rows[*at])).map(Action::Approve));
        }
        if state.canceling.is_some() {
            actions.push(Action::Cancel);
        } else {
            actions.push(Action::Follow);
        }
        if state.released.is_none() {
            actions.push(Action::LookAtGate);
        } else {
            actions.push(Action::Implement);
        }
        let looked = state.followed && (state.gate_looked || state.released.is_some());
        if looked && state.canceling.is_none() && state.now < END && (state.now == 0 || state.rows.len() == 2)
        {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Pass => {
                state.now += 1;
                (state.followed, state.gate_looked) = (false, false);
            }
            Action::CommitLate => state.rows.push(self.born()),
            Action::Approve(at) => {
                state.left -= 1;
                state.rows[at] = Row { state: ChangeState::Scheduled, approved: true };
            }
            Action::Follow => self.follow(&mut state),
            Action::Cancel => {
                if let Some(extra) = state.canceling.take()
                    && state.rows[extra].state.can_be_canceled()
                {
                    state.rows[extra].state = ChangeState::Canceled;
                    state.seen = None;
                }
            }
            Action::LookAtGate => self.look_at_gate(&mut state),
            Action::Implement => self.implement(&mut state),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PICKED, |_, state: &State| !state.mispicked),
            Property::always(SPARED, |_, state: &State| !state.trampled),
            Property::always(KEPT, |_, state: &State| {
                let kept = state.released.is_none_or(|row| state.rows[row].state.is_live());
                state.now < END || kept || state.told
            }),
            Property::always(SAME, |_, state: &State| {
                let implemented = state.rows.iter().position(|row| row.state == ChangeState::Implement);
                implemented.is_none() || implemented == state.released || state.told
            }),
            Property::always(ONE, |_, state: &State| {
                let live = state.rows.iter().filter(|row| row.state.is_live());
                let approved = live.clone().filter(|row| row.approved).count();
                state.now < END || live.count() == approved.max(1)
            }),
            Property::always(TOLD, |_, state: &State| {
                let lost = |row: &Row| row.state == ChangeState::Canceled && row.approved;
                state.now < END || state.told || !state.rows.iter().any(lost)
            }),
        ]
    }
}

pub(crate) const PICKED: &str = "the change that permits is the one that all rows show";
pub(crate) const SPARED: &str = "what a person approved is never canceled knowingly";
pub(crate) const KEPT: &str = "the change that permitted a release stays live, or that is told";
pub(crate) const SAME: &str = "the change that permitted is the one that is implemented";
pub(crate) const ONE: &str = "one live change is left, and those that people approved";
pub(crate) const TOLD: &str = "an approval that our cancel crossed is told";
