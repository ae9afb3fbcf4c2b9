//! A watch between a worker, its broker and the Store: consume, act, publish, ack, with a crash anywhere.
//!
//! Time goes in rounds: a watch sleeps one round. Tags are renamed to the smallest free ones, since
//! nothing but their equality counts.

mod tests;

use interlock_rules::{Standing, standing};
use stateright::{Model, Property};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// One copy acts, the others stand by.
    OneChain,
    /// A copy goes only when the holder's tick has grown between two looks.
    TwoLooks,
    /// A copy's tag is its publisher's, and kept by a redelivery.
    TagByPublisher,
    /// A delivery is acked after its successor is confirmed.
    PublishBeforeAck,
}

/// Faults come before this round.
const FAULTS_UNTIL: u8 = 3;
/// By this round a copy that is one too many has had its looks, and a stale holder has expired.
const CALM_BY: u8 = 9;
/// Rounds that the Store remembers a holder.
const CHAIN_LIFE: u8 = 3;

/// How many of each fault a run may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub crashes: u8,
    pub freezes: u8,
    pub flushes: u8,
    pub outages: u8,
    pub doubles: u8,
}

pub(crate) struct Chains {
    pub without: Option<Rule>,
    pub faults: Faults,
}

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Copy {
    tick: u8,
    tag: u8,
    noted: Option<u8>,
    due: u8,
    hand: Hand,
}

/// How far a worker is with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hand {
    Queued,
    /// Its standing is known; nothing is published yet.
    Judged(Judged),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Judged {
    Holder,
    Spare { noted: u8 },
    Surplus,
}

/// Who holds the chain, as the Store remembers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Holder {
    tick: u8,
    tag: u8,
    until: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    copies: Vec<Copy>,
    store: Option<Holder>,
    /// A frozen process that will yet write this pair.
    frozen: Option<(u8, u8)>,
    left: Faults,
    /// The last round in which a holder acted.
    acted: u8,
}

/// The place is that of the copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    Take(usize),
    TakeWithoutStore(usize),
    /// Publish and ack.
    Settle(usize),
    CrashBeforePublish(usize),
    CrashBeforeAck(usize),
    /// Delivered to a process that freezes before it asks the Store; then delivered anew.
    Freeze(usize),
    FrozenWrites,
    Flush,
    Double,
}

impl State {
    fn fresh_tag(&self) -> u8 {
        let used = |tag: u8| {
            self.copies.iter().any(|copy| copy.tag == tag)
                || self.store.as_ref().is_some_and(|holder| holder.tag == tag)
                || self.frozen.is_some_and(|(_, frozen)| frozen == tag)
        };
        (0..u8::MAX).find(|tag| !used(*tag)).unwrap_or(u8::MAX)
    }

    /// As the Store's own script: the pair becomes the holder where there is none or its tick is lower.
    fn advance(&mut self, tick: u8, tag: u8) -> Option<u8> {
        if let Some(holder) = &self.store
            && (holder.tick, holder.tag) != (tick, tag)
            && holder.tick >= tick
        {
            return Some(holder.tick);
        }
        self.store = Some(Holder { tick, tag, until: self.now + CHAIN_LIFE });
        None
    }

    /// Ticks count from the lowest: nothing but their order and growth matters.
    fn normalize(&mut self) {
        let ticks = self.copies.iter().map(|copy| copy.noted.unwrap_or(copy.tick).min(copy.tick));
        let others = self.store.iter().map(|holder| holder.tick).chain(self.frozen.map(|(tick, _)| tick));
        let lowest = ticks.chain(others).min().unwrap_or(0);
        for copy in &mut self.copies {
            copy.tick -= lowest;
            copy.noted = copy.noted.map(|noted| noted - lowest);
            if let Hand::Judged(Judged::Spare { noted }) = &mut copy.hand {
                *noted -= lowest;
            }
        }
        if let Some(holder) = &mut self.store {
            holder.tick -= lowest;
        }
        self.frozen = self.frozen.map(|(tick, tag)| (tick - lowest, tag));
        self.copies.sort();
    }

    fn may_pass(&self) -> bool {
        self.now < CALM_BY
            && self.copies.iter().all(|copy| copy.hand == Hand::Queued && copy.due > self.now)
            && (self.now + 1 < FAULTS_UNTIL || self.frozen.is_none())
    }
}

impl Chains {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn judged(&self, state: &mut State, at: usize, store: bool) -> Judged {
        let copy = state.copies[at].clone();
        let tag = if self.keeps(Rule::TagByPublisher) { copy.tag } else { state.fresh_tag() };
        state.copies[at].tag = tag;
        let other = if store { state.advance(copy.tick, tag) } else { None };
        let other = if self.keeps(Rule::OneChain) { other } else { None };
        let noted = if self.keeps(Rule::TwoLooks) { copy.noted } else { other };
        let other = if self.keeps(Rule::TwoLooks) { other } else { other.map(|tick| tick + 1) };
        match standing(other.map(u64::from), noted.map(u64::from)) {
            Standing::Holder => Judged::Holder,
            Standing::Spare { noted } => Judged::Spare { noted: u8::try_from(noted).unwrap_or(u8::MAX) },
            Standing::Surplus => Judged::Surplus,
        }
    }

    /// What the settlement publishes: a holder goes on with the next tick, a spare sleeps unchanged.
    fn successor(state: &State, at: usize) -> Option<Copy> {
        let copy = state.copies[at].clone();
        let Hand::Judged(judged) = &copy.hand else { return None };
        let due = state.now + 1;
        match judged {
            Judged::Holder => {
                let tag = state.fresh_tag();
                Some(Copy { tick: copy.tick + 1, tag, noted: None, due, hand: Hand::Queued })
            }
            Judged::Spare { noted } => {
                Some(Copy { noted: Some(*noted), due, hand: Hand::Queued, ..copy.clone() })
            }
            Judged::Surplus => None,
        }
    }

    fn steps_of(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let copy = &state.copies[at];
        let faults = state.now < FAULTS_UNTIL;
        let crashes = faults && state.left.crashes > 0;
        match &copy.hand {
            Hand::Queued if copy.due > state.now => {}
            Hand::Queued => {
                actions.push(Action::Take(at));
                if faults && state.left.outages > 0 {
                    actions.push(Action::TakeWithoutStore(at));
                }
                if faults && state.left.freezes > 0 && state.frozen.is_none() {
                    actions.push(Action::Freeze(at));
                }
            }
            Hand::Judged(judged) => {
                actions.push(Action::Settle(at));
                if crashes {
                    actions.push(Action::CrashBeforePublish(at));
                }
                if crashes && *judged != Judged::Surplus {
                    actions.push(Action::CrashBeforeAck(at));
                }
            }
        }
    }

    /// Publishes what follows, and acks where the process lives to do so.
    fn settle(&self, state: &mut State, at: usize, published: bool, acked: bool) {
        let successor = Self::successor(state, at).filter(|_| published);
        if published && state.copies[at].hand == Hand::Judged(Judged::Holder) {
            state.acted = state.now;
        }
        state.copies[at].hand = Hand::Queued;
        if acked {
            state.copies.remove(at);
        }
        state.copies.extend(successor);
    }
}

impl Model for Chains {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = Copy { tick: 0, tag: 0, noted: None, due: 0, hand: Hand::Queued };
        vec![State { now: 0, copies: vec![first], store: None, frozen: None, left: self.faults, acted: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Of equal copies it does not matter which one moves.
        let moves = |at: &usize| *at == 0 || state.copies[at - 1] != state.copies[*at];
        for at in (0..state.copies.len()).filter(moves) {
            self.steps_of(state, at, actions);
        }
        let faults = state.now < FAULTS_UNTIL;
        if faults && state.left.flushes > 0 && state.store.is_some() {
            actions.push(Action::Flush);
        }
        if faults && state.left.doubles > 0 {
            actions.push(Action::Double);
        }
        if state.frozen.is_some() {
            actions.push(Action::FrozenWrites);
        }
        if state.may_pass() {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Pass => {
                state.now += 1;
                state.store = state.store.filter(|holder| holder.until > state.now);
            }
            Action::Take(at) => {
                let judged = self.judged(&mut state, at, true);
                state.copies[at].hand = Hand::Judged(judged);
            }
            Action::TakeWithoutStore(at) => {
                state.left.outages -= 1;
                let judged = self.judged(&mut state, at, false);
                state.copies[at].hand = Hand::Judged(judged);
            }
            Action::Settle(at) => self.settle(&mut state, at, true, true),
            Action::CrashBeforePublish(at) => {
                state.left.crashes -= 1;
                self.settle(&mut state, at, false, !self.keeps(Rule::PublishBeforeAck));
            }
            Action::CrashBeforeAck(at) => {
                state.left.crashes -= 1;
                self.settle(&mut state, at, true, false);
            }
            Action::Freeze(at) => {
                state.left.freezes -= 1;
                let copy = &state.copies[at];
                state.frozen = Some((copy.tick, copy.tag));
            }
            Action::FrozenWrites => {
                if let Some((tick, tag)) = state.frozen.take() {
                    let _ = state.advance(tick, tag);
                }
            }
            Action::Flush => {
                state.left.flushes -= 1;
                state.store = None;
            }
            Action::Double => {
                state.left.doubles -= 1;
                let tag = state.fresh_tag();
                let due = state.now;
                state.copies.push(Copy { tick: 0, tag, noted: None, due, hand: Hand::Queued });
            }
        }
        state.normalize();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LOST, |_, state: &State| !state.copies.is_empty()),
            Property::always(GROWN, |_, state: &State| {
                state.now < CALM_BY
                    || state.copies.iter().any(|copy| copy.due <= state.now)
                    || state.copies.len() == 1
            }),
            Property::always(IDLE, |model: &Chains, state: &State| {
                let stale = model.faults.freezes + model.faults.flushes > 0;
                let pause = if stale { CHAIN_LIFE + 1 } else { 1 };
                state.now <= state.acted + pause
            }),
        ]
    }
}

pub(crate) const LOST: &str = "no watch is lost";
pub(crate) const GROWN: &str = "copies come back to one";
pub(crate) const IDLE: &str = "a holder acts round by round";
