//! One look at a gate, step by step, with the production rules deciding.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_events::Outcome;
use interlock_rules::{
    Answer, Answered, ChangeRow, ChangeState, Conclusion, RELEASE_MARGIN, Reading, ReleaseInputs, RunReading,
    Terms, Verdict, conclude, deadline, may_release, next_look, withdrawn,
};

use super::{
    Answering, By, CLAIM, DEADLINE, Flight, Hand, Phase, Process, Read, Record, Rule, Run, RunPhase, SEND,
    SETTLE, State, UNIT, WINDOW_END,
};
use crate::records::{CORRELATION, DEPLOYMENT, KEY, TERMS, approver, at, row};

static GATE_TERMS: LazyLock<Terms> = LazyLock::new(|| {
    let mut terms = TERMS.clone();
    terms.approval.timeout_minutes = f64::from(DEADLINE) * 5.0 / 60.0;
    terms
});
const PLATFORM_LIMIT: Duration = Duration::from_secs(30 * 86_400);
const SETTLE_TIME: Duration = Duration::from_secs(SETTLE as u64 * UNIT as u64);

fn moment(unit: u8) -> DateTime<Utc> {
    at(i64::from(unit) * UNIT)
}

fn unit_of(moment: DateTime<Utc>) -> u8 {
    u8::try_from((moment - at(0)).num_seconds() / UNIT).unwrap_or(u8::MAX)
}

fn row_of(record: Record) -> ChangeRow {
    let change = match record {
        Record::Assess => row("CHG1", 0, ChangeState::Assess),
        Record::Approved { .. } => row("CHG1", 0, ChangeState::Scheduled),
        Record::Rejected => row("CHG1", 0, ChangeState::New),
    };
    let approvers = match record {
        Record::Assess => vec![],
        Record::Approved { at } => vec![approver("approved", i64::from(at) * UNIT)],
        Record::Rejected => vec![approver("rejected", 0)],
    };
    ChangeRow { approvers, end: Some(moment(WINDOW_END)), ..change }
}

fn reading(read: Read) -> Result<Reading, &'static str> {
    let record = read.record.ok_or("ServiceNow did not answer")?;
    Ok(Reading { rows: vec![row_of(record)], at: moment(read.at), skew_seconds: Some(0) })
}

fn run_reading(run: Run, read_at: u8) -> RunReading {
    let phase = match run.phase {
        RunPhase::Waiting => interlock_rules::RunPhase::Waiting,
        RunPhase::Queued => interlock_rules::RunPhase::Queued,
        RunPhase::Started => interlock_rules::RunPhase::Started,
        RunPhase::NeverStarted => interlock_rules::RunPhase::NeverStarted(Outcome::Canceled),
    };
    let answer = run.by.map(|by| match by {
        By::Us { release } => Answer { released: release, ours: true, by: "interlock".into() },
        By::Admin => Answer { released: true, ours: false, by: "root".into() },
    });
    RunReading {
        at: moment(read_at),
        dated: true,
        attempt: Some(run.attempt.into()),
        sha: DEPLOYMENT.sha.clone(),
        phase,
        superseded: false,
        answer,
        mark: None,
        people: Vec::new(),
    }
}

impl State {
    fn process(&mut self, at: u8) -> &mut Process {
        &mut self.processes[usize::from(at)]
    }

    /// The tick ends: its watch comes again.
    fn sleep(&mut self, at: u8, units: u8) {
        let due = self.now + units.max(1);
        let process = self.process(at);
        (process.hand, process.due) = (Hand::Asleep, due);
    }

    fn over(&mut self, at: u8) {
        self.process(at).memory.phase = Phase::Over;
        self.sleep(at, 1);
    }

    fn sleep_until_it_matters(&mut self, at: u8) {
        let deadline = self.process(at).memory.deadline;
        let pause = next_look(moment(self.now), moment(deadline), None).as_secs();
        self.sleep(at, u8::try_from(pause.div_ceil(UNIT as u64)).unwrap_or(u8::MAX));
    }
}

impl Answering {
    fn bound(&self, process: &Process) -> Option<u32> {
        self.keeps(Rule::BindToAttempt).then_some(process.attempt.into())
    }

    pub(super) fn read_record(&self, state: &mut State, at: u8, record: Option<Record>) {
        let now = state.now;
        let process = state.process(at);
        // The change of the second attempt is another one, which nobody approves.
        let record = record.map(|record| if process.attempt == 1 { record } else { Record::Assess });
        process.hand = Hand::Record { began: now, read: Read { record, at: now } };
    }

    fn learn(state: &mut State, at: u8, read: Read) {
        let Some(record) = read.record else { return };
        let row = row_of(record);
        let deadline = deadline(super::look::at(0), &GATE_TERMS, PLATFORM_LIMIT, Some(&row));
        state.process(at).memory.deadline = unit_of(deadline);
    }

    fn verdict(&self, state: &State, at: u8, read: Read, run: Option<&RunReading>) -> Verdict {
        let read_at = if self.keeps(Rule::FreshRecord) { read.at } else { state.now };
        let reading = reading(Read { at: read_at, ..read });
        may_release(ReleaseInputs {
            whose: &*KEY,
            correlation_id: &CORRELATION,
            sha: &DEPLOYMENT.sha,
            attempt: self.bound(&state.processes[usize::from(at)]),
            reading: reading.as_ref().map_err(|reason| *reason),
            run,
            highest: None,
            terms: &GATE_TERMS,
            template: None,
            parties: None,
            checked: None,
            freezes: &[],
            now: moment(state.now),
        })
    }

    pub(super) fn decide(&self, state: &mut State, at: u8) {
        let Hand::Record { began, read } = state.process(at).hand else { return };
        match state.process(at).memory.phase {
            Phase::Waiting => {}
            Phase::Answered { .. } => return self.conclude(state, at, state.run),
            Phase::Released => return self.look_at_released(state, at, read),
            Phase::Over => return,
        }
        Self::learn(state, at, read);
        let verdict = self.verdict(state, at, read, None);
        let expired = state.now >= state.process(at).memory.deadline;
        let release = match verdict {
            Verdict::AskPlatform if !expired => true,
            Verdict::Wait { .. } if !expired => return state.sleep_until_it_matters(at),
            _ => false,
        };
        let run = self.run_before_answer(state);
        let another = run_reading(run, state.now)
            .another_than(&DEPLOYMENT.sha, self.bound(&state.processes[usize::from(at)]))
            .is_some();
        if run.phase != RunPhase::Waiting || another {
            return self.conclude(state, at, run);
        }
        let run_at = state.now;
        state.process(at).hand = Hand::Run { began, read, run, run_at, release };
    }

    /// Without the read the run is taken for what it was when the gate was asked for.
    fn run_before_answer(&self, state: &State) -> Run {
        if self.keeps(Rule::ReadBefore) {
            return state.run;
        }
        Run { attempt: 1, phase: RunPhase::Waiting, by: None }
    }

    pub(super) fn answer(&self, state: &mut State, at: u8) {
        let Hand::Run { began, read, run, run_at, release } = state.process(at).hand else { return };
        if release && !self.may_send_release(state, at, read, run, run_at) {
            return;
        }
        if state.now >= began + SEND || !self.claim(state, release) {
            return state.sleep(at, 1);
        }
        state.flights.push(Flight { process: Some(at), release, by: began + SEND });
        let now = state.now;
        state.process(at).hand = Hand::Sent { release, at: now };
    }

    /// The record again where that took long, the verdict with the run, and the margin before the deadline.
    fn may_send_release(&self, state: &mut State, at: u8, read: Read, run: Run, run_at: u8) -> bool {
        let mut last = read;
        if state.now > read.at && self.keeps(Rule::FreshRecord) {
            let own = state.process(at).attempt == 1;
            last = Read { record: Some(if own { state.record } else { Record::Assess }), at: state.now };
            Self::learn(state, at, last);
        }
        let verdict = self.verdict(state, at, last, Some(&run_reading(run, run_at)));
        if !matches!(verdict, Verdict::Release(permit) if permit.is_fresh(moment(state.now))) {
            state.sleep(at, 1);
            return false;
        }
        let deadline = moment(state.process(at).memory.deadline);
        if self.keeps(Rule::DeadlineGuard) && moment(run_at) >= deadline - RELEASE_MARGIN {
            state.sleep_until_it_matters(at);
            return false;
        }
        let shown = matches!(last.record, Some(Record::Approved { .. })) && last.at == state.now;
        let attempt = state.process(at).attempt;
        state.judge.unpermitted |= !shown || run.attempt != attempt;
        true
    }

    /// Where the first answer does not win, the intended one is claimed for longer than a call lives.
    fn claim(&self, state: &mut State, release: bool) -> bool {
        if self.first_wins || !self.keeps(Rule::DecisionKey) {
            return true;
        }
        if state.now < state.epoch + CLAIM {
            return false;
        }
        let held = state.claim.filter(|(_, since)| state.now < since + CLAIM);
        if held.is_some_and(|(other, _)| other != release) {
            return false;
        }
        state.claim = held.filter(|_| !self.keeps(Rule::ClaimAnew)).or(Some((release, state.now)));
        true
    }

    pub(super) fn conclude_answer(&self, state: &mut State, at: u8) {
        let Hand::Replied { release, at: sent, accepted } = state.process(at).hand else { return };
        state.process(at).memory.phase = Phase::Answered { release, accepted, at: sent };
        if self.keeps(Rule::ReadAfter) {
            return self.conclude(state, at, state.run);
        }
        if release {
            self.released(state, at);
        } else {
            self.stopped(state, at);
        }
    }

    fn conclude(&self, state: &mut State, at: u8, run: Run) {
        let process = *state.process(at);
        let answered = match process.memory.phase {
            Phase::Answered { release, accepted, at } => {
                Some(Answered { release, accepted, at: moment(at), reason: String::new(), expired: false })
            }
            _ => None,
        };
        if !self.keeps(Rule::Conclude) && run.phase != RunPhase::Waiting {
            return self.stopped(state, at);
        }
        let since = process.memory.unexplained.map(moment);
        let bound = self.bound(&process);
        let shown = Run { by: run.by.filter(|_| self.names), ..run };
        let read = run_reading(shown, state.now);
        match conclude(&read, &DEPLOYMENT.sha, bound, answered.as_ref(), since, SETTLE_TIME) {
            Conclusion::StillWaiting => {
                state.process(at).memory.phase = Phase::Waiting;
                state.sleep(at, 1);
            }
            Conclusion::NotYet => state.sleep(at, 1),
            Conclusion::Unexplained => {
                let now = state.now;
                state.process(at).memory.unexplained.get_or_insert(now);
                state.sleep(at, SETTLE);
            }
            Conclusion::Released { .. } => self.released(state, at),
            Conclusion::Rejected | Conclusion::Lost { .. } => self.stopped(state, at),
            Conclusion::Bypassed { .. } => {
                state.told.bypassed |= process.attempt == 1;
                state.over(at);
            }
            Conclusion::Superseded { .. } => {
                state.told.superseded |= process.attempt == 1;
                state.told.withdrawn |= answered.is_some_and(|answered| answered.release);
                state.over(at);
            }
        }
    }

    fn released(&self, state: &mut State, at: u8) {
        if state.process(at).attempt == 1 {
            state.told.released = true;
            state.judge.lied |= !state.judge.released;
        }
        if !self.keeps(Rule::PostCheck) {
            return state.over(at);
        }
        state.process(at).memory.phase = Phase::Released;
        state.sleep(at, 4);
    }

    fn stopped(&self, state: &mut State, at: u8) {
        state.told.stopped |= state.process(at).attempt == 1;
        state.over(at);
    }

    fn look_at_released(&self, state: &mut State, at: u8, read: Read) {
        let row = read.record.map(row_of);
        if let (Some(row), Ok(reading)) = (row, reading(read))
            && withdrawn(&reading, &*KEY, &row.sys_id).is_some()
        {
            state.told.withdrawn = true;
            return state.over(at);
        }
        if state.run.attempt != state.process(at).attempt {
            return state.over(at);
        }
        state.sleep(at, 4);
    }
}
