//! What has changed since: queries on `sys_updated_on` cost the same however many changes wait. Pages go on behind
//! their last row (time and id), since an offset slips when rows come in between.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use interlock_events::{CORRELATION_DISPLAY, CorrelationId, KeyHash};
use interlock_rules::{ApproverRow, ChangeRow};
use serde::{Deserialize, Serialize};

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address, URL_CHARS_MAX};
use crate::row::{self, APPROVER_FIELDS, CHANGE_FIELDS, Row, TIME};

/// So much of the past is read again each time: a transaction writes `sys_updated_on` before it commits, and is
/// canceled after 60 s (ServiceNow docs, "Transaction quotas"); clocks of nodes differ by seconds.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// Where nothing changes the mark follows at this distance. Lists may come from a replica that lags.
const LAG_MAX: TimeDelta = TimeDelta::minutes(10);
const PAGE: usize = 500;
/// Pages at once: what is left is read the next time, from where these end.
const PAGES_MAX: usize = 8;
/// Changes in one query by their numbers, which are shorter than ids.
pub const NUMBERS_MAX: usize = 100;

/// How far the changes of a table were read, by the instance's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    at: DateTime<Utc>,
    /// The last row read, where more were left behind it.
    #[serde(default)]
    behind: Option<String>,
}

impl Mark {
    /// Where whoever knows nothing begins, `now` by our clock.
    #[must_use]
    pub fn before(now: DateTime<Utc>) -> Self {
        Self { at: now - LAG_MAX, behind: None }
    }

    /// All was read at `now` by the instance's clock, up to a row of the time `last`.
    fn whole(self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let at = last.unwrap_or(self.at).max(self.at).max(now - LAG_MAX);
        // A clock that was ahead for once must not leave out what comes after.
        Self { at: at.min(now), behind: None }
    }

    /// Conditions and order of the next page of `which`.
    fn query(&self, which: &str) -> String {
        let order = "ORDERBYsys_updated_on^ORDERBYsys_id";
        match &self.behind {
            None => {
                let from = (self.at - OVERLAP).format(TIME);
                format!("{which}^sys_updated_on>={from}^{order}")
            }
            // `^NQ` begins an alternative (ServiceNow docs, "Encoded query strings").
            Some(sys_id) => {
                let at = self.at.format(TIME);
                format!("{which}^sys_updated_on>{at}^NQ{which}^sys_updated_on={at}^sys_id>{sys_id}^{order}")
            }
        }
    }
}

/// What was found, and from where the next reading goes on.
#[derive(Debug)]
pub struct Changed<T> {
    /// Rows in the order in which they changed.
    pub rows: Vec<T>,
    /// For the next time.
    pub mark: Mark,
    /// Nothing was left behind the last row.
    pub whole: bool,
}

/// A person's decision: an approver row, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// `sys_id` of the change.
    pub change: String,
    /// The key that the change stands under, where its correlation id is shown.
    pub key: Option<KeyHash>,
    /// The row.
    pub approver: ApproverRow,
}

impl ServiceNow {
    /// Changes of ours that were written since the mark, without their approvals.
    ///
    /// # Errors
    /// [`ServiceNowError`]; then read from the same mark again.
    pub async fn changed_since(&self, mark: &Mark) -> Result<Changed<ChangeRow>, ServiceNowError> {
        let which = format!("correlation_idSTARTSWITHil1.^correlation_display={CORRELATION_DISPLAY}");
        let list = |query: &str| Address::list("change_request", query, CHANGE_FIELDS, PAGE);
        let states = &self.shared.settings.state_map;
        let mut changed = self
            .since(mark, What::Poll, |mark| list(&mark.query(&which)), |row| row::change(row, states))
            .await?;
        changed.rows.retain(|row| row.correlation_display == CORRELATION_DISPLAY);
        Ok(changed)
    }

    /// Approvals of our changes that were given or refused since the mark. They show in the change too, but on some
    /// instances only once all that were asked have answered.
    ///
    /// # Errors
    /// [`ServiceNowError`]; then read from the same mark again.
    pub async fn decided_since(&self, mark: &Mark) -> Result<Changed<Decision>, ServiceNowError> {
        let which = "sysapproval.correlation_idSTARTSWITHil1.^stateINapproved,rejected";
        let fields = format!("{APPROVER_FIELDS},sysapproval.correlation_id");
        let list = |query: &str| Address::list("sysapproval_approver", query, &fields, PAGE);
        let decision = |found: &Row<'_>| {
            let (change, approver) = row::approver(found)?;
            let key = found.text("sysapproval.correlation_id");
            Ok(Decision { change, key: key.and_then(|id| CorrelationId::hash_in(&id)), approver })
        };
        self.since(mark, What::Approvers, |mark| list(&mark.query(which)), decision).await
    }

    async fn since<T>(
        &self,
        mark: &Mark,
        what: What,
        address: impl Fn(&Mark) -> Address,
        read: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Changed<T>, ServiceNowError> {
        let (mut rows, mut mark, mut last) = (Vec::new(), mark.clone(), None);
        for _ in 0..PAGES_MAX {
            let answer = self.get(what, Lane::Gate, address(&mark)).await?;
            let page = Row::list(&answer.result);
            for found in &page {
                match read(found) {
                    Ok(row) => rows.push(row),
                    // One bad record delays only itself: its own looks go on.
                    Err(fault) => tracing::warn!(connection = self.name(), %fault, "a row cannot be read"),
                }
            }
            last = page.last().and_then(place).or(last);
            match last.clone() {
                Some((at, sys_id)) if page.len() >= PAGE => mark = Mark { at, behind: Some(sys_id) },
                last => {
                    // Of two clocks the one that is behind leaves nothing out.
                    let now = answer.sent + TimeDelta::seconds(answer.skew_seconds.unwrap_or(0).min(0));
                    let mark = mark.whole(last.map(|(at, _)| at), now);
                    return Ok(Changed { rows, mark, whole: true });
                }
            }
        }
        Ok(Changed { rows, mark, whole: false })
    }

    /// Changes by their numbers, without their approvals; at most [`NUMBERS_MAX`] at once. What the instance does not
    /// show is not among them.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn numbered(&self, numbers: &[&str]) -> Result<Vec<ChangeRow>, ServiceNowError> {
        let mut rows = Vec::new();
        for some in self.packed(numbers).map_err(|fault| self.error(What::Poll, fault))? {
            let answer = self.get(What::Poll, Lane::Rest, numbers_address(&some)).await?;
            for found in Row::list(&answer.result) {
                match row::change(&found, &self.shared.settings.state_map) {
                    Ok(row) => rows.push(row),
                    Err(fault) => tracing::warn!(connection = self.name(), %fault, "a change cannot be read"),
                }
            }
        }
        Ok(rows)
    }

    /// As many in each as fit into an address.
    fn packed<'a>(&self, numbers: &[&'a str]) -> Result<Vec<Vec<&'a str>>, Fault> {
        let empty = self.shared.settings.base_url.as_str().len() + numbers_address(&[]).as_str().len();
        let room = URL_CHARS_MAX.saturating_sub(empty + 8);
        let (mut packs, mut used): (Vec<Vec<&str>>, usize) = (Vec::new(), 0);
        for number in numbers {
            let is_plain = number.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if query::value(number)?.len() > 40 || !is_plain {
                return Err(Fault::Input("a change has a number that cannot stand in a query".into()));
            }
            used += number.len() + 1;
            match packs.last_mut() {
                Some(pack) if used <= room && pack.len() < NUMBERS_MAX => pack.push(number),
                _ => {
                    packs.push(vec![number]);
                    used = number.len() + 1;
                }
            }
        }
        Ok(packs)
    }
}

fn numbers_address(numbers: &[&str]) -> Address {
    Address::list("change_request", &format!("numberIN{}", numbers.join(",")), CHANGE_FIELDS, NUMBERS_MAX)
}

/// Where a row stands in the order of its page.
fn place(row: &Row<'_>) -> Option<(DateTime<Utc>, String)> {
    let at = NaiveDateTime::parse_from_str(&row.text("sys_updated_on")?, TIME).ok()?.and_utc();
    let sys_id = row.text("sys_id").filter(|sys_id| query::is_sys_id(sys_id))?;
    Some((at, sys_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_355_600 + seconds, 0).unwrap()
    }

    #[test]
    fn the_mark_stays_at_the_last_row_and_follows_when_nothing_changes() {
        let mark = Mark { at: at(0), behind: None };
        assert_eq!(mark.clone().whole(Some(at(30)), at(60)).at, at(30), "late rows come behind it");
        assert_eq!(mark.clone().whole(None, at(60)).at, at(0));
        assert_eq!(mark.clone().whole(None, at(3_600)).at, at(3_600) - LAG_MAX);
        assert_eq!(mark.clone().whole(Some(at(-50)), at(60)).at, at(0), "read again: it does not go back");
        assert_eq!(mark.whole(Some(at(900_000)), at(60)).at, at(60), "a row of the future");
    }

    #[test]
    fn a_first_page_begins_a_minute_before_the_mark_and_the_next_one_behind_its_last_row() {
        let mark = Mark { at: at(0), behind: None };
        assert_eq!(
            mark.query("a=1"),
            "a=1^sys_updated_on>=2026-03-01 08:59:00^ORDERBYsys_updated_on^ORDERBYsys_id"
        );
        let mark = Mark { behind: Some("ab".into()), ..mark };
        assert_eq!(
            mark.query("a=1"),
            "a=1^sys_updated_on>2026-03-01 09:00:00^NQa=1^sys_updated_on=2026-03-01 09:00:00^sys_id>ab\
             ^ORDERBYsys_updated_on^ORDERBYsys_id"
        );
    }
}
