//! Facts on their way to a change: released, finished, lost, in any order, before the change exists, with
//! answers of ServiceNow lost and a Store that forgets where the platform can be asked.
//!
//! Time goes in units; the settle time is [`SETTLE`].

mod tests;

use interlock_events::Outcome;
use interlock_rules::{ChangeState, Goal, Step, next_step};
use stateright::{Model, Property};

use crate::records::row;

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// After `gate.released` a later `gate.lost` of the key only makes it ask the platform.
    ReleasedAbsorbs,
    /// A platform that cannot be asked now is asked later.
    AskPlatform,
    /// A fact is acked only when the record shows it.
    AckedWhenShown,
    /// A finish before its `gate.released` waits the settle time, and then asks the platform.
    FinishWaits,
    /// The next state is read afresh before every step.
    OneLegalStep,
}

const SETTLE: u8 = 3;
/// Faults come before this, and by then the change exists.
const CALM_FROM: u8 = 3;
const END: u8 = 16;

/// How many of each fault a run may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub crashes: u8,
    pub lost: u8,
    pub flushes: u8,
}

pub(crate) struct Facts {
    pub without: Option<Rule>,
    pub faults: Faults,
    /// The deployment ran; otherwise it ended before it began.
    pub ran: bool,
    /// Another look at the gate told `gate.lost`.
    pub lost_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Released,
    Finished,
    Lost,
}

/// A fact, as a watch of change-worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fact {
    kind: Kind,
    since: u8,
    due: u8,
    /// The write that is next: from which state to which.
    write: Option<(ChangeState, ChangeState)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    row: Option<ChangeState>,
    facts: Vec<Fact>,
    /// The Store was flushed: nobody knows where to ask, until the deployment's own watch has ticked.
    forgotten: bool,
    left: Faults,
}

/// The number is the place of the fact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    Open,
    Look(usize),
    Write(usize),
    WriteUnheard(usize),
    WriteLost(usize),
    Crash(usize),
    Flush,
    Remember,
}

/// What a fact makes of the record.
enum Aim {
    Goal(Goal),
    Wait,
    Absorbed,
}

impl Facts {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn outcome(&self) -> Outcome {
        if self.ran { Outcome::Succeeded } else { Outcome::Canceled }
    }

    /// Whether the job ever began, as the platform says; `None`: it cannot be asked.
    fn asked(&self, state: &State) -> Option<bool> {
        (!state.forgotten).then_some(self.ran)
    }

    fn aim(&self, state: &State, fact: Fact, row: ChangeState) -> Aim {
        let begun = row >= ChangeState::Implement && row.is_live();
        match fact.kind {
            Kind::Released => Aim::Goal(Goal::Implement),
            Kind::Finished if row >= ChangeState::Implement => Aim::Goal(Goal::Close(self.outcome())),
            Kind::Finished if !self.keeps(Rule::FinishWaits) => Aim::Goal(Goal::Abandon),
            Kind::Finished if state.now < fact.since + SETTLE => Aim::Wait,
            Kind::Finished => match self.asked(state) {
                Some(true) => Aim::Goal(Goal::Close(self.outcome())),
                Some(false) => Aim::Goal(Goal::Abandon),
                None => Aim::Wait,
            },
            Kind::Lost if !self.keeps(Rule::ReleasedAbsorbs) => Aim::Goal(Goal::Abandon),
            Kind::Lost if begun => Aim::Absorbed,
            Kind::Lost => match self.asked(state) {
                Some(true) => Aim::Absorbed,
                None if self.keeps(Rule::AskPlatform) => Aim::Wait,
                Some(false) | None => Aim::Goal(Goal::Abandon),
            },
        }
    }

    fn look(&self, state: &mut State, at: usize) {
        let fact = state.facts[at];
        let Some(now_in) = state.row else {
            if self.keeps(Rule::AckedWhenShown) {
                state.later(at)
            } else {
                state.ack(at)
            }
            return;
        };
        let goal = match self.aim(state, fact, now_in) {
            Aim::Goal(goal) => goal,
            Aim::Wait => return state.later(at),
            Aim::Absorbed => return state.ack(at),
        };
        let to = match next_step(goal, &row("CHG1", 0, now_in)) {
            Step::Move(to) => to,
            Step::Close(_) => ChangeState::Closed,
            Step::Cancel => ChangeState::Canceled,
            Step::WaitFor(_) => return state.later(at),
            Step::Reached | Step::Impossible(_) => return state.ack(at),
        };
        let to =
            if self.keeps(Rule::OneLegalStep) || to == ChangeState::Canceled { to } else { last(goal, to) };
        state.facts[at].write = Some((now_in, to));
    }

    fn wrote(&self, state: &mut State, at: usize, applied: bool, heard: bool) {
        let Some((_, to)) = state.facts[at].write.take() else { return };
        let takes = applied && state.row.is_some_and(|from| legal(from, to));
        if takes {
            state.row = Some(to);
        }
        if heard {
            // What is refused is read and tried again.
            if !takes {
                state.later(at);
            }
            return;
        }
        state.left.lost -= 1;
        if self.keeps(Rule::AckedWhenShown) { state.later(at) } else { state.ack(at) }
    }
}

/// Straight to the end of the way.
fn last(goal: Goal, step: ChangeState) -> ChangeState {
    if matches!(goal, Goal::Close(_)) { ChangeState::Closed } else { step }
}

/// What ServiceNow lets happen (its docs, "Change state model"); the rest it refuses.
fn legal(from: ChangeState, to: ChangeState) -> bool {
    use ChangeState::{Canceled, Closed, Implement, Review, Scheduled};
    match to {
        Canceled => from.can_be_canceled(),
        _ => matches!((from, to), (Scheduled, Implement) | (Implement, Review) | (Review, Closed)),
    }
}

impl State {
    fn ack(&mut self, at: usize) {
        self.facts.remove(at);
    }

    fn later(&mut self, at: usize) {
        self.facts[at].due = self.now + 1;
    }

    fn may_pass(&self) -> bool {
        let idle = self.facts.iter().all(|fact| fact.write.is_none() && fact.due > self.now);
        let calm = self.row.is_some() && !self.forgotten;
        idle && (calm || self.now + 1 < CALM_FROM) && self.now < END
    }
}

impl Model for Facts {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut kinds = vec![Kind::Finished];
        kinds.extend(self.ran.then_some(Kind::Released));
        kinds.extend((self.lost_told || !self.ran).then_some(Kind::Lost));
        let at = |delays: [u8; 3]| State {
            now: 0,
            row: None,
            facts: (kinds.iter().zip(delays))
                .map(|(kind, due)| Fact { kind: *kind, since: due, due, write: None })
                .collect(),
            forgotten: false,
            left: self.faults,
        };
        let orders = [[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [0, 2, 1], [0, 1, 2]];
        orders.map(at).to_vec()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let faults = state.now < CALM_FROM;
        for (at, fact) in state.facts.iter().enumerate() {
            if fact.write.is_none() && fact.due <= state.now {
                actions.push(Action::Look(at));
            }
            if fact.write.is_some() {
                actions.push(Action::Write(at));
                if faults && state.left.lost > 0 {
                    actions.extend([Action::WriteUnheard(at), Action::WriteLost(at)]);
                }
                if faults && state.left.crashes > 0 {
                    actions.push(Action::Crash(at));
                }
            }
        }
        if state.row.is_none() {
            actions.push(Action::Open);
        }
        if faults && state.left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if state.forgotten {
            actions.push(Action::Remember);
        }
        if state.may_pass() {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Pass => state.now += 1,
            // As approved as a released one is.
            Action::Open => state.row = Some(ChangeState::Scheduled),
            Action::Look(at) => self.look(&mut state, at),
            Action::Write(at) => self.wrote(&mut state, at, true, true),
            Action::WriteUnheard(at) => self.wrote(&mut state, at, true, false),
            Action::WriteLost(at) => self.wrote(&mut state, at, false, false),
            Action::Crash(at) => {
                state.left.crashes -= 1;
                state.facts[at].write = None;
            }
            Action::Flush => (state.left.flushes, state.forgotten) = (state.left.flushes - 1, true),
            Action::Remember => state.forgotten = false,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(RUNNING, |model: &Facts, state: &State| {
                !model.ran || state.row != Some(ChangeState::Canceled)
            }),
            Property::always(ENDED, |model: &Facts, state: &State| {
                let end = if model.ran { ChangeState::Closed } else { ChangeState::Canceled };
                state.now < END || state.row == Some(end) && state.facts.is_empty()
            }),
        ]
    }
}

pub(crate) const RUNNING: &str = "the change of a deployment that ran is never canceled";
pub(crate) const ENDED: &str = "the change ends as the deployment ended";
