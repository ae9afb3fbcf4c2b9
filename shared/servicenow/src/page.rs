//! The page that a sweep reads: changes of ours that came to be lately and are still open.

use chrono::{DateTime, Utc};
use interlock_events::CORRELATION_DISPLAY;
use interlock_rules::ChangeRow;

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{ServiceNowError, What};
use crate::query::Address;
use crate::row::{self, CHANGE_FIELDS, Row, TIME};

const PAGE: usize = 500;
/// 10,000 changes: more are read at the next sweeps, since those that were closed are left out then.
const PAGES_MAX: usize = 20;

impl ServiceNow {
    /// The live changes of ours that were created since, without their approvals.
    ///
    /// A literal time in a query is read in the time zone of the integration user, which therefore is GMT.
    /// Pages go by id: an offset would slip when rows come in between.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn open_since(&self, since: DateTime<Utc>) -> Result<Vec<ChangeRow>, ServiceNowError> {
        let mut rows = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let query = format!(
                "correlation_idSTARTSWITHil1.^correlation_display={CORRELATION_DISPLAY}^active=true\
                 ^sys_created_on>={}{after}^ORDERBYsys_id",
                since.format(TIME)
            );
            let address = Address::list("change_request", &query, CHANGE_FIELDS, PAGE);
            let answer = self.get(What::Sweep, Lane::Rest, address).await?;
            let page = Row::list(&answer.result);
            let full = page.len() >= PAGE;
            for found in page {
                match row::change(&found, &self.shared.settings.state_map) {
                    Ok(row) => rows.push(row),
                    // One bad record delays only itself.
                    Err(fault) => tracing::warn!(connection = self.name(), %fault, "a change cannot be read"),
                }
            }
            let Some(last) = rows.last().filter(|_| full) else { break };
            after = format!("^sys_id>{}", last.sys_id);
        }
        rows.retain(|row| row.is_live() && row.correlation_display == CORRELATION_DISPLAY);
        Ok(rows)
    }
}
