//! Opening a change: copies of one request, a Store that forgets, answers that get lost, creates that
//! commit late, and processes that die or freeze between their look-up and their POST.
//!
//! Time goes in units. A POST commits within [`COMMIT`] of its sending or never, and is sent within [`SEND`]
//! of the beginning of its tick.

mod steps;
mod tests;

use stateright::{Model, Property};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Any row of the key forbids a create.
    LookUp,
    /// A create that we know nothing of is waited for.
    Settle,
    /// `create:<key>` is won before a POST.
    Marker,
    /// A Store that was emptied does not count as remembering.
    Epoch,
    /// A create that has settled wins the marker too.
    SettledWinsToo,
    /// A copy that settled and is delivered again settles again where there is no Store.
    SettleAgain,
    /// A POST leaves within [`SEND`] of the beginning of its tick.
    SendDeadline,
}

pub(crate) const COMMIT: u8 = 2;
pub(crate) const SEND: u8 = 1;
/// More than a commit, the sending of the create that is waited for, and the age of our own look-up.
pub(crate) const SETTLE: u8 = COMMIT + 2 * SEND + 1;

/// The Store has remembered since 0: longer than the settle time.
const BEGIN: u8 = 10;
const FAULTS_UNTIL: u8 = BEGIN + 7;
const END: u8 = BEGIN + 40;
/// A frozen process goes on after at most so long.
const FROZEN_MAX: u8 = 5;

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub crashes: u8,
    pub freezes: u8,
    pub flushes: u8,
    /// Answers lost, and creates refused.
    pub lost: u8,
}

pub(crate) struct Creating {
    pub without: Option<Rule>,
    pub faults: Faults,
    /// Two webhooks told of the request.
    pub doubled: bool,
    /// The Store is there.
    pub store: bool,
    pub settle: u8,
    /// Ages are judged as of the beginning of the tick, not as of the look-up's answer.
    pub from_beginning: bool,
    /// The instance honours the sys_id that we choose: it refuses a second row.
    pub chosen: bool,
}

/// A message that asks for a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Copy {
    redelivered: bool,
    direct: bool,
    settle_from: Option<u8>,
    hand: Hand,
}

/// How far a process is with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hand {
    Queued {
        due: u8,
    },
    /// The look-up was answered; nothing is decided.
    Looked {
        began: u8,
        found: bool,
    },
    /// Decided: the POST is next. `marker`: the tag that it won.
    Cleared {
        began: u8,
        marker: Option<u8>,
    },
}

impl Hand {
    fn began(&self) -> Option<u8> {
        match self {
            Self::Queued { .. } => None,
            Self::Looked { began, .. } | Self::Cleared { began, .. } => Some(*began),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    copies: Vec<Copy>,
    /// Processes whose delivery was given to another, but who do not know it yet.
    frozen: Vec<Copy>,
    /// POSTs under way, by when they were sent.
    posts: Vec<u8>,
    rows: u8,
    /// Since when, and by which tag.
    marker: Option<(u8, u8)>,
    /// Since when the Store remembers; `None`: it is gone.
    epoch: Option<u8>,
    left: Faults,
}

impl State {
    fn rests(&self) -> bool {
        self.copies.is_empty() && self.frozen.is_empty() && self.posts.is_empty()
    }
}

/// The place is that of the copy, of the frozen process, or of the POST.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    LookUp(usize),
    Decide(usize),
    PostAnswered(usize),
    PostLost(usize),
    PostRefused(usize),
    TooLateToPost(usize),
    Crash(usize),
    CrashAfterPost(usize),
    Freeze(usize),
    FrozenDecides(usize),
    FrozenPosts(usize),
    FrozenGivesUp(usize),
    Commit(usize),
    Vanish(usize),
    Flush,
}

impl Creating {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// Forgets what makes no difference any more: how much older than the settle time something is.
    fn forget(&self, state: &mut State) {
        let oldest = state.now.saturating_sub(self.settle.max(COMMIT + 2 * SEND + 1));
        let age = |since: u8| since.max(oldest);
        state.epoch = state.epoch.map(age);
        state.marker = state.marker.map(|(since, tag)| (age(since), tag));
        for copy in state.copies.iter_mut().chain(&mut state.frozen) {
            copy.settle_from = copy.settle_from.map(age);
        }
        if state.now >= FAULTS_UNTIL {
            state.left = Faults { crashes: 0, freezes: 0, flushes: 0, lost: 0 };
        }
    }

    fn in_time(&self, state: &State, began: u8) -> bool {
        state.now <= began + SEND || !self.keeps(Rule::SendDeadline)
    }

    fn offer(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let faults = state.now < FAULTS_UNTIL;
        match state.copies[at].hand {
            Hand::Queued { due } => {
                if due <= state.now {
                    actions.push(Action::LookUp(at));
                }
                return;
            }
            Hand::Looked { .. } => actions.push(Action::Decide(at)),
            Hand::Cleared { began, .. } if !self.in_time(state, began) => {
                actions.push(Action::TooLateToPost(at));
            }
            Hand::Cleared { .. } => {
                actions.push(Action::PostAnswered(at));
                if faults && state.left.lost > 0 {
                    actions.extend([Action::PostLost(at), Action::PostRefused(at)]);
                }
                if faults && state.left.crashes > 0 {
                    actions.push(Action::CrashAfterPost(at));
                }
            }
        }
        if faults && state.left.crashes > 0 {
            actions.push(Action::Crash(at));
        }
        if faults && state.left.freezes > 0 {
            actions.push(Action::Freeze(at));
        }
    }

    fn offer_frozen(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        match state.frozen[at].hand {
            Hand::Looked { .. } => actions.push(Action::FrozenDecides(at)),
            Hand::Cleared { began, .. } if self.in_time(state, began) => {
                actions.push(Action::FrozenPosts(at))
            }
            _ => actions.push(Action::FrozenGivesUp(at)),
        }
    }

    /// What is due is done before time passes, and at last without delay; a commit is late, but not later
    /// than it can be.
    fn may_pass(state: &State) -> bool {
        let copies = state.copies.iter().all(|copy| match &copy.hand {
            Hand::Queued { due } => *due > state.now,
            hand => hand.began().is_some_and(|began| state.now <= began + SEND && state.now < FAULTS_UNTIL),
        });
        let frozen = state.frozen.iter().filter_map(|copy| copy.hand.began());
        copies
            && frozen.into_iter().all(|began| state.now < began + FROZEN_MAX)
            && state.posts.iter().all(|sent| state.now < sent + COMMIT)
            && state.now < END
            && !state.rests()
    }
}

impl Model for Creating {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let copy =
            |due| Copy { redelivered: false, direct: true, settle_from: None, hand: Hand::Queued { due } };
        let delays = if self.doubled { 0..=4 } else { 0..=0 };
        let copies =
            delays.map(
                |delay| {
                    if self.doubled { vec![copy(BEGIN), copy(BEGIN + delay)] } else { vec![copy(BEGIN)] }
                },
            );
        copies
            .map(|copies| State {
                now: BEGIN,
                copies,
                frozen: vec![],
                posts: vec![],
                rows: 0,
                marker: None,
                epoch: self.store.then_some(0),
                left: self.faults,
            })
            .collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..state.copies.len() {
            self.offer(state, at, actions);
        }
        for at in 0..state.frozen.len() {
            self.offer_frozen(state, at, actions);
        }
        for at in 0..state.posts.len() {
            actions.extend([Action::Commit(at), Action::Vanish(at)]);
        }
        if state.now < FAULTS_UNTIL && state.left.flushes > 0 && state.epoch.is_some() {
            actions.push(Action::Flush);
        }
        if Self::may_pass(state) {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        self.forget(&mut state);
        state.copies.sort();
        state.frozen.sort();
        state.posts.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE, |_, state: &State| state.rows <= 1),
            Property::always(OPENED, |_, state: &State| state.rows >= 1 || !state.rests() && state.now < END),
        ]
    }
}

pub(crate) const ONE: &str = "no second change is created";
pub(crate) const OPENED: &str = "a change is opened in the end";
