//! What the instance's check for conflicts was of, and what it found, where the policy looks at that.

use interlock_rules::{Checked, ConflictRule, ConflictStatus, Reading, canonical};

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::read::RECORD_READ_MAX;

impl GateState {
    /// A check is still to come or to come to something else. Some instances write what came of it without touching
    /// `sys_updated_on`, so nothing would tell.
    pub(crate) fn waits_for_a_check(&self, reading: &Reading) -> bool {
        let is_free = |status: &ConflictStatus| *status == ConflictStatus::Free;
        self.terms.conflict != ConflictRule::Ignore
            && reading.rows.iter().any(|row| row.is_live() && !is_free(&row.conflict.status))
    }
}

impl Desk {
    /// Takes over the record's last check, as it was first seen, and asks once with which changes it found a conflict.
    /// What cannot be read now is read at the next look; the verdict does not hang on it.
    pub(crate) async fn learn_conflicts(&self, gate: Gate<'_>, state: &mut GateState, reading: &Reading) {
        if state.terms.conflict == ConflictRule::Ignore {
            return;
        }
        let shared = gate.shared(state);
        let Some(row) = canonical(&reading.rows, &shared).map(|family| family.canonical) else { return };
        state.checked = Checked::seen(state.checked.take(), row);
        let is_found = row.conflict.status == ConflictStatus::Conflict;
        let unread = state.checked.as_ref().is_some_and(|checked| is_found && checked.with.is_none());
        if !unread || self.context.clock.now() >= state.deadline {
            return;
        }
        let Ok(service_now) = self.instance(state) else { return };
        let service_now = service_now.before(self.context.clock.instant() + RECORD_READ_MAX);
        match service_now.conflicts_of(&row.sys_id).await {
            Ok(with) => {
                if let Some(checked) = &mut state.checked {
                    checked.with = Some(with);
                }
            }
            Err(error) => tracing::debug!(change.number = row.number, %error, "its conflicts cannot be read"),
        }
    }
}
