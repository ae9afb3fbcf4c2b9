//! A change that says that it takes back a failed one. Its word is not enough: what stands in ServiceNow must show
//! that the deployment goes back and that the other one failed, before the terms of a rollback count for its gate.

use chrono::TimeDelta;
use interlock_events::{ChangeRef, CorrelationId};
use interlock_rules::{Reading, broken_promise, canonical, may_take_back};
use interlock_servicenow::Lane;

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::read::{RECORD_READ_MAX, Unread, unread};

/// What is gone back to was deployed in this time.
const LOOKS_BACK: TimeDelta = TimeDelta::days(180);

impl GateState {
    /// The record names a parent, and it is not proven yet that this one failed: that stands in other records.
    pub(crate) fn may_be_a_rollback(&self, reading: &Reading) -> bool {
        self.terms.rollback.is_some() && reading.rows.iter().any(|row| row.parent.is_some())
    }
}

impl Desk {
    /// Says whether the terms are those of a rollback from now on. Asks only where the record is not what the terms
    /// promise and names a parent.
    pub(crate) async fn learn_rollback(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        reading: &Reading,
    ) -> Result<bool, Unread> {
        let deployment = &gate.request.deployment;
        let shared = gate.shared(state);
        let place = CorrelationId::place(&deployment.project.name, &deployment.key.environment);
        let Some(place) = place.filter(|_| state.terms.rollback.is_some()) else { return Ok(false) };
        let Some(row) = canonical(&reading.rows, &shared).map(|family| family.canonical) else {
            return Ok(false);
        };
        let Some(parent) = &row.parent else { return Ok(false) };
        let now = self.context.clock.now();
        if now >= state.deadline || broken_promise(row, &state.terms, state.template.as_deref()).is_none() {
            return Ok(false);
        }
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let service_now = service_now.before(self.context.clock.instant() + RECORD_READ_MAX);
        let earlier = service_now.earlier_at(&place, now - LOOKS_BACK, Lane::Gate).await.map_err(unread)?;
        let Some(of) = may_take_back(deployment, &state.terms, &earlier, parent) else { return Ok(false) };
        let connection = state.terms.service_now.clone();
        let failed = ChangeRef { connection, number: of.number.clone(), sys_id: of.sys_id.clone() };
        state.terms = state.terms.clone().rolling_back(failed);
        state.template = None;
        Ok(true)
    }
}
