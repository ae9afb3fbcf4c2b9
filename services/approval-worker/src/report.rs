//! Tells people at the platform what their deployment waits for. It decides nothing, and nothing hangs on it.

use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{REPORTS_MAX, Reading, Waiting, canonical, report};

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::look::SEND_WITHIN;
use crate::read::Unread;

impl Desk {
    /// Reports what has changed since the last report. Of those that share a gate the first reports: what one
    /// is told all are shown. What was reported travels in the state; a crash before that repeats it once.
    pub(crate) async fn report(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        reading: &Result<Reading, Unread>,
    ) {
        let shared = gate.shared(state);
        if state.reports >= REPORTS_MAX || *shared.first() != gate.request.deployment.key {
            return;
        }
        let rows = reading.as_ref().ok().map(|reading| reading.rows.as_slice()).unwrap_or_default();
        let instance = self.service_now.get(&state.terms.service_now);
        let change = state.change.as_ref();
        let page = change.zip(instance).map(|(change, instance)| instance.record_url(&change.sys_id));
        let Some(news) = report(Waiting {
            row: canonical(rows, &shared).map(|family| family.canonical),
            number: change.map(|change| change.number.as_str()),
            page: page.as_deref(),
            reason: &state.reason,
            deadline: state.deadline,
        }) else {
            return;
        };
        let unreadable = reading.is_err();
        if news.about == state.reported || (unreadable && state.reported_unreadable) {
            return;
        }
        let deadline = self.context.clock.instant() + SEND_WITHIN;
        match platform.report(gate.handle, &news.text, deadline).await {
            Ok(()) | Err(PlatformError::Unknown(_)) => {
                state.reports += 1;
                state.reported_unreadable |= unreadable;
                state.reported = news.about;
            }
            Err(PlatformError::Transient(_) | PlatformError::Paused(_)) => {}
            // It takes no more, or never will.
            Err(error) => {
                tracing::debug!(%error, "no more is reported to this gate");
                state.reports = REPORTS_MAX;
            }
        }
    }
}
