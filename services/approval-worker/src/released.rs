//! A gate that was released: its record is read on, and what is taken back is told.

use std::time::Duration;

use interlock_events::ApprovalWithdrawn;
use interlock_platforms::Platform;
use interlock_rules::{OnWithdrawal, RunPhase, canonical, withdrawn};
use tokio::time::Instant;

use crate::Desk;
use crate::gate::{Gate, GateState, Phase};
use crate::look::{Looked, Next, SEND_WITHIN};

/// How often a released gate's record is read.
const RELEASED_LOOK: Duration = Duration::from_secs(600);

impl Desk {
    /// The record must go on permitting, until the run has ended.
    pub(crate) async fn look_at_released(
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
}
