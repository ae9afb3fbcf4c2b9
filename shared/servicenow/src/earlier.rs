//! Changes of ours of one place: what was deployed there before, and how that ended.

use chrono::{DateTime, Utc};
use interlock_events::CORRELATION_DISPLAY;
use interlock_rules::{ChangeState, Earlier};

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::{self, Row, TIME};

const FIELDS: &str = "sys_id,number,correlation_id,correlation_display,state,close_code,sys_created_on";
/// The newest; what ran before them is not gone back to.
const PAGE: usize = 100;

impl ServiceNow {
    /// The newest changes of ours since then whose correlation id ends with `place` and whose deployment ran. A name
    /// that cannot stand in a query has none.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn earlier_at(
        &self,
        place: &str,
        since: DateTime<Utc>,
        lane: Lane,
    ) -> Result<Vec<Earlier>, ServiceNowError> {
        let Ok(place) = query::value(place) else { return Ok(Vec::new()) };
        let states = [ChangeState::Implement, ChangeState::Review, ChangeState::Closed]
            .map(|state| self.shared.settings.state_map.number(state).to_string());
        let query = format!(
            "correlation_idSTARTSWITHil1.^correlation_idENDSWITH{place}^correlation_display={CORRELATION_DISPLAY}\
             ^stateIN{}^sys_created_on>={}^ORDERBYDESCsys_created_on",
            states.join(","),
            since.format(TIME)
        );
        let address = Address::list("change_request", &query, FIELDS, PAGE);
        let answer = self.get(What::LookUp, lane, address).await?;
        let rows = Row::list(&answer.result);
        let earlier = rows.iter().map(|found| row::earlier(found, &self.shared.settings.state_map));
        earlier.collect::<Result<_, _>>().map_err(|fault| self.error(What::LookUp, fault))
    }
}
