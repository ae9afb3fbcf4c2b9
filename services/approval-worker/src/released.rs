//! A released gate: its record must go on permitting until the deployment has ended.

use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_events::{ApprovalWithdrawn, Event};
use interlock_platforms::Platform;
use interlock_rules::{OnWithdrawal, RunPhase, canonical, withdrawn};
use interlock_servicenow::Known;
use tokio::time::Instant;

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::look::{By, Looked, Next, SEND_WITHIN};

/// How often a released gate's record is read.
const RELEASED_LOOK: Duration = Duration::from_secs(600);
/// What could not be read comes again after this time.
const CHECK_AGAIN: Duration = Duration::from_secs(60);

impl Desk {
    pub(crate) async fn look_at_released(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
        by: By,
    ) -> Looked {
        let about_run = by == By::Hint { run_first: true };
        let is_due = match by {
            By::Hint { run_first } => !run_first,
            By::Watch => self.check_is_due_in(state).is_zero(),
        };
        let mut events = Vec::new();
        if is_due || must_cancel(state) {
            events.append(&mut self.look_for_withdrawal(gate, state, platform, began).await);
        }
        // A deployment's own end is told, or seen once its run moves.
        let is_as_before = !about_run && self.glance(gate, state, platform).await;
        if !is_as_before && self.is_over(gate, state, platform).await {
            if state.checked_at.is_none() {
                events.append(&mut self.look_for_withdrawal(gate, state, platform, began).await);
            }
            return Looked { events, next: Next::Never };
        }
        let after = match must_cancel(state) {
            true => Duration::from_secs(30),
            false => self.check_is_due_in(state).max(CHECK_AGAIN),
        };
        Looked { events, next: Next::After(after) }
    }

    fn check_is_due_in(&self, state: &GateState) -> Duration {
        let age = |at: DateTime<Utc>| (self.context.clock.now() - at).to_std().unwrap_or_default();
        state.checked_at.map_or(Duration::ZERO, |at| RELEASED_LOOK.saturating_sub(age(at)))
    }

    /// Reads the record after a release: what is taken back is told once, and the run canceled where the policy says so.
    pub(crate) async fn look_for_withdrawal(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Vec<Event> {
        let reading = self.read_record(gate, state).await;
        if must_cancel(state) {
            self.cancel_run(gate, state, platform, began).await;
        }
        let Ok(reading) = reading else { return Vec::new() };
        (state.known, state.checked_at) = (Known::of(&reading), Some(self.context.clock.now()));
        let shared = gate.shared(state);
        if let Some(family) = canonical(&reading.rows, &shared) {
            state.note_row(family.canonical);
        }
        let Some(change) = state.change.clone().filter(|_| !state.withdrawn_told) else { return Vec::new() };
        let Some(reason) = withdrawn(&reading, &shared, &change.sys_id) else { return Vec::new() };
        let run_canceled = state.terms.on_withdrawal == OnWithdrawal::CancelRun
            && self.cancel_run(gate, state, platform, began).await;
        state.withdrawn_told = true;
        let key = gate.request.deployment.key.clone();
        vec![self.fact(&ApprovalWithdrawn { key, change, reason, run_canceled })]
    }

    async fn is_over(&self, gate: Gate<'_>, state: &mut GateState, platform: &dyn Platform) -> bool {
        let Ok(run) = self.read_run(gate, state, platform).await else { return false };
        run.phase.outcome().is_some()
            || run.phase == RunPhase::Gone
            || run.another_than(&gate.request.deployment.sha, state.attempt).is_some()
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
}

/// The policy wants the run canceled, and no try has succeeded yet.
fn must_cancel(state: &GateState) -> bool {
    state.withdrawn_told && !state.run_canceled && state.terms.on_withdrawal == OnWithdrawal::CancelRun
}
