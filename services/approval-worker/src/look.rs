//! One look at a gate: read, decide, act. The watch looks by its tick, a hint at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{ApprovalWithdrawn, Event, EventData, FaultRaised, KeyHash, event, with_traceparent};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{
    OnWithdrawal, Reading, ReleaseInputs, RunPhase, RunReading, Verdict, canonical, deadline, may_release,
    next_look, withdrawn,
};
use interlock_servicenow::{Class, Lane, ServiceNow};
use tokio::time::Instant;

use crate::gate::{Gate, GateState, Phase};
use crate::{Desk, NAME};

/// Longest that a look waits for ServiceNow.
const RECORD_READ_MAX: Duration = Duration::from_secs(15);
/// The same when the deadline has come: rejecting does not wait for ServiceNow.
const RECORD_READ_AT_DEADLINE_MAX: Duration = Duration::from_secs(4);
/// What a client that has come to its deadline may still need.
const CLIENT_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// Longest that a look waits for the platform.
const RUN_READ_MAX: Duration = Duration::from_secs(15);
/// How often the run of a waiting gate is read for its own sake.
const RUN_READ_INTERVAL: TimeDelta = TimeDelta::minutes(10);
/// How often a released gate's record is read.
const RELEASED_LOOK: Duration = Duration::from_secs(600);
/// Outward writes leave within this time after the tick began.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(10);

/// What a look came to.
pub(crate) struct Looked {
    pub events: Vec<Event>,
    pub next: Next,
}

/// A record that could not be read.
struct Unread {
    reason: String,
    /// It will not be readable before somebody acts: credentials, rights, configuration.
    until_cured: bool,
}

impl Unread {
    fn for_now(reason: String) -> Self {
        Self { reason, until_cured: false }
    }

    fn until_cured(reason: String) -> Self {
        Self { reason, until_cured: true }
    }
}

/// Why a gate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Its watch ticks.
    Watch,
    /// Something was told.
    Hint {
        /// Of the run: it is read whatever the record says.
        run_first: bool,
    },
}

/// When the next look is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    After(Duration),
    Never,
}

impl Looked {
    pub(crate) fn again(after: Duration) -> Self {
        Self { events: Vec::new(), next: Next::After(after) }
    }
}

impl Desk {
    /// One look, alone: whoever else looks at this gate at the moment does it for us.
    pub(crate) async fn look(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        began: Instant,
        by: By,
    ) -> Option<Looked> {
        let key = gate.key();
        self.alone(&key, async {
            let is_news = self.take_over(&key, state).await;
            if by == (By::Hint { run_first: true }) {
                state.run_read = None;
            }
            let again = self.told_again(gate, state).filter(|_| is_news);
            let mut looked = self.look_at_phase(gate, state, began).await;
            looked.events.splice(0..0, again);
            for event in &mut looked.events {
                with_traceparent(event, state.traceparent.as_deref());
            }
            state.revision += 1;
            match looked.next {
                Next::After(_) => self.remember(gate.request, state).await,
                // The watch still travels: what ended here it tells in the same words, and ends.
                Next::Never if by != By::Watch => {
                    let released = self.told_again(gate, state);
                    state.phase =
                        Phase::Over { told: released.into_iter().chain(looked.events.clone()).collect() };
                    self.remember(gate.request, state).await;
                }
                Next::Never => self.forget(&key, state).await,
            }
            looked
        })
        .await
    }

    /// Another look may have learned more since this copy was published; says whether its release is news.
    async fn take_over(&self, key: &KeyHash, state: &mut GateState) -> bool {
        match self.recall(key).await {
            Some(copy) if copy.state.revision > state.revision => state.go_on_with(copy.state),
            _ => false,
        }
    }

    async fn look_at_phase(&self, gate: Gate<'_>, state: &mut GateState, began: Instant) -> Looked {
        let Some(platform) = self.platforms.get(&gate.handle.connection).cloned() else {
            let reason = format!(
                "the connection `{}` is gone from the configuration: its gate cannot be answered",
                gate.handle.connection
            );
            return self.fault(gate, state, reason, Duration::from_secs(120));
        };
        match &state.phase {
            Phase::Waiting => self.look_at_waiting(gate, state, &*platform, began).await,
            Phase::Answered(_) => self.look_after_answer(gate, state, &*platform, began).await,
            Phase::Over { told } => Looked { events: told.clone(), next: Next::Never },
            Phase::Released { withdrawn_told, .. } => {
                let told = *withdrawn_told;
                self.look_at_released(gate, state, &*platform, told, began).await
            }
        }
    }

    async fn look_at_waiting(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Looked {
        if let Some(looked) = self.look_at_run_now_and_then(gate, state, platform, began).await {
            return looked;
        }
        let reading = self.read_record(gate, state).await;
        self.learn(gate, state, platform, &reading);
        let now = self.context.clock.now();
        let verdict = self.judge(gate, state, &reading, None, now);
        if now >= state.deadline {
            let reason = format!("no approval by the deadline {}: {}", state.deadline, reason_of(&verdict));
            return self.reject(gate, state, platform, reason, true).await;
        }
        match verdict {
            Verdict::Wait { reason, until } => {
                let after = next_look(now, state.deadline, until);
                if reading.is_err_and(|unread| unread.until_cured) {
                    return self.fault(gate, state, reason, after);
                }
                state.reason = reason;
                Looked::again(after)
            }
            Verdict::Reject { reason } => self.reject(gate, state, platform, reason, false).await,
            Verdict::AskPlatform => self.permit(gate, state, platform).await,
            // Both need the run, which was not read for this verdict.
            Verdict::Lost { .. } | Verdict::Release(_) => Looked::again(Duration::from_secs(1)),
        }
    }

    /// The record permits: now the run and once more the record, then the answer.
    async fn permit(&self, gate: Gate<'_>, state: &mut GateState, platform: &dyn Platform) -> Looked {
        // The tick that decides begins here: all that it hangs on is read after this moment.
        let began = self.context.clock.instant();
        let known = state.clone();
        let (run, record) =
            tokio::join!(self.read_run(gate, state, platform), self.read_record(gate, &known));
        let run = match run {
            Ok(run) => run,
            Err(error) => return self.platform_failed(gate, state, &error),
        };
        if run.phase != RunPhase::Waiting
            || run.another_than(&gate.request.deployment.sha, state.attempt).is_some()
        {
            return self.conclude(gate, state, platform, &run, began).await;
        }
        let reading = record;
        self.learn(gate, state, platform, &reading);
        let now = self.context.clock.now();
        match self.judge(gate, state, &reading, Some(&run), now) {
            Verdict::Release(permit) => self.release(gate, state, platform, permit, &run, began).await,
            verdict => {
                state.reason = reason_of(&verdict);
                Looked::again(Duration::from_secs(1))
            }
        }
    }

    fn judge(
        &self,
        gate: Gate<'_>,
        state: &GateState,
        reading: &Result<Reading, Unread>,
        run: Option<&RunReading>,
        now: DateTime<Utc>,
    ) -> Verdict {
        may_release(ReleaseInputs {
            key: &gate.key(),
            correlation_id: gate.correlation_id().as_str(),
            sha: &gate.request.deployment.sha,
            attempt: state.attempt,
            reading: reading.as_ref().map_err(|unread| unread.reason.as_str()),
            run,
            highest: state.highest,
            terms: &state.terms,
            now,
        })
    }

    /// Takes over what the record says, and moves the deadline by it.
    fn learn(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        reading: &Result<Reading, Unread>,
    ) {
        let Ok(reading) = reading else { return };
        // An answer without rows is no proof that the change went away: what was known stands.
        let Some(row) = canonical(&reading.rows, &gate.key()).map(|family| family.canonical) else { return };
        state.note_row(row);
        let row = state.as_first_approved(row);
        let limit = platform.gate_limit();
        state.deadline = deadline(gate.request.requested_at, &state.terms, limit, Some(&row));
    }

    async fn read_record(&self, gate: Gate<'_>, state: &GateState) -> Result<Reading, Unread> {
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let asked = self.context.clock.now();
        let limit = if asked >= state.deadline { RECORD_READ_AT_DEADLINE_MAX } else { RECORD_READ_MAX };
        // It learns from what was not answered in time, so the end is the client's own.
        let service_now = service_now.before(self.context.clock.instant() + limit);
        match tokio::time::timeout(
            limit + CLIENT_ENDS_WITHIN,
            service_now.changes_of(&gate.key(), Lane::Gate),
        )
        .await
        {
            // What a slow answer shows may be as old as its question: its age counts from there.
            Ok(Ok(reading)) => Ok(Reading { at: asked, ..reading }),
            // Credentials concern every gate: that is told once for the instance, by the poll.
            Ok(Err(fault)) if fault.class() == Class::Permanent && !fault.is_not_authenticated() => {
                Err(Unread::until_cured(fault.to_string()))
            }
            Ok(Err(fault)) => Err(Unread::for_now(fault.to_string())),
            Err(_) => Err(Unread::for_now(format!("ServiceNow did not answer within {} s", limit.as_secs()))),
        }
    }

    fn instance(&self, state: &GateState) -> Result<&ServiceNow, String> {
        let name = &state.terms.service_now;
        let found = self.service_now.get(name);
        found
            .map(|service_now| &**service_now)
            .ok_or_else(|| format!("the connection `{name}` is gone from the configuration"))
    }

    /// Reads the run, and binds the gate to its attempt while it certainly is the one that asked.
    pub(crate) async fn read_run(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
    ) -> Result<RunReading, PlatformError> {
        let read =
            tokio::time::timeout(RUN_READ_MAX, platform.read(gate.handle, &gate.request.deployment)).await;
        let slow = || {
            PlatformError::Transient(format!(
                "{} did not answer within {} s",
                gate.handle.connection,
                RUN_READ_MAX.as_secs()
            ))
        };
        let run = read.map_err(|_| slow())??;
        state.run_read = Some(self.context.clock.now());
        if state.attempt.is_none() && !run.superseded && run.phase == RunPhase::Waiting {
            state.attempt = run.attempt;
        }
        Ok(run)
    }

    /// At the first look, for the attempt, and then every ten minutes: a gate may be gone.
    async fn look_at_run_now_and_then(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Option<Looked> {
        let due = state.run_read.is_none_or(|read| self.context.clock.now() - read >= RUN_READ_INTERVAL)
            || state.unexplained_since.is_some();
        if !due {
            return None;
        }
        // What cannot be read now is read before the answer.
        let run = self.read_run(gate, state, platform).await.ok()?;
        let here = run.phase == RunPhase::Waiting
            && run.another_than(&gate.request.deployment.sha, state.attempt).is_none();
        if here {
            state.unexplained_since = None;
            return None;
        }
        if run.phase == RunPhase::Queued {
            return Some(Looked::again(Duration::from_secs(5)));
        }
        Some(self.conclude(gate, state, platform, &run, began).await)
    }

    async fn look_at_released(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        told: bool,
        began: Instant,
    ) -> Looked {
        let mut looked = Looked::again(RELEASED_LOOK);
        let reading = self.read_record(gate, state).await;
        if let Ok(reading) = &reading
            && let Some(family) = canonical(&reading.rows, &gate.key())
        {
            state.note_row(family.canonical);
        }
        if told && self.must_cancel(state) {
            self.cancel_run(gate, state, platform, began).await;
        }
        if let (false, Some(change), Ok(reading)) = (told, state.change.clone(), reading)
            && let Some(reason) = withdrawn(&reading, &gate.key(), &change.sys_id)
        {
            let run_canceled = state.terms.on_withdrawal == OnWithdrawal::CancelRun
                && self.cancel_run(gate, state, platform, began).await;
            let fact =
                ApprovalWithdrawn { key: gate.request.deployment.key.clone(), change, reason, run_canceled };
            looked.events.push(self.fact(&fact));
            if let Phase::Released { withdrawn_told, .. } = &mut state.phase {
                *withdrawn_told = true;
            }
        }
        if let Ok(run) = self.read_run(gate, state, platform).await
            && (run.phase.outcome().is_some()
                || run.phase == RunPhase::Gone
                || run.another_than(&gate.request.deployment.sha, state.attempt).is_some())
        {
            looked.next = Next::Never;
        } else if self.must_cancel(state) {
            looked.next = Next::After(Duration::from_secs(30));
        }
        looked
    }

    /// The policy wants the run canceled, and no try has succeeded yet.
    fn must_cancel(&self, state: &GateState) -> bool {
        let told = matches!(state.phase, Phase::Released { withdrawn_told: true, .. });
        told && !state.run_canceled && state.terms.on_withdrawal == OnWithdrawal::CancelRun
    }

    async fn cancel_run(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> bool {
        let canceled = platform.cancel(gate.handle, began + SEND_WITHIN).await;
        if let Err(error) = &canceled {
            tracing::warn!(%error, "the run of a withdrawn approval is not canceled yet");
        }
        state.run_canceled = canceled.is_ok();
        state.run_canceled
    }

    pub(crate) fn platform_failed(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        error: &PlatformError,
    ) -> Looked {
        let name = &gate.handle.connection;
        let reason = format!("{name}: {error}");
        match error {
            PlatformError::Paused(pause) => {
                state.reason = reason;
                Looked::again((*pause).clamp(Duration::from_secs(1), Duration::from_secs(60)))
            }
            PlatformError::Refused(_) => self.fault(gate, state, reason, Duration::from_secs(30)),
            _ => {
                state.reason = reason;
                Looked::again(Duration::from_secs(5))
            }
        }
    }

    /// A look that will fail again: told once; the gate goes on waiting.
    fn fault(&self, gate: Gate<'_>, state: &mut GateState, reason: String, after: Duration) -> Looked {
        let mut looked = Looked::again(after);
        if !std::mem::replace(&mut state.fault_told, true) {
            let fault = FaultRaised {
                worker: NAME.into(),
                event_id: gate.key().to_string(),
                event_type: interlock_events::DeploymentRequested::TYPE.into(),
                subject: Some(gate.key().to_string()),
                reason: reason.clone(),
                attempts: 1,
            };
            looked.events.push(self.fact(&fault));
        }
        tracing::warn!(reason, "a gate cannot be looked at");
        state.reason = reason;
        looked
    }

    pub(crate) fn fact<T: EventData>(&self, fact: &T) -> Event {
        event("/tenants/default/approval-worker", self.context.clock.now(), fact)
    }
}

fn reason_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Wait { reason, .. } | Verdict::Reject { reason } | Verdict::Lost { reason } => {
            reason.clone()
        }
        Verdict::AskPlatform | Verdict::Release(_) => "the change permits it, but too late".into(),
    }
}
