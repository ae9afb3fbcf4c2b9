//! Answering a gate, and concluding how it ended from what the platform then shows.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{
    ApprovalExpired, ApprovalGranted, ApprovalRejected, ApprovalWithdrawn, ChangeRef, GateBypassed, GateLost,
    GateRejected, GateReleased, with_traceparent,
};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{Answered, Conclusion, Permit, RELEASE_MARGIN, RunPhase, RunReading, conclude};
use tokio::time::Instant;

use crate::Desk;
use crate::gate::{Gate, GateState, Phase};
use crate::look::{Looked, Next, SEND_WITHIN};

/// Without the platform's own clock no release is sent this near to the deadline.
const RELEASE_MARGIN_UNDATED: TimeDelta = TimeDelta::seconds(60);
/// From this pace on a job that was let through and has not begun is one that is held by a queue.
const QUEUED_LONG: Duration = Duration::from_secs(30);

impl Desk {
    pub(crate) async fn release(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        permit: Permit,
        run: &RunReading,
        began: Instant,
    ) -> Looked {
        let margin = if run.dated { RELEASE_MARGIN } else { RELEASE_MARGIN_UNDATED };
        if run.at >= state.deadline - margin {
            state.reason =
                format!("{} is approved, but too near to the deadline {}", permit.number(), state.deadline);
            return Looked::again(interlock_rules::next_look(self.context.clock.now(), state.deadline, None));
        }
        let comment = comment(&permit);
        let granted = state.change.clone().map(|change| {
            let approvers = permit.approvers().to_vec();
            self.fact(&ApprovalGranted {
                key: gate.request.deployment.key.clone(),
                change,
                approvers,
                at: None,
            })
        });
        // Whatever takes long between the check of its age and the last byte must not outlive the permit.
        let clock = &self.context.clock;
        let deadline = (began + SEND_WITHIN).min(clock.instant() + permit.left(clock.now()));
        let sent = platform.release(gate.handle, permit, &comment, deadline).await;
        let mut looked = self.answered(gate, state, platform, (true, comment, false), sent, began).await;
        looked.events.splice(0..0, granted);
        looked
    }

    pub(crate) async fn reject(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        reason: String,
        expired: bool,
    ) -> Looked {
        // The tick that decides begins here: the run is read after this moment.
        let began = self.context.clock.instant();
        let run = match self.read_run(gate, state, platform).await {
            Ok(run) => run,
            Err(error) => return self.platform_failed(gate, state, &error),
        };
        if run.phase != RunPhase::Waiting
            || run.another_than(&gate.request.deployment.sha, state.attempt).is_some()
        {
            return self.conclude(gate, state, platform, &run, began).await;
        }
        if expired && run.at < state.deadline {
            // The platform's clock decides: a release may still count there.
            return Looked::again(interlock_rules::next_look(run.at, state.deadline, None));
        }
        let sent = platform.reject(gate.handle, &reason, began + SEND_WITHIN).await;
        self.answered(gate, state, platform, (false, reason, expired), sent, began).await
    }

    /// Keeps what was sent, then reads what came of it.
    pub(crate) async fn answered(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        (release, reason, expired): (bool, String, bool),
        sent: Result<(), PlatformError>,
        began: Instant,
    ) -> Looked {
        let accepted = sent.is_ok();
        if let Err(
            error @ (PlatformError::Paused(_) | PlatformError::Transient(_) | PlatformError::Refused(_)),
        ) = &sent
        {
            return self.platform_failed(gate, state, error);
        }
        state.phase =
            Phase::Answered(Answered { release, accepted, at: self.context.clock.now(), reason, expired });
        self.look_after_answer(gate, state, platform, began).await
    }

    pub(crate) async fn look_after_answer(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Looked {
        match self.read_run(gate, state, platform).await {
            Ok(run) => self.conclude(gate, state, platform, &run, began).await,
            Err(error) => self.platform_failed(gate, state, &error),
        }
    }

    /// Says how the gate ended, if the platform shows it.
    pub(crate) async fn conclude(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        run: &RunReading,
        began: Instant,
    ) -> Looked {
        let sha = &gate.request.deployment.sha;
        let conclusion =
            conclude(run, sha, state.attempt, state.answered(), state.unexplained_since, self.settle);
        tracing::info!(?conclusion, phase = ?run.phase, "looked at a gate's run");
        match conclusion {
            Conclusion::StillWaiting => {
                // The answer did not take, or not yet: decide afresh.
                state.phase = Phase::Waiting;
                Looked::again(Duration::from_secs(1))
            }
            Conclusion::NotYet => {
                let after = self.soon(state);
                let is_queued =
                    state.answered().is_some_and(|answered| answered.release) && after >= QUEUED_LONG;
                let events = match is_queued {
                    true => self.look_for_withdrawal(gate, state, platform, began).await,
                    false => Vec::new(),
                };
                Looked { events, next: Next::After(after) }
            }
            Conclusion::Unexplained => {
                state.unexplained_since.get_or_insert(run.at);
                Looked::again(self.settle.clamp(Duration::from_secs(1), Duration::from_secs(30)))
            }
            Conclusion::Released { .. } if state.observes() => self.observed(gate, state),
            Conclusion::Released { unproven } => self.released(gate, state, unproven),
            Conclusion::Rejected => self.rejected(gate, state),
            Conclusion::Lost { reason } => self.lost(gate, state, reason),
            Conclusion::Superseded { reason } => self.superseded(gate, state, platform, reason, began).await,
            Conclusion::Bypassed { by } => {
                let (key, change) = (gate.request.deployment.key.clone(), state.change.clone());
                self.over(vec![self.fact(&GateBypassed { key, change, by, at: self.context.clock.now() })])
            }
        }
    }

    fn released(&self, gate: Gate<'_>, state: &mut GateState, unproven: bool) -> Looked {
        let Some(change) = state.change.clone() else {
            // Released by somebody who knew the change: the next look reads it.
            return Looked::again(Duration::from_secs(5));
        };
        let at = state.answered().map_or_else(|| self.context.clock.now(), |answered| answered.at);
        state.phase = Phase::Released { at, unproven };
        let fact = self.release_fact(gate, change, at, unproven);
        Looked { events: vec![fact], next: Next::After(Duration::from_secs(120)) }
    }

    fn release_fact(
        &self,
        gate: Gate<'_>,
        change: ChangeRef,
        at: DateTime<Utc>,
        unproven: bool,
    ) -> interlock_events::Event {
        self.fact(&GateReleased { key: gate.request.deployment.key.clone(), change, at, unproven })
    }

    /// Tells a known release once more: who told it first may have died before that was confirmed.
    pub(crate) fn told_again(&self, gate: Gate<'_>, state: &GateState) -> Option<interlock_events::Event> {
        let Phase::Released { at, unproven } = state.phase else { return None };
        let mut event = self.release_fact(gate, state.change.clone()?, at, unproven);
        with_traceparent(&mut event, state.traceparent.as_deref());
        Some(event)
    }

    fn rejected(&self, gate: Gate<'_>, state: &GateState) -> Looked {
        let key = gate.request.deployment.key.clone();
        let answered = state.answered();
        let reason = answered.map_or_else(|| state.reason.clone(), |answered| answered.reason.clone());
        let at = answered.map_or_else(|| self.context.clock.now(), |answered| answered.at);
        let mut events = Vec::new();
        if answered.is_some_and(|answered| answered.expired) {
            let (change, deadline) = (state.change.clone(), state.deadline);
            events.push(self.fact(&ApprovalExpired {
                key: key.clone(),
                change,
                deadline,
                reason: reason.clone(),
            }));
        } else if let Some(change) = state.change.clone() {
            events.push(self.fact(&ApprovalRejected { key: key.clone(), change, reason: reason.clone() }));
        }
        events.push(self.fact(&GateRejected { key, change: state.change.clone(), reason, at }));
        self.over(events)
    }

    fn lost(&self, gate: Gate<'_>, state: &GateState, reason: String) -> Looked {
        let (key, change) = (gate.request.deployment.key.clone(), state.change.clone());
        self.over(vec![self.fact(&GateLost { key, change, reason, at: self.context.clock.now() })])
    }

    /// An answer names run and environment, not the attempt: if a release of ours was under way, it may
    /// have opened the other attempt. That is told, and the run canceled.
    async fn superseded(
        &self,
        gate: Gate<'_>,
        state: &GateState,
        platform: &dyn Platform,
        reason: String,
        began: Instant,
    ) -> Looked {
        let mut looked = self.lost(gate, state, format!("superseded: {reason}"));
        if let (true, Some(change)) =
            (state.answered().is_some_and(|answered| answered.release), state.change.clone())
        {
            let run_canceled = platform.cancel(gate.handle, began + SEND_WITHIN).await.is_ok();
            let key = gate.request.deployment.key.clone();
            looked.events.insert(0, self.fact(&ApprovalWithdrawn { key, change, reason, run_canceled }));
        }
        looked
    }

    fn over(&self, events: Vec<interlock_events::Event>) -> Looked {
        Looked { events, next: Next::Never }
    }

    /// Soon after an answer, then less often.
    fn soon(&self, state: &GateState) -> Duration {
        let since = state.answered().map(|answered| self.context.clock.now() - answered.at);
        let seconds = since.map_or(5, |since| since.num_seconds());
        Duration::from_secs(match seconds {
            ..=9 => 1,
            10..=59 => 5,
            60..=599 => 30,
            // Held by a queue or another rule for long.
            _ => 120,
        })
    }
}

/// What people read at the platform. The prefix marks it as ours.
fn comment(permit: &Permit) -> String {
    let approvers = permit.approvers();
    if approvers.is_empty() {
        return format!("Interlock: {} permits it.", permit.number());
    }
    let mut comment = format!("Interlock: {} is approved by {}.", permit.number(), approvers.join(", "));
    while comment.len() > 500 {
        comment.pop();
    }
    comment
}
