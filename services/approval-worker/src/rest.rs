//! A gate that waits for nothing but a change of its record rests: what moves is told by the marks.

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{KeyHash, RecordChanged};
use interlock_rules::Reading;
use interlock_servicenow::Known;

use crate::Desk;
use crate::gate::{Gate, GateState};

/// So near to the deadline a gate reads by itself, and one whose record could not be read is looked at again soon.
pub(crate) const NEAR_DEADLINE: TimeDelta = TimeDelta::minutes(2);

impl Desk {
    /// The gate waits by this reading, and until then at most: what it was judged by is kept.
    pub(crate) fn may_rest(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        reading: &Reading,
        until: Option<DateTime<Utc>>,
    ) {
        let alone =
            !state.waits_for_a_check(reading) && state.knows_everybody() && !state.may_be_a_rollback(reading);
        (state.known, state.matters_at) = (Known::of(reading).filter(|_| alone), until);
        state.freezes = self.policies.freezes_mark(&gate.request.deployment);
    }

    /// The change was read, whatever has become of it since: of that others tell.
    pub(crate) async fn has_read_change(&self, key: &KeyHash, sys_id: &str) -> bool {
        let copy = self.recall(key).await;
        copy.and_then(|copy| copy.state.known).is_some_and(|known| known.shows(sys_id))
    }

    /// What the hint tells was read since.
    pub(crate) async fn has_read(&self, key: &KeyHash, hint: &RecordChanged) -> bool {
        let copy = self.recall(key).await;
        copy.and_then(|copy| copy.state.known).is_some_and(|known| known.tells(hint))
    }

    /// Nothing has moved since the gate was last looked at, nothing was due, and its deadline is not near: the
    /// instance is not asked.
    pub(crate) async fn is_at_rest(&self, gate: Gate<'_>, state: &GateState) -> bool {
        let now = self.context.clock.now();
        let is_due = state.deadline - now <= NEAR_DEADLINE || state.matters_at.is_some_and(|at| at <= now);
        // Who lifts a freeze touches no record.
        let is_due = is_due || state.freezes != self.policies.freezes_mark(&gate.request.deployment);
        let Some(known) = state.known.as_ref().filter(|_| !is_due && state.change.is_some()) else {
            return false;
        };
        let Some(service_now) = self.service_now.get(&state.terms.service_now) else { return false };
        service_now.is_as_read(&gate.shared(state).hashes(), known).await
    }
}
