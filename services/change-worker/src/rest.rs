//! A change that waits for people, or for its deployment's end, costs no calls.

use interlock_events::DeploymentRequested;
use interlock_rules::{RunPhase, SharedGate, run_look_after};
use interlock_servicenow::ServiceNow;

use crate::Desk;
use crate::follow::RUNNING_LOOK;
use crate::following::Following;

impl Desk {
    /// Nothing of the change has moved, and its job still waits, or runs, as it did: the instance is not asked.
    pub(crate) async fn is_at_rest(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        shared: &SharedGate,
    ) -> bool {
        let Some(known) = &state.known else { return false };
        if !service_now.is_as_read(&shared.hashes(), known).await {
            return false;
        }
        let now = self.context.clock.now();
        let pause = run_look_after(now - request.requested_at);
        let pause = if state.runs { pause.min(RUNNING_LOOK) } else { pause };
        if now - state.run_read.unwrap_or(request.requested_at) < pause {
            return true;
        }
        let as_it_did = |phase| match state.runs {
            true => phase == RunPhase::Started,
            false => matches!(phase, RunPhase::Waiting | RunPhase::Queued),
        };
        let rests = self.run_of(request).await.is_ok_and(|run| as_it_did(run.phase));
        if rests {
            state.run_read = Some(now);
        }
        rests
    }
}
