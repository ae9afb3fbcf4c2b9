//! Extras: a second change of one deployment, by a create that committed late.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{ApprovalWithdrawn, Event};
use interlock_rules::{ChangeRow, SharedGate, WITHDRAWN_MARK, approved_after_cancel, extras};
use interlock_servicenow::ServiceNowError;

use crate::Desk;
use crate::walk::Walk;

impl Desk {
    /// Cancels what was an extra in two reads a settle time apart; says whether any is left.
    pub(crate) async fn cancel_extras(
        &self,
        walk: &Walk<'_>,
        shared: &SharedGate,
        (rows, canonical): (&[ChangeRow], &ChangeRow),
        seen: &mut BTreeMap<String, DateTime<Utc>>,
        events: &mut Vec<Event>,
    ) -> Result<bool, ServiceNowError> {
        let now = self.context.clock.now();
        let settle = TimeDelta::from_std(self.settle).unwrap_or(TimeDelta::MAX);
        let extras = extras(rows, shared);
        seen.retain(|sys_id, _| extras.iter().any(|extra| extra.sys_id == *sys_id));
        let mut left = false;
        for extra in extras {
            let since = *seen.entry(extra.sys_id.clone()).or_insert(now);
            if now - since < settle {
                left = true;
                continue;
            }
            metrics::counter!("interlock_extra_changes_total").increment(1);
            let reason =
                format!("{} covers this deployment; this change was one too many.", canonical.number);
            self.cancel(walk, extra, &reason, events).await?;
        }
        Ok(left)
    }

    /// A person may have approved an extra while we canceled it. That is told, and by
    /// [`crate::subscribers::NoteWithdrawal`] noted; the note ends the telling.
    pub(crate) async fn tell_crossed(
        &self,
        walk: &Walk<'_>,
        rows: &[ChangeRow],
        canonical: &ChangeRow,
        events: &mut Vec<Event>,
    ) -> Result<(), ServiceNowError> {
        let crossed = approved_after_cancel(rows, &walk.key.hash());
        for row in crossed.into_iter().filter(|row| row.sys_id != canonical.sys_id) {
            if walk.service_now.has_note(&row.sys_id, WITHDRAWN_MARK).await? {
                continue;
            }
            let reason = format!(
                "{} was approved while it was canceled: {} covers the deployment",
                row.number, canonical.number
            );
            let (key, change) = (walk.key.clone(), row.change_ref(walk.service_now.name()));
            events.push(self.fact(&ApprovalWithdrawn { key, change, reason, run_canceled: false }));
        }
        Ok(())
    }
}
