//! What happens around the processes: time, people, the platform, and what may be done next.

use super::{
    Action, Answering, By, CALM_FROM, END, Faults, Flight, Hand, Phase, Process, Record, Run, RunPhase, State,
};

impl State {
    /// What is late cannot make a difference any more.
    pub(super) fn forget(&mut self) {
        if self.now >= CALM_FROM {
            self.left = Faults::default();
        }
    }

    fn pass(&mut self) {
        let awake = |process: &Process| !matches!(process.hand, Hand::Asleep | Hand::Sent { .. });
        if self.processes.iter().any(awake) {
            self.left.slow -= 1;
        }
        self.now += 1;
    }

    /// People's edits are hinted at to the first process alone: the second looks by its tick.
    fn hint(&mut self) {
        if let Some(first) = self.processes.first_mut()
            && !matches!(first.memory.phase, Phase::Over)
        {
            first.due = first.due.min(self.now);
        }
    }

    fn land(&mut self, first_wins: bool, at: usize) -> (Flight, bool) {
        let flight = self.flights.remove(at);
        let by = By::Us { release: flight.release };
        let cancels = !first_wins && !flight.release;
        let takes = match self.run.phase {
            RunPhase::Waiting => true,
            RunPhase::Queued | RunPhase::Started => cancels,
            RunPhase::NeverStarted => false,
        };
        if takes {
            self.run.phase = if flight.release { RunPhase::Queued } else { RunPhase::NeverStarted };
            self.run.by = Some(by);
            match (self.run.attempt, flight.release) {
                (1, true) => self.judge.released = true,
                (1, false) => self.judge.rejected = true,
                (_, true) => self.judge.strayed = true,
                (_, false) => {}
            }
        }
        (flight, takes)
    }

    /// The platform said no: nothing was answered, and the gate is looked at afresh.
    fn refuse(&mut self, flight: Flight) {
        let now = self.now;
        if let Some(process) = flight.process.and_then(|at| self.processes.get_mut(usize::from(at))) {
            (process.hand, process.due) = (Hand::Asleep, now + 1);
        }
    }

    fn reply(&mut self, flight: Flight, accepted: bool) {
        let Some(process) = flight.process.and_then(|at| self.processes.get_mut(usize::from(at))) else {
            return;
        };
        if let Hand::Sent { release, at } = process.hand {
            process.hand = Hand::Replied { release, at, accepted };
        }
    }
}

impl Answering {
    /// What is due is done before time passes, unless a process is slow; a call is over by its send deadline.
    fn may_pass(state: &State) -> bool {
        let looked = state.processes.iter().all(|process| match process.hand {
            Hand::Asleep => process.due > state.now || process.memory.phase == Phase::Over,
            Hand::Sent { .. } => true,
            _ => state.left.slow > 0,
        });
        let landed = state.flights.iter().all(|flight| flight.by > state.now);
        let queued = state.run.phase != RunPhase::Queued || state.now < CALM_FROM + 2;
        looked && landed && queued && state.now < END
    }

    pub(super) fn offer(&self, state: &State, actions: &mut Vec<Action>) {
        let faults = state.now < CALM_FROM;
        for (at, process) in (0..).zip(&state.processes) {
            match process.hand {
                Hand::Asleep if process.due <= state.now && process.memory.phase != Phase::Over => {
                    actions.push(Action::ReadRecord(at));
                    if faults && state.left.unreadable > 0 {
                        actions.push(Action::CannotReadRecord(at));
                    }
                }
                Hand::Asleep => {}
                Hand::Record { .. } => actions.push(Action::Decide(at)),
                Hand::Run { .. } => actions.push(Action::Answer(at)),
                Hand::Sent { .. } => {}
                Hand::Replied { .. } => actions.push(Action::Conclude(at)),
            }
            let sent = matches!(process.hand, Hand::Sent { .. } | Hand::Replied { .. });
            if faults && state.left.crashes > 0 && sent {
                actions.push(Action::Crash(at));
            }
        }
        for at in 0..state.flights.len() {
            actions.push(Action::Land(at));
            if state.left.lost > 0 {
                actions.extend([Action::LandUnheard(at), Action::GetLost(at)]);
            }
        }
        if state.run.phase == RunPhase::Queued {
            actions.push(Action::Start);
        }
        if faults {
            Self::offer_people(state, actions);
        }
        if Self::may_pass(state) {
            actions.push(Action::Pass);
        }
    }

    fn offer_people(state: &State, actions: &mut Vec<Action>) {
        let left = state.left;
        let waiting = state.run.phase == RunPhase::Waiting;
        let mut offer = |count: u8, possible: bool, action: Action| {
            if count > 0 && possible {
                actions.push(action);
            }
        };
        let approved = matches!(state.record, Record::Approved { .. });
        offer(left.approvals, state.record == Record::Assess, Action::Approve);
        offer(left.withdrawals, approved, Action::Withdraw);
        offer(left.rejections, state.record != Record::Rejected, Action::Reject);
        offer(left.reruns, true, Action::Rerun);
        offer(left.cancels, waiting, Action::Cancel);
        offer(left.bypasses, waiting, Action::Bypass);
        offer(left.flushes, true, Action::Flush);
    }

    pub(super) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::ReadRecord(at) => self.read_record(state, at, Some(state.record)),
            Action::CannotReadRecord(at) => {
                state.left.unreadable -= 1;
                self.read_record(state, at, None);
            }
            Action::Decide(at) => self.decide(state, at),
            Action::Answer(at) => self.answer(state, at),
            Action::Conclude(at) => self.conclude_answer(state, at),
            action => self.around(state, &action),
        }
    }

    fn around(&self, state: &mut State, action: &Action) {
        match *action {
            Action::Pass => state.pass(),
            Action::Land(at) => {
                let (flight, takes) = state.land(self.first_wins, at);
                state.reply(flight, takes);
                if !takes {
                    state.refuse(flight);
                }
            }
            Action::LandUnheard(at) => {
                state.left.lost -= 1;
                let (flight, _) = state.land(self.first_wins, at);
                state.reply(flight, false);
            }
            Action::GetLost(at) => {
                state.left.lost -= 1;
                let flight = state.flights.remove(at);
                state.reply(flight, false);
            }
            Action::Crash(at) => {
                state.left.crashes -= 1;
                for flight in &mut state.flights {
                    flight.process = flight.process.filter(|process| *process != at);
                }
                let process = &mut state.processes[usize::from(at)];
                (process.hand, process.due) = (Hand::Asleep, state.now);
            }
            _ => Self::people(state, action),
        }
    }

    fn people(state: &mut State, action: &Action) {
        let left = &mut state.left;
        let (count, record) = match action {
            Action::Approve => (&mut left.approvals, Some(Record::Approved { at: state.now })),
            Action::Withdraw => (&mut left.withdrawals, Some(Record::Assess)),
            Action::Reject => (&mut left.rejections, Some(Record::Rejected)),
            Action::Rerun => (&mut left.reruns, None),
            Action::Cancel => (&mut left.cancels, None),
            Action::Bypass => (&mut left.bypasses, None),
            Action::Flush => (&mut left.flushes, None),
            _ => {
                state.run.phase = RunPhase::Started;
                return;
            }
        };
        *count -= 1;
        match action {
            Action::Rerun => {
                state.run = Run { attempt: 2, phase: RunPhase::Waiting, by: None };
                state.processes.push(Process::begin(2, state.now));
            }
            Action::Cancel => state.run.phase = RunPhase::NeverStarted,
            Action::Bypass => (state.run.phase, state.run.by) = (RunPhase::Queued, Some(By::Admin)),
            Action::Flush => (state.claim, state.epoch) = (None, state.now),
            _ => {}
        }
        if let Some(record) = record {
            state.record = record;
            state.hint();
        }
    }
}
