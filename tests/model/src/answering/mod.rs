//! Answering a gate: two processes that look at it, people who approve and take back, a platform that is
//! slow, answers that get lost, a re-run in between, and a deadline.
//!
//! One unit of time is five seconds: as long as a permit is good.

mod look;
mod tests;
mod world;

use stateright::{Model, Property};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The gate is of one attempt.
    BindToAttempt,
    /// The run is read before every answer.
    ReadBefore,
    /// What came of an answer is read, not guessed.
    ReadAfter,
    /// How a gate ended is concluded from what the run shows, not from its no longer waiting.
    Conclude,
    /// The record is read within five seconds of the release.
    FreshRecord,
    /// After a release the record is looked at again.
    PostCheck,
    /// No release in the last ten seconds before the deadline.
    DeadlineGuard,
    /// Where the first answer does not win: the decision is claimed for longer than any call lives.
    DecisionKey,
    /// A repeat of the claimed decision claims it anew.
    ClaimAnew,
}

/// Seconds of a unit.
pub(crate) const UNIT: i64 = 5;
/// The models look on from here: a quarter of a minute before the deadline.
const BEGIN: u8 = 3;
/// The approval time-out.
pub(crate) const DEADLINE: u8 = 6;
/// The end of an approved change's window.
pub(crate) const WINDOW_END: u8 = 9;
/// A call is over so long after its tick began.
pub(crate) const SEND: u8 = 2;
/// How long a decision is claimed.
pub(crate) const CLAIM: u8 = 4;
/// Faults and people come before this.
pub(crate) const CALM_FROM: u8 = 9;
/// A minute after the last deadline, and the looks that follow it.
pub(crate) const END: u8 = WINDOW_END + 14;
/// How long a run may be started without a trace of a decision: the settle time.
pub(crate) const SETTLE: u8 = 3;

/// What may happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Units in which a process holds its tick up.
    pub slow: u8,
    pub approvals: u8,
    pub withdrawals: u8,
    pub rejections: u8,
    pub crashes: u8,
    pub lost: u8,
    /// Looks that cannot read ServiceNow.
    pub unreadable: u8,
    pub flushes: u8,
    pub reruns: u8,
    pub cancels: u8,
    pub bypasses: u8,
}

pub(crate) struct Answering {
    pub without: &'static [Rule],
    pub faults: Faults,
    /// Processes that look at the gate.
    pub processes: u8,
    /// The platform shows whose answer it took.
    pub names: bool,
    /// The platform lets the first answer win; otherwise a late reject cancels a started job.
    pub first_wins: bool,
}

/// The change, as people left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Record {
    Assess,
    Approved { at: u8 },
    Rejected,
}

/// An answer that took effect at the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum By {
    Us { release: bool },
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RunPhase {
    Waiting,
    Queued,
    Started,
    NeverStarted,
}

/// The run at the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Run {
    pub attempt: u8,
    pub phase: RunPhase,
    pub by: Option<By>,
}

/// What a gate's watch remembers from tick to tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Memory {
    pub deadline: u8,
    pub phase: Phase,
    pub unexplained: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Waiting,
    Answered { release: bool, accepted: bool, at: u8 },
    Released,
    Over,
}

/// A record that was read, or could not be, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    pub record: Option<Record>,
    pub at: u8,
}

/// How far a process is in its tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hand {
    Asleep,
    Record {
        began: u8,
        read: Read,
    },
    /// The run was read too; the answer is next.
    Run {
        began: u8,
        read: Read,
        run: Run,
        run_at: u8,
        release: bool,
    },
    /// The answer is under way.
    Sent {
        release: bool,
        at: u8,
    },
    /// It was answered, or its time is over: `accepted`, or it is not known.
    Replied {
        release: bool,
        at: u8,
        accepted: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    /// Its gate is of this attempt; each attempt has a change of its own.
    pub attempt: u8,
    pub memory: Memory,
    pub due: u8,
    pub hand: Hand,
}

impl Process {
    fn begin(attempt: u8, due: u8) -> Self {
        let memory = Memory { deadline: DEADLINE, phase: Phase::Waiting, unexplained: None };
        Self { attempt, memory, due, hand: Hand::Asleep }
    }
}

/// An answer under way: by which process, which answer, and until when it lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Flight {
    pub process: Option<u8>,
    pub release: bool,
    pub by: u8,
}

/// What was told of the first attempt's gate; `withdrawn` of either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub released: bool,
    pub stopped: bool,
    pub superseded: bool,
    pub bypassed: bool,
    pub withdrawn: bool,
}

/// What a judge who sees everything notes down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Judge {
    /// A release was sent that the record at the read before, or the attempt, did not permit.
    pub unpermitted: bool,
    /// Our release, and our reject, took effect on the first attempt.
    pub released: bool,
    pub rejected: bool,
    /// A release opened another attempt.
    pub strayed: bool,
    /// Told: released, without a release of ours that took effect.
    pub lied: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub now: u8,
    pub record: Record,
    pub run: Run,
    pub processes: Vec<Process>,
    pub flights: Vec<Flight>,
    /// The decision that is claimed in the Store, and since when.
    pub claim: Option<(bool, u8)>,
    /// Since when the Store remembers.
    pub epoch: u8,
    pub told: Told,
    pub judge: Judge,
    pub left: Faults,
}

impl State {
    fn at_end(&self) -> bool {
        self.now == END
    }
}

/// The number is the process, or the place of the answer under way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Pass,
    ReadRecord(u8),
    CannotReadRecord(u8),
    Decide(u8),
    Answer(u8),
    Conclude(u8),
    Land(usize),
    LandUnheard(usize),
    GetLost(usize),
    Crash(u8),
    Approve,
    Withdraw,
    Reject,
    Start,
    Rerun,
    Cancel,
    Bypass,
    Flush,
}

impl Answering {
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }
}

impl Model for Answering {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: BEGIN,
            record: Record::Assess,
            run: Run { attempt: 1, phase: RunPhase::Waiting, by: None },
            processes: vec![Process::begin(1, BEGIN); self.processes.into()],
            flights: vec![],
            claim: None,
            epoch: 0,
            told: Told::default(),
            judge: Judge::default(),
            left: self.faults,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.offer(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.forget();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PERMITTED, |_, state: &State| !state.judge.unpermitted),
            Property::always(ONE_DECISION, |_, state: &State| {
                !(state.judge.released && state.judge.rejected)
            }),
            Property::always(TRUE, |_, state: &State| {
                let Judge { released, rejected, lied, .. } = state.judge;
                let denied = state.told.bypassed || state.told.stopped && !rejected;
                !(lied || released && denied)
            }),
            Property::always(DECIDED, |_, state: &State| {
                !state.at_end() || state.run.phase != RunPhase::Waiting
            }),
            Property::always(TOLD, |_, state: &State| {
                let stray = state.judge.strayed && !state.told.withdrawn;
                let kept = matches!(state.record, Record::Approved { .. }) || state.told.withdrawn;
                !state.at_end() || !stray && (kept || !state.told.released || state.run.attempt > 1)
            }),
            Property::always(HEARD, |_, state: &State| {
                let Told { released, stopped, superseded, bypassed, .. } = state.told;
                !state.at_end() || released || stopped || superseded || bypassed
            }),
        ]
    }
}

pub(crate) const PERMITTED: &str =
    "no release without a permitting record and the same attempt at the read before";
pub(crate) const ONE_DECISION: &str = "no two opposite decisions take effect";
pub(crate) const TRUE: &str = "what is told of a gate is so";
pub(crate) const DECIDED: &str = "every gate is decided a minute after its deadline";
pub(crate) const TOLD: &str = "a release that is not permitted any more, or opened another attempt, is told";
pub(crate) const HEARD: &str = "how the gate ended is told in the end";
