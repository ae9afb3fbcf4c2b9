//! One look at a gate: read, decide, act. The watch looks by its tick, a hint at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{Event, EventData, FaultRaised, KeyHash, event, with_traceparent};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{
    PERMIT_LIFETIME, Reading, ReleaseInputs, RunPhase, RunReading, Verdict, broken_promise, canonical,
    deadline, may_release, next_look, run_look_after,
};
use interlock_servicenow::Known;
use tokio::time::Instant;

use crate::gate::{Gate, GateState, Phase};
use crate::read::Unread;
use crate::rest::NEAR_DEADLINE;
use crate::{Desk, NAME};

const UNREAD_LOOK_MAX: Duration = Duration::from_secs(5);
/// Outward writes leave within this time after the tick began.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Another look after a hint that comes later than this is left to the gate's watch.
const SOON_MAX: Duration = Duration::from_secs(30);

/// A record that was read so short a time ago leaves enough of its permit's life to read the run.
const JUST_READ: TimeDelta = TimeDelta::seconds(2);

/// What a look came to.
pub(crate) struct Looked {
    pub events: Vec<Event>,
    pub next: Next,
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
                (state.run_read, state.run_mark) = (None, None);
            }
            let again = self.told_again(gate, state).filter(|_| is_news);
            let mut looked = self.look_at_phase(gate, state, began, by).await;
            looked.events.splice(0..0, again);
            for event in &mut looked.events {
                with_traceparent(event, state.traceparent.as_deref());
            }
            state.revision += 1;
            state.soon = self.wanted_soon(looked.next, by);
            match looked.next {
                Next::After(_) => self.remember(gate.request, state).await,
                // The watch still travels: what ended here it tells in the same words, and ends.
                Next::Never if by != By::Watch => {
                    let released = self.told_again(gate, state);
                    state.phase =
                        Phase::Over { told: released.into_iter().chain(looked.events.clone()).collect() };
                    self.remember(gate.request, state).await;
                }
                Next::Never => self.forget(gate.request, state).await,
            }
            looked
        })
        .await
    }

    /// A hint publishes no watch, and the gate's own may sleep for minutes: the poll looks again for it.
    fn wanted_soon(&self, next: Next, by: By) -> Option<DateTime<Utc>> {
        match next {
            Next::After(after) if by != By::Watch && after <= SOON_MAX => {
                Some(self.context.clock.now() + after)
            }
            Next::After(_) | Next::Never => None,
        }
    }

    /// Another look may have learned more since this copy was published; says whether its release is news.
    async fn take_over(&self, key: &KeyHash, state: &mut GateState) -> bool {
        match self.recall(key).await {
            Some(copy) if copy.state.revision > state.revision => state.go_on_with(copy.state),
            _ => false,
        }
    }

    async fn look_at_phase(&self, gate: Gate<'_>, state: &mut GateState, began: Instant, by: By) -> Looked {
        let Some(platform) = self.platforms.get(&gate.handle.connection).cloned() else {
            let reason = format!(
                "the connection `{}` is gone from the configuration: its gate cannot be answered",
                gate.handle.connection
            );
            return self.fault(gate, state, reason, Duration::from_secs(120));
        };
        match &state.phase {
            Phase::Waiting => self.look_at_waiting(gate, state, &*platform, began, by).await,
            Phase::Answered(_) => self.look_after_answer(gate, state, &*platform, began).await,
            Phase::Over { told } => Looked { events: told.clone(), next: Next::Never },
            Phase::Released { .. } => self.look_at_released(gate, state, &*platform, began, by).await,
        }
    }

    async fn look_at_waiting(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
        by: By,
    ) -> Looked {
        if let Some(looked) = self.look_at_run_now_and_then(gate, state, platform, began).await {
            return looked;
        }
        if by == By::Watch && self.is_at_rest(gate, state).await {
            return Looked::again(next_look(self.context.clock.now(), state.deadline, state.matters_at));
        }
        if !state.siblings_known || state.change.is_none() {
            // Who cannot be told apart now is read before the answer.
            let _ = self.read_siblings(gate, state, platform).await;
        }
        let Some(reading) = self.read_with_what_it_hangs_on(gate, state).await else {
            return Looked::again(Duration::from_secs(1));
        };
        self.learn(gate, state, platform, &reading);
        // A reading that failed says nothing against what was read before.
        if reading.is_ok() {
            state.known = None;
        }
        let now = self.context.clock.now();
        let verdict = self.judge(gate, state, &reading, None, now);
        if state.observes() {
            return self.observe(gate, state, platform, observed(&verdict)).await;
        }
        if now >= state.deadline {
            let reason = format!("no approval by the deadline {}: {}", state.deadline, reason_of(&verdict));
            return self.reject(gate, state, platform, reason, true).await;
        }
        match verdict {
            Verdict::Wait { reason, until } => {
                let after = next_look(now, state.deadline, until);
                if let Ok(reading) = &reading
                    && now - reading.at < PERMIT_LIFETIME
                {
                    self.may_rest(gate, state, reading, until);
                }
                // Sleeping through the last moments would reject what was approved long before.
                let is_near = state.deadline - now <= NEAR_DEADLINE;
                let after = if reading.is_err() && is_near { after.min(UNREAD_LOOK_MAX) } else { after };
                if reading.as_ref().is_err_and(|unread| unread.until_cured) {
                    self.report(gate, state, platform, &reading).await;
                    return self.fault(gate, state, reason, after);
                }
                state.reason = reason;
                self.report(gate, state, platform, &reading).await;
                Looked::again(after)
            }
            // A change that was one too many was canceled: another may cover all that share the gate.
            Verdict::Reject { .. } => match self.read_siblings(gate, state, platform).await {
                Ok(true) => Looked::again(Duration::from_secs(1)),
                Ok(false) => self.reject(gate, state, platform, reason_of(&verdict), false).await,
                Err(error) => self.platform_failed(gate, state, &error),
            },
            Verdict::AskPlatform => self.permit(gate, state, platform, reading.ok()).await,
            // Both need the run, which was not read for this verdict.
            Verdict::Lost { .. } | Verdict::Release(_) => Looked::again(Duration::from_secs(1)),
        }
    }

    /// The record, and before it what its judgement hangs on; `None`: it is to be judged by other terms.
    async fn read_with_what_it_hangs_on(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
    ) -> Option<Result<Reading, Unread>> {
        if let Err(unread) = self.learn_template(state).await {
            return Some(Err(unread));
        }
        if let Err(unread) = self.learn_parties(state).await {
            return Some(Err(unread));
        }
        let reading = match self.read_record(gate, state).await {
            Ok(reading) => reading,
            Err(unread) => return Some(Err(unread)),
        };
        match self.learn_rollback(gate, state, &reading).await {
            Ok(true) => None,
            Ok(false) => {
                self.learn_conflicts(gate, state, &reading).await;
                Some(Ok(reading))
            }
            Err(unread) => Some(Err(unread)),
        }
    }

    /// The record permits: now the run, and once more the record if that took long, then the answer.
    async fn permit(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        reading: Option<Reading>,
    ) -> Looked {
        // The tick that decides begins here: all that it hangs on is read after this moment, or just before.
        let (began, now) = (self.context.clock.instant(), self.context.clock.now());
        let reading = reading.filter(|reading| now - reading.at <= JUST_READ);
        let (known, mut news) = (state.clone(), state.clone());
        let (run, siblings, record) = tokio::join!(
            self.read_run(gate, state, platform),
            self.read_siblings(gate, &mut news, platform),
            async {
                match reading {
                    Some(reading) => Ok(reading),
                    None => self.read_record(gate, &known).await,
                }
            }
        );
        let (run, differ) = match (run, siblings) {
            (Ok(run), Ok(differ)) => (run, differ),
            (Err(error), _) | (_, Err(error)) => return self.platform_failed(gate, state, &error),
        };
        state.note_siblings(news.siblings);
        if run.phase != RunPhase::Waiting
            || run.another_than(&gate.request.deployment.sha, state.attempt).is_some()
        {
            return self.conclude(gate, state, platform, &run, began).await;
        }
        // One answer lets all of them begin: the changes of who came to light count too.
        let reading = if differ { self.read_record(gate, state).await } else { record };
        self.learn(gate, state, platform, &reading);
        let now = self.context.clock.now();
        match self.judge(gate, state, &reading, Some(&run), now) {
            Verdict::Release(permit) => {
                let looked = self.release(gate, state, platform, permit, &run, began).await;
                // The hints of what permitted it come in one burst, and tell nothing new.
                if matches!(state.phase, Phase::Released { .. }) {
                    state.known = reading.as_ref().ok().and_then(Known::of);
                }
                looked
            }
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
        let shared = gate.shared(state);
        let family = reading.as_ref().ok().and_then(|reading| canonical(&reading.rows, &shared));
        let expected = family.map_or_else(
            || gate.correlation_id(),
            |family| gate.correlation_id_of(&shared, family.canonical),
        );
        may_release(ReleaseInputs {
            whose: &shared,
            correlation_id: expected.as_str(),
            sha: &gate.request.deployment.sha,
            attempt: state.attempt,
            reading: reading.as_ref().map_err(|unread| unread.reason.as_str()),
            run,
            highest: state.highest,
            terms: &state.terms,
            template: state.template.as_deref(),
            parties: state.parties.as_deref(),
            checked: state.checked.as_ref(),
            freezes: &self.policies.freezes_of(&gate.request.deployment),
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
        let shared = gate.shared(state);
        let Some(row) = canonical(&reading.rows, &shared).map(|family| family.canonical) else { return };
        state.note_row(row);
        let row = state.as_first_approved(row);
        // What is not the change that was promised moves no deadline, whatever it says of its approval.
        let promised = broken_promise(&row, &state.terms, state.template.as_deref()).is_none();
        let row = promised.then_some(&row);
        let limit = platform.gate_limit();
        state.deadline = deadline(gate.request.requested_at, &state.terms, limit, row);
    }

    /// At the first look, for the attempt, and then now and then: a gate may be gone.
    async fn look_at_run_now_and_then(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Option<Looked> {
        let now = self.context.clock.now();
        let pause = run_look_after(now - gate.request.requested_at);
        let due = state.run_read.is_none_or(|read| now - read >= pause) || state.unexplained_since.is_some();
        if !due || self.glance(gate, state, platform).await {
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

    pub(crate) fn platform_failed(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        error: &PlatformError,
    ) -> Looked {
        let name = &gate.handle.connection;
        let reason = format!("{name}: {error}");
        tracing::debug!(reason, "the platform could not be asked");
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

/// What would have come of a gate that nothing holds.
fn observed(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Wait { reason, .. } => format!("wait: {reason}"),
        Verdict::Reject { reason } => format!("reject: {reason}"),
        Verdict::Lost { reason } => format!("lost: {reason}"),
        Verdict::AskPlatform | Verdict::Release(_) => "release".into(),
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
