//! Two jobs at one gate: one answer lets both begin. Each has a chain of its own in both workers; the job with the
//! lower id may come to light later than the other. People approve whatever change they are shown.

mod tests;

use interlock_events::{CorrelationId, DeploymentKey};
use interlock_rules::{
    ChangeRow, ChangeState, Reading, ReleaseInputs, RunPhase, RunReading, SharedGate, Sibling, Verdict,
    canonical, extras, may_release,
};
use stateright::{Model, Property};

use crate::records::{DEPLOYMENT, TERMS, approver, at, row};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The rows of all who share the gate are read.
    ReadAll,
    /// A change is opened under the key of the first, whoever comes first.
    FirstKey,
}

/// The one that comes to light first has the higher id.
const IDS: [&str; 2] = ["10", "9"];
const END: u8 = 4;

pub(crate) struct Matrix {
    pub without: Option<Rule>,
    /// The second job is not shown at first.
    pub hidden: bool,
    pub approvals: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    owner: usize,
    state: ChangeState,
    approved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    shown: bool,
    rows: Vec<Row>,
    /// Under whose key each job's chain is about to create.
    creating: [Option<usize>; 2],
    /// Markers of creates in the Store.
    claimed: [bool; 2],
    /// Extras that a chain has seen, one unit before at least.
    seen: [Option<u8>; 3],
    followed: [bool; 2],
    begun: bool,
    left: u8,
    /// One began whose own look shows a change that nobody approved.
    unpermitted: bool,
}

/// The number is the job's, or the row's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    Show,
    Follow(usize),
    Create(usize),
    Approve(usize),
    LookAtGate(usize),
}

fn key(job: usize) -> DeploymentKey {
    DeploymentKey { occurrence: IDS[job].into(), ..DEPLOYMENT.key.clone() }
}

fn correlation(job: usize) -> String {
    CorrelationId::new(&key(job), &DEPLOYMENT.sha, &DEPLOYMENT.project.name).to_string()
}

impl State {
    fn rows(&self) -> Vec<ChangeRow> {
        let each = self.rows.iter().enumerate().map(|(place, one)| {
            let approvers = if one.approved { vec![approver("approved", 50)] } else { vec![] };
            let change = row(&format!("CHG{place}"), i64::try_from(place).unwrap_or(0), one.state);
            ChangeRow { approvers, correlation_id: correlation(one.owner), ..change }
        });
        each.collect()
    }

    fn phase(&self) -> RunPhase {
        if self.begun { RunPhase::Started } else { RunPhase::Waiting }
    }

    fn place(&self, found: &ChangeRow) -> usize {
        (0..self.rows.len()).find(|place| found.number == format!("CHG{place}")).unwrap_or(0)
    }
}

impl Matrix {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// What a job's chain knows of the gate.
    fn gate(&self, state: &State, job: usize) -> SharedGate {
        let phase = state.phase();
        let sibling = |job: usize| Sibling { occurrence: IDS[job].into(), phase };
        let all = [sibling(1), sibling(0)];
        let known: &[Sibling] = if state.shown && self.keeps(Rule::ReadAll) { &all } else { &[] };
        SharedGate::of(&key(job), known)
    }

    fn follow(&self, state: &mut State, job: usize) {
        state.followed[job] = true;
        let gate = self.gate(state, job);
        let rows = gate.counting(state.rows());
        if canonical(&rows, &gate).is_none() {
            let first = (0..2).find(|one| key(*one) == *gate.first()).unwrap_or(job);
            state.creating[job] = Some(if self.keeps(Rule::FirstKey) { first } else { job });
            return;
        }
        let surplus: Vec<usize> = extras(&rows, &gate).into_iter().map(|row| state.place(row)).collect();
        for place in surplus {
            let since = *state.seen[place].get_or_insert(state.now);
            if since < state.now {
                state.rows[place].state = ChangeState::Canceled;
            }
        }
    }

    fn look_at_gate(&self, state: &mut State, job: usize) {
        let gate = self.gate(state, job);
        let rows = gate.counting(state.rows());
        let Some(owner) = canonical(&rows, &gate).and_then(|family| gate.owner_of(family.canonical)) else {
            return;
        };
        let expected = CorrelationId::new(owner, &DEPLOYMENT.sha, &DEPLOYMENT.project.name);
        let run = RunReading {
            at: at(60),
            dated: true,
            attempt: Some(1),
            sha: DEPLOYMENT.sha.clone(),
            phase: state.phase(),
            superseded: false,
            answer: None,
            mark: None,
            people: Vec::new(),
        };
        let verdict = may_release(ReleaseInputs {
            whose: &gate,
            correlation_id: expected.as_str(),
            sha: &DEPLOYMENT.sha,
            attempt: Some(1),
            reading: Ok(&Reading { rows, at: at(60), skew_seconds: Some(0) }),
            run: Some(&run),
            highest: None,
            terms: &TERMS,
            template: None,
            parties: None,
            checked: None,
            freezes: &[],
            now: at(60),
        });
        if matches!(verdict, Verdict::Release(_)) {
            // The platform lets through whatever waits there, shown or not.
            state.unpermitted |= !(0..2).all(|one| self.sees_approved(state, one));
            state.begun = true;
        }
    }

    /// The change that this job's own chain goes by, once it looks, is approved.
    fn sees_approved(&self, state: &State, job: usize) -> bool {
        let shown = State { shown: true, ..state.clone() };
        let gate = self.gate(&shown, job);
        let rows = gate.counting(shown.rows());
        let picked = canonical(&rows, &gate).map(|family| family.canonical);
        picked.is_some_and(ChangeRow::approved_by_a_person)
    }
}

impl Model for Matrix {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            shown: !self.hidden,
            rows: Vec::new(),
            creating: [None; 2],
            claimed: [false; 2],
            seen: [None; 3],
            followed: [false; 2],
            begun: false,
            left: self.approvals,
            unpermitted: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let jobs = if state.shown { 2 } else { 1 };
        if !state.shown {
            actions.push(Action::Show);
        }
        for job in 0..jobs {
            actions.push(match state.creating[job] {
                Some(_) => Action::Create(job),
                None => Action::Follow(job),
            });
            if !state.begun {
                actions.push(Action::LookAtGate(job));
            }
        }
        let open = |row: &Row| row.state == ChangeState::Assess;
        if state.left > 0 {
            actions.extend((0..state.rows.len()).filter(|at| open(&state.rows[*at])).map(Action::Approve));
        }
        if state.shown && state.followed == [true; 2] && state.creating == [None; 2] && state.now < END {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Pass => {
                state.now += 1;
                state.followed = [false; 2];
            }
            Action::Show => state.shown = true,
            Action::Follow(job) => self.follow(&mut state, job),
            Action::Create(job) => {
                let owner = state.creating[job].take()?;
                // Who finds the marker held settles, and looks again.
                if !std::mem::replace(&mut state.claimed[owner], true) && state.rows.len() < 3 {
                    state.rows.push(Row { owner, state: ChangeState::Assess, approved: false });
                }
            }
            Action::Approve(place) => {
                state.left -= 1;
                state.rows[place] =
                    Row { state: ChangeState::Scheduled, approved: true, ..state.rows[place] };
            }
            Action::LookAtGate(job) => self.look_at_gate(&mut state, job),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PERMITTED, |_, state: &State| !state.unpermitted),
            Property::always(ONE, |_, state: &State| {
                let live = state.rows.iter().filter(|row| row.state.is_live());
                let approved = live.clone().filter(|row| row.approved).count();
                state.now < END || live.count() == approved.max(1)
            }),
            Property::always(FIRST, |model: &Self, state: &State| model.hidden || state.rows.len() < 2),
        ]
    }
}

pub(crate) const PERMITTED: &str = "whoever begins goes by a change that a person approved";
pub(crate) const ONE: &str = "at rest one live change is left, and those that people approved";
pub(crate) const FIRST: &str = "who all see each other open one change";
