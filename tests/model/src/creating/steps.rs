//! What each step does, and the production rule that decides in it.

use std::time::Duration;

use interlock_rules::{CreateFacts, Creation, may_create};

use super::{Action, Copy, Creating, Hand, Rule, State};

fn seconds(units: u8) -> Duration {
    Duration::from_secs(units.into())
}

/// What a decision came to, for the message that it is about.
enum Decided {
    /// A row was found.
    Over,
    Wait {
        settle_from: Option<u8>,
        due: u8,
    },
    Clear(Option<u8>),
}

impl Creating {
    pub(super) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Pass => state.now += 1,
            Action::LookUp(at) => {
                let found = state.rows > 0 && self.keeps(Rule::LookUp);
                state.copies[at].hand = Hand::Looked { began: state.now, found };
            }
            Action::Decide(at) => self.decide(state, at),
            // Refused: the row that stands is found by the next look-up.
            Action::PostAnswered(at) if self.chosen && state.rows > 0 => {
                let due = state.now + self.settle;
                again(&mut state.copies[at], Some(state.now), due);
            }
            Action::PostAnswered(at) => {
                state.rows += 1;
                state.copies.remove(at);
            }
            Action::PostLost(at) => {
                state.left.lost -= 1;
                state.posts.push(state.now);
                let due = state.now + self.settle;
                again(&mut state.copies[at], Some(state.now), due);
            }
            Action::PostRefused(at) => {
                state.left.lost -= 1;
                self.not_posted(state, at);
            }
            Action::TooLateToPost(at) => self.not_posted(state, at),
            Action::Crash(at) => crash(state, at),
            Action::CrashAfterPost(at) => {
                state.posts.push(state.now);
                crash(state, at);
            }
            Action::Freeze(at) => {
                state.left.freezes -= 1;
                state.frozen.push(state.copies[at].clone());
                redeliver(state, at);
            }
            Action::FrozenDecides(at) => self.frozen_decides(state, at),
            Action::FrozenPosts(at) => {
                state.frozen.remove(at);
                state.posts.push(state.now);
            }
            Action::FrozenGivesUp(at) => {
                state.frozen.remove(at);
            }
            Action::Commit(at) => {
                state.posts.remove(at);
                state.rows += u8::from(!self.chosen || state.rows == 0);
            }
            Action::Vanish(at) => {
                state.posts.remove(at);
            }
            Action::Flush => {
                state.left.flushes -= 1;
                state.marker = None;
                state.epoch = Some(state.now);
            }
        }
    }

    fn decide(&self, state: &mut State, at: usize) {
        let copy = state.copies[at].clone();
        match self.decided(state, &copy) {
            Decided::Over => {
                state.copies.remove(at);
            }
            Decided::Wait { settle_from, due } => again(&mut state.copies[at], settle_from, due),
            Decided::Clear(marker) => state.copies[at].hand = cleared(&copy, marker),
        }
    }

    /// The same in a process that was given up: nobody hears what it settles.
    fn frozen_decides(&self, state: &mut State, at: usize) {
        let copy = state.frozen[at].clone();
        match self.decided(state, &copy) {
            Decided::Over | Decided::Wait { .. } => {
                state.frozen.remove(at);
            }
            Decided::Clear(marker) => state.frozen[at].hand = cleared(&copy, marker),
        }
    }

    fn decided(&self, state: &mut State, copy: &Copy) -> Decided {
        let Hand::Looked { began, found } = copy.hand else { return Decided::Over };
        if found {
            return Decided::Over;
        }
        let judged = if self.from_beginning { began } else { state.now };
        let creation = may_create(CreateFacts {
            redelivered: copy.redelivered && (self.keeps(Rule::SettleAgain) || copy.settle_from.is_none()),
            first_and_direct: copy.direct,
            settled_for: copy.settle_from.map(|from| seconds(judged.saturating_sub(from))),
            store_age: state.epoch.map(|since| self.store_age(since, judged)),
            settle: seconds(self.settle),
            comes_first: true,
        });
        let settle = |from: u8, wait: u8| Decided::Wait { settle_from: Some(from), due: state.now + wait };
        match creation {
            Creation::Settle(_) if !self.keeps(Rule::Settle) => Decided::Clear(None),
            Creation::Settle(wait) => {
                let wait = u8::try_from(wait.as_secs()).unwrap_or(u8::MAX);
                settle(copy.settle_from.unwrap_or(state.now), wait)
            }
            Creation::WithoutMarker => Decided::Clear(None),
            Creation::WithMarker if !self.needs_marker(copy) => Decided::Clear(None),
            Creation::WithMarker => {
                let now = state.now;
                let settle = settle(now, self.settle);
                self.win(state, judged).map_or(settle, |tag| Decided::Clear(Some(tag)))
            }
        }
    }

    fn store_age(&self, since: u8, judged: u8) -> Duration {
        if self.keeps(Rule::Epoch) { seconds(judged.saturating_sub(since)) } else { seconds(u8::MAX) }
    }

    fn needs_marker(&self, copy: &Copy) -> bool {
        self.keeps(Rule::Marker) && (self.keeps(Rule::SettledWinsToo) || copy.settle_from.is_none())
    }

    /// Set if absent; one older than the settle time is taken over, compare-and-set.
    fn win(&self, state: &mut State, judged: u8) -> Option<u8> {
        let spent = |since: u8| judged.saturating_sub(since) >= self.settle;
        if state.marker.is_some_and(|(since, _)| !spent(since)) {
            return None;
        }
        let tag = state.fresh_tag();
        state.marker = Some((state.now, tag));
        Some(tag)
    }

    /// Nothing was created: the next try need not wait for this marker.
    fn not_posted(&self, state: &mut State, at: usize) {
        if let Hand::Cleared { marker: Some(tag), .. } = state.copies[at].hand
            && state.marker.is_some_and(|(_, held)| held == tag)
        {
            state.marker = None;
        }
        let (from, due) = (state.copies[at].settle_from, state.now + 1);
        again(&mut state.copies[at], from, due);
    }
}

fn cleared(copy: &Copy, marker: Option<u8>) -> Hand {
    Hand::Cleared { began: copy.hand.began().unwrap_or_default(), marker }
}

/// A watch: published anew, by way of a delay.
fn again(copy: &mut Copy, settle_from: Option<u8>, due: u8) {
    *copy = Copy { redelivered: false, direct: false, settle_from, hand: Hand::Queued { due } };
}

fn crash(state: &mut State, at: usize) {
    state.left.crashes -= 1;
    redeliver(state, at);
}

fn redeliver(state: &mut State, at: usize) {
    let copy = &mut state.copies[at];
    copy.redelivered = true;
    copy.hand = Hand::Queued { due: state.now };
}

impl State {
    fn fresh_tag(&self) -> u8 {
        let held =
            |copy: &Copy, tag| matches!(copy.hand, Hand::Cleared { marker: Some(own), .. } if own == tag);
        let used = |tag: u8| {
            self.copies.iter().chain(&self.frozen).any(|copy| held(copy, tag))
                || self.marker.is_some_and(|(_, held)| held == tag)
        };
        (0..u8::MAX).find(|tag| !used(*tag)).unwrap_or(u8::MAX)
    }
}
