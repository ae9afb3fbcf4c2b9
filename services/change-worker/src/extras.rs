//! Extras: a second change of one deployment, by a create that committed late.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::Event;
use interlock_rules::{ChangeRow, extras};
use interlock_servicenow::ServiceNowError;

use crate::Desk;
use crate::walk::Walk;

impl Desk {
    /// Cancels what was an extra in two reads a settle time apart; says whether any is left.
    pub(crate) async fn cancel_extras(
        &self,
        walk: &Walk<'_>,
        rows: &[ChangeRow],
        canonical: &ChangeRow,
        seen: &mut BTreeMap<String, DateTime<Utc>>,
        events: &mut Vec<Event>,
    ) -> Result<bool, ServiceNowError> {
        let now = self.context.clock.now();
        let settle = TimeDelta::from_std(self.settle).unwrap_or(TimeDelta::MAX);
        let extras = extras(rows, &walk.key.hash());
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
}
