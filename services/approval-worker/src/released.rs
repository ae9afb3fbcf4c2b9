//! A released gate: its record must go on permitting until the deployment has ended.

use std::time::Duration;

use interlock_events::{ApprovalWithdrawn, Event};
use interlock_platforms::Platform;
use interlock_rules::{OnWithdrawal, RunPhase, canonical, withdrawn};
use interlock_servicenow::Known;
use tokio::time::Instant;

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::look::{Looked, Next, SEND_WITHIN};

/// How often a released gate's record is read.
const RELEASED_LOOK: Duration = Duration::from_secs(600);

impl Desk {
    pub(crate) async fn look_at_released(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        began: Instant,
    ) -> Looked {
        let events = self.look_for_withdrawal(gate, state, platform, began).await;
        // A deployment's own end is told, or seen once its run moves.
        let is_as_before = self.glance(gate, state, platform).await;
        let next = if !is_as_before && self.is_over(gate, state, platform).await {
            Next::Never
        } else if must_cancel(state) {
            Next::After(Duration::from_secs(30))
        } else {
            Next::After(RELEASED_LOOK)
        };
        Looked { events, next }
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
        state.known = Known::of(&reading);
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
