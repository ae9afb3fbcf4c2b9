//! Conflicts: the instance checks for them, and offers slots (ServiceNow docs, "Change Management API"). What came of
//! either stands in the record; answers here only say that something was begun.

use chrono::{DateTime, Utc};
use http::Method;
use interlock_rules::{ChangeRow, Plan};
use serde_json::{Map, Value};

use crate::budget::Lane;
use crate::client::{Call, ServiceNow};
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::{self, Row, TIME};

/// Changes that are named; the record shows them all.
const NAMED_MAX: usize = 5;
/// Changes of one item among which a free time is looked for.
const OTHERS_MAX: usize = 200;

impl ServiceNow {
    /// Starts a check; it runs by itself, and the record shows what came of it.
    ///
    /// # Errors
    /// [`ServiceNowError`]; another check does no harm.
    pub async fn check_conflicts(&self, sys_id: &str) -> Result<(), ServiceNowError> {
        self.begin(What::Check, Method::POST, sys_id, "conflict").await
    }

    /// Lets the instance plan a change for the first slot that is free; whether it did, the record shows.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn plan_first_slot(&self, sys_id: &str) -> Result<(), ServiceNowError> {
        self.begin(What::Plan, Method::PATCH, sys_id, "schedule/first_available").await
    }

    async fn begin(
        &self,
        what: What,
        method: Method,
        sys_id: &str,
        path: &str,
    ) -> Result<(), ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(what, fault))?;
        let address = Address::new(&format!("/api/sn_chg_rest/change/{sys_id}/{path}"));
        self.call(Call { what, lane: Lane::Gate, method, address, body: None }).await.map(|_| ())
    }

    /// Numbers of the changes that the last check found, as far as the instance names them.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn conflicts_of(&self, sys_id: &str) -> Result<Vec<String>, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(What::Conflicts, fault))?;
        let address = Address::new(&format!("/api/sn_chg_rest/change/{sys_id}/conflict"));
        let answer = self.get(What::Conflicts, Lane::Gate, address).await?;
        Ok(named(&answer.result))
    }

    /// Planned times of the other open changes of the same item that end after this one begins.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn planned_beside(
        &self,
        plan: &Plan,
    ) -> Result<Vec<(DateTime<Utc>, DateTime<Utc>)>, ServiceNowError> {
        let refused = |fault| self.error(What::Conflicts, fault);
        let item = query::sys_id(&plan.cmdb_ci).map_err(refused)?;
        let sys_id = query::sys_id(&plan.sys_id).map_err(refused)?;
        // A literal time is read in the time zone of the integration user, which therefore is GMT.
        let query = format!(
            "cmdb_ci={item}^active=true^sys_id!={sys_id}^end_date>={}^ORDERBYstart_date",
            plan.start.format(TIME)
        );
        let fields = "sys_id,cmdb_ci,start_date,end_date";
        let address = Address::list("change_request", &query, fields, OTHERS_MAX);
        let answer = self.get(What::Conflicts, Lane::Gate, address).await?;
        let mut planned = Vec::new();
        for found in Row::list(&answer.result) {
            let moment = |field: &str| row::time(&found.text(field).unwrap_or_default()).map_err(refused);
            // An instance ignores what it does not understand of a query.
            let is_its = found.text("cmdb_ci").as_deref() == Some(item)
                && found.text("sys_id").as_deref() != Some(sys_id);
            if let (true, Some(from), Some(until)) = (is_its, moment("start_date")?, moment("end_date")?) {
                planned.push((from, until));
            }
        }
        Ok(planned)
    }

    /// Plans a change for other dates, and says so in its work notes.
    ///
    /// # Errors
    /// [`ServiceNowError`]: also where the record does not take the dates.
    pub async fn plan(
        &self,
        sys_id: &str,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        note: &str,
    ) -> Result<ChangeRow, ServiceNowError> {
        let time = |time: DateTime<Utc>| Value::from(time.format(TIME).to_string());
        let sent = Map::from_iter([
            ("start_date".to_owned(), time(start)),
            ("end_date".to_owned(), time(end)),
            ("work_notes".to_owned(), Value::from(note)),
        ]);
        let row = self.update(What::Plan, Lane::Gate, sys_id, &sent).await?;
        let seconds = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp());
        if (seconds(row.start), seconds(row.end)) != (Some(start.timestamp()), Some(end.timestamp())) {
            let text = format!(
                "{} does not take other planned dates: let the integration user write start_date and end_date",
                row.number
            );
            return Err(self.error(What::Plan, Fault::NotTaken(text)));
        }
        Ok(row)
    }
}

/// The documentation shows an empty list; a reference comes as its number, or as a pair that displays it.
fn named(result: &Value) -> Vec<String> {
    let found = result.get("conflicts").and_then(Value::as_array).into_iter().flatten();
    let mut named: Vec<String> = Vec::new();
    for conflict in found {
        let Some(other) = conflict.get("conflicting_change") else { continue };
        let shown = match other {
            Value::Object(pair) => pair.get("display_value").or_else(|| pair.get("number")).map(row::text),
            other => Some(row::text(other)),
        };
        let is_number = |shown: &String| {
            !query::is_sys_id(shown)
                && (1..=40).contains(&shown.len())
                && shown.chars().all(char::is_alphanumeric)
        };
        named.extend(shown.filter(|shown| is_number(shown) && !named.contains(shown)));
    }
    named.truncate(NAMED_MAX);
    named
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conflicting_changes_are_named_however_the_instance_writes_them() {
        let pair = json!({ "display_value": "CHG3", "value": "3".repeat(32) });
        let conflicts = json!([
            { "type": "ci_in_use", "conflicting_change": "CHG2" },
            { "conflicting_change": pair },
            { "conflicting_change": "CHG2" },
            { "conflicting_change": "4".repeat(32) },
            { "type": "blackout", "schedule": "year end" },
            { "conflicting_change": "CHG1 ![](https://example.com)" },
            "CHG9",
        ]);
        assert_eq!(named(&json!({ "conflicts": conflicts })), ["CHG2", "CHG3"]);
        assert_eq!(named(&json!({ "status": "Conflict", "conflicts": [] })), [] as [&str; 0]);
        assert_eq!(named(&json!({ "status": "Conflict" })), [] as [&str; 0]);
    }
}
