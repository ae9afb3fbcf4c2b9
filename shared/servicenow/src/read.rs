//! Reading changes with their approvals, through the Table API.

use std::collections::BTreeMap;

use interlock_events::{CORRELATION_DISPLAY, KeyHash};
use interlock_rules::{ApproverRow, ChangeRow, Reading, hangs_on_approvers};

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address, URL_CHARS_MAX};
use crate::row::{self, APPROVER_FIELDS, CHANGE_FIELDS, Row};

/// Rows of one key that are read. There should be one.
const ROWS_OF_KEY_MAX: usize = 50;
/// Keys in one query.
const KEYS_MAX: usize = 16;
/// Ids in one query.
const IDS_MAX: usize = 50;
const APPROVERS_PAGE: usize = 500;
/// Pages of approvals of one query's changes.
const APPROVER_PAGES_MAX: usize = 20;

impl ServiceNow {
    /// The rows of a key, the inactive ones too, with their approvals: who approved, who rejected.
    ///
    /// # Errors
    /// [`ServiceNowError`]; an empty reading means that the instance shows us no row of the key.
    pub async fn changes_of(&self, key: &KeyHash, lane: Lane) -> Result<Reading, ServiceNowError> {
        self.changes_of_any(std::slice::from_ref(key), lane).await
    }

    /// The same of several keys: those that share a gate. `at` is the moment of the oldest of the answers.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn changes_of_any(&self, keys: &[KeyHash], lane: Lane) -> Result<Reading, ServiceNowError> {
        self.changes_with(Approvals::All, keys, lane).await
    }

    /// The same for who only writes changes: their approvals are read where a write hangs on them
    /// ([`hangs_on_approvers`]), which halves the calls.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn changes_to_write(&self, keys: &[KeyHash], lane: Lane) -> Result<Reading, ServiceNowError> {
        self.changes_with(Approvals::ThatMatter, keys, lane).await
    }

    async fn changes_with(
        &self,
        approvals: Approvals,
        keys: &[KeyHash],
        lane: Lane,
    ) -> Result<Reading, ServiceNowError> {
        let mut reading = Reading { rows: Vec::new(), at: self.shared.clock.now(), skew_seconds: None };
        for (nth, keys) in keys.chunks(KEYS_MAX).enumerate() {
            let some = self.changes_of_some(keys, lane).await?;
            if nth == 0 {
                reading.at = some.at;
            }
            reading.skew_seconds = some.skew_seconds.or(reading.skew_seconds);
            reading.rows.extend(some.rows);
        }
        if approvals == Approvals::All || hangs_on_approvers(&reading.rows) {
            reading.rows = self.with_approvers(reading.rows, lane).await?;
        }
        Ok(reading)
    }

    async fn changes_of_some(&self, keys: &[KeyHash], lane: Lane) -> Result<Reading, ServiceNowError> {
        // `^OR` binds to the condition before it (ServiceNow docs, "Encoded query strings").
        let ours: Vec<String> =
            keys.iter().map(|key| format!("correlation_idSTARTSWITH{}", key.correlation_prefix())).collect();
        let query =
            format!("{}^correlation_display={CORRELATION_DISPLAY}^ORDERBYsys_created_on", ours.join("^OR"));
        let most = ROWS_OF_KEY_MAX + keys.len() - 1;
        let address = Address::list("change_request", &query, CHANGE_FIELDS, most);
        let answer = self.get(What::LookUp, lane, address).await?;
        let found = Row::list(&answer.result);
        let rows = found.iter().map(|found| row::change(found, &self.shared.settings.state_map));
        let rows: Vec<ChangeRow> =
            rows.collect::<Result<_, _>>().map_err(|fault| self.error(What::LookUp, fault))?;
        let foreign = rows.iter().any(|row| !keys.iter().any(|key| row.belongs_to(key)));
        // A part of a query that an instance does not understand is left out: a page of others' rows
        // then says nothing about ours.
        if foreign || rows.len() >= most {
            let text = "the instance answers other rows than were asked for; may the integration user \
                        read correlation_id and correlation_display?";
            return Err(self.error(What::LookUp, Fault::Hidden(text.to_owned())));
        }
        // What a slow answer shows may be as old as its question.
        Ok(Reading { rows, at: answer.sent, skew_seconds: answer.skew_seconds })
    }

    /// One change by its id, without its approvals: for who only writes it. `None`: the instance does not show it.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn change(&self, sys_id: &str, lane: Lane) -> Result<Option<ChangeRow>, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(What::LookUp, fault))?;
        let address = Address::list("change_request", &format!("sys_id={sys_id}"), CHANGE_FIELDS, 1);
        let answer = self.get(What::LookUp, lane, address).await?;
        let Some(found) = Row::list(&answer.result).into_iter().next() else { return Ok(None) };
        let row = row::change(&found, &self.shared.settings.state_map)
            .map_err(|fault| self.error(What::LookUp, fault))?;
        // A part of a query that an instance does not understand is left out.
        Ok(Some(row).filter(|row| row.sys_id.eq_ignore_ascii_case(sys_id)))
    }

    /// How many ids fit into an address.
    fn ids_in_query(&self) -> usize {
        let rest = self.shared.settings.base_url.as_str().len() + approvers_address(&[], "").as_str().len();
        let id_and_comma = 33;
        // Behind the last row of a page one more stands in it.
        (URL_CHARS_MAX.saturating_sub(rest + 50) / id_and_comma).clamp(1, IDS_MAX)
    }

    async fn with_approvers(
        &self,
        mut rows: Vec<ChangeRow>,
        lane: Lane,
    ) -> Result<Vec<ChangeRow>, ServiceNowError> {
        let ids: Vec<&str> = rows.iter().map(|row| row.sys_id.as_str()).collect();
        let mut approvers = BTreeMap::new();
        for ids in ids.chunks(self.ids_in_query()) {
            approvers.append(&mut self.approvers_of(ids, lane).await?);
        }
        for row in &mut rows {
            row.approvers = approvers.remove(&row.sys_id).unwrap_or_default();
        }
        Ok(rows)
    }

    /// The decided approvals of some changes, oldest first. Pages go by id: an offset would slip
    /// when rows come in between.
    async fn approvers_of(
        &self,
        ids: &[&str],
        lane: Lane,
    ) -> Result<BTreeMap<String, Vec<ApproverRow>>, ServiceNowError> {
        let mut approvers: BTreeMap<String, Vec<ApproverRow>> = BTreeMap::new();
        let mut after = String::new();
        for _ in 0..APPROVER_PAGES_MAX {
            let answer = self.get(What::Approvers, lane, approvers_address(ids, &after)).await?;
            let page = Row::list(&answer.result);
            let mut last = String::new();
            for found in &page {
                let (change, approver) =
                    row::approver(found).map_err(|fault| self.error(What::Approvers, fault))?;
                last.clone_from(&approver.sys_id);
                approvers.entry(change).or_default().push(approver);
            }
            if page.len() < APPROVERS_PAGE {
                approvers.values_mut().for_each(|rows| rows.sort_by_key(|row| row.at));
                return Ok(approvers);
            }
            after = format!("^sys_id>{last}");
        }
        let text = format!("more than {} approvals", APPROVERS_PAGE * APPROVER_PAGES_MAX);
        Err(self.error(What::Approvers, Fault::Input(text)))
    }
}

fn approvers_address(ids: &[&str], after: &str) -> Address {
    let query = format!("sysapprovalIN{}^stateINapproved,rejected{after}^ORDERBYsys_id", ids.join(","));
    Address::list("sysapproval_approver", &query, APPROVER_FIELDS, APPROVERS_PAGE)
}

/// Which approvals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Approvals {
    All,
    ThatMatter,
}
