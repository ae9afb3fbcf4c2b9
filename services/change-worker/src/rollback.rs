//! A deployment that takes back one that failed: its change is linked to the failed one, on the terms of a rollback.

use chrono::TimeDelta;
use interlock_events::{ChangeRef, CorrelationId, DeploymentRequested};
use interlock_rules::{Rollback, rollback};
use interlock_runtime::worker::Handled;
use interlock_servicenow::{Lane, ServiceNow};

use crate::Desk;
use crate::create::watch;
use crate::following::Following;
use crate::walk::failed;

/// What is gone back to was deployed in this time.
const LOOKS_BACK: TimeDelta = TimeDelta::days(180);

impl Desk {
    /// Before a change is opened: does it take back one that failed? What has not ended yet is waited for once, as
    /// long as a settling takes: pipelines roll back within seconds.
    pub(crate) async fn learn_rollback(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
    ) -> Result<(), Handled> {
        let deployment = &request.deployment;
        let place = CorrelationId::place(&deployment.project.name, &deployment.key.environment);
        let Some(place) = place.filter(|_| state.terms.rollback.is_some()) else { return Ok(()) };
        let now = self.context.clock.now();
        let earlier = match service_now.earlier_at(&place, now - LOOKS_BACK, Lane::Gate).await {
            Ok(earlier) => earlier,
            Err(error) => return Err(failed(&error, state.json(), vec![])),
        };
        match rollback(deployment, &state.terms, &earlier) {
            Rollback::Of(of) => {
                tracing::info!(change.number = of.number, "the deployment takes back one that failed");
                let connection = service_now.name().to_owned();
                let failed = ChangeRef { connection, number: of.number.clone(), sys_id: of.sys_id.clone() };
                state.terms = state.terms.clone().rolling_back(failed);
                Ok(())
            }
            Rollback::NotYet(_) if state.settle_from.is_none() => {
                state.settle_from = Some(now);
                Err(watch(self.settle, state))
            }
            Rollback::NotYet(_) | Rollback::No => Ok(()),
        }
    }
}
