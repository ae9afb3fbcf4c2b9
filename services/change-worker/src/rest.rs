//! A change that waits for people costs no calls.

use interlock_events::DeploymentRequested;
use interlock_rules::{RunPhase, SharedGate, run_look_after};
use interlock_servicenow::ServiceNow;

use crate::Desk;
use crate::following::Following;

impl Desk {
    /// The change waits for people, nothing of it has moved, and its job waits too: the instance is not asked.
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
        if now - state.run_read.unwrap_or(request.requested_at) < run_look_after(now - request.requested_at) {
            return true;
        }
        let waits = |phase| matches!(phase, RunPhase::Waiting | RunPhase::Queued);
        let rests = self.run_of(request).await.is_ok_and(|run| waits(run.phase));
        if rests {
            state.run_read = Some(now);
        }
        rests
    }
}
