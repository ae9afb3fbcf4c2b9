//! Rows as the two APIs write them, in our terms. The Table API has strings, the Change Management API
//! pairs whose value is a number, a float, a truth value or a string; a field that we may not read is absent.

use chrono::{DateTime, NaiveDateTime, Utc};
use interlock_rules::{
    Approval, ApproverRow, ChangeRow, ChangeState, ChangeType, ConflictCheck, ConflictStatus, Earlier,
};
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::settings::StateMap;

/// What is read of a change.
pub(crate) const CHANGE_FIELDS: &str = "sys_id,number,correlation_id,correlation_display,type,\
    std_change_producer_version.std_change_producer,parent,cmdb_ci,conflict_status,\
    conflict_last_run,state,approval,on_hold,start_date,end_date,sys_created_on,\
    sys_updated_on,sys_mod_count,close_notes";
/// The template of a standard change: its record names the version that was current when it was made.
const TEMPLATE: &str = "std_change_producer_version.std_change_producer";

/// What is read of an approval.
pub(crate) const APPROVER_FIELDS: &str =
    "sys_id,sysapproval,approver,approver.user_name,state,sys_updated_on";

/// One record.
pub(crate) struct Row<'a>(&'a Map<String, Value>);

impl<'a> Row<'a> {
    /// The one record of a result; the documentation shows it in an array, instances answer an object.
    pub(crate) fn single(result: &'a Value) -> Option<Self> {
        match result {
            Value::Object(row) => Some(Self(row)),
            Value::Array(rows) if rows.len() == 1 => rows[0].as_object().map(Self),
            _ => None,
        }
    }

    /// The records of a list; one alone may come without its array.
    pub(crate) fn list(result: &'a Value) -> Vec<Self> {
        match result {
            Value::Array(rows) => rows.iter().filter_map(Value::as_object).map(Self).collect(),
            Value::Object(row) => vec![Self(row)],
            _ => Vec::new(),
        }
    }

    /// A field as text; `None` where it is absent.
    pub(crate) fn text(&self, field: &str) -> Option<String> {
        self.0.get(field).map(text)
    }

    /// Keys that the instance says it did not take.
    pub(crate) fn ignored(&self) -> Vec<String> {
        let listed = self.0.get("__meta").and_then(|meta| meta.get("ignoredFields"));
        let listed = listed.and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn needed(&self, field: &str) -> Result<String, Fault> {
        self.text(field).ok_or_else(|| hidden(field))
    }
}

fn hidden(field: &str) -> Fault {
    Fault::Hidden(format!("the field {field} is not shown to us: give the integration user read on it"))
}

/// A value as text, whatever its JSON type.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => match number.as_f64() {
            // -5.0 is the same state as -5; no field that we read has a fraction.
            Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Object(pair) => pair.get("value").map(text).unwrap_or_default(),
        Value::Null | Value::Array(_) => String::new(),
    }
}

/// A change, without its approvals. A field that is hidden is a fault: no window, no hold and no
/// rejection may be concluded from what we cannot see.
pub(crate) fn change(row: &Row<'_>, states: &StateMap) -> Result<ChangeRow, Fault> {
    let moment = |field: &str| -> Result<DateTime<Utc>, Fault> {
        time(&row.needed(field)?)?.ok_or_else(|| Fault::Hidden(format!("the field {field} is empty")))
    };
    Ok(ChangeRow {
        sys_id: row.needed("sys_id")?,
        number: row.needed("number")?,
        correlation_id: row.needed("correlation_id")?,
        correlation_display: row.needed("correlation_display")?,
        change_type: ChangeType::of_name(row.needed("type")?.trim()),
        template: row.text(TEMPLATE).filter(|template| !template.is_empty()),
        parent: row.text("parent").filter(|parent| !parent.is_empty()),
        cmdb_ci: row.text("cmdb_ci").filter(|item| !item.is_empty()),
        conflict: conflict(row)?,
        state: state(row, states)?,
        approval: approval(&row.needed("approval")?),
        on_hold: row.needed("on_hold")? == "true",
        start: time(&row.needed("start_date")?)?,
        end: time(&row.needed("end_date")?)?,
        created: moment("sys_created_on")?,
        updated: moment("sys_updated_on")?,
        mod_count: row.text("sys_mod_count").unwrap_or_default(),
        close_notes: row.text("close_notes").unwrap_or_default(),
        approvers: Vec::new(),
    })
}

/// What is hidden here is a fault only where a policy looks at it.
fn conflict(row: &Row<'_>) -> Result<ConflictCheck, Fault> {
    let last_run = row.text("conflict_last_run").as_deref().map(time).transpose()?.flatten();
    let word = row.text("conflict_status").unwrap_or_default();
    Ok(ConflictCheck { status: ConflictStatus::of_word(word.trim()), last_run })
}

fn state(row: &Row<'_>, states: &StateMap) -> Result<Option<ChangeState>, Fault> {
    Ok(row.needed("state")?.trim().parse().ok().and_then(|number| states.state(number)))
}

/// A change as a rollback looks back at it.
pub(crate) fn earlier(row: &Row<'_>, states: &StateMap) -> Result<Earlier, Fault> {
    let created = time(&row.needed("sys_created_on")?)?;
    Ok(Earlier {
        sys_id: row.needed("sys_id")?,
        number: row.needed("number")?,
        correlation_id: row.needed("correlation_id")?,
        correlation_display: row.needed("correlation_display")?,
        state: state(row, states)?,
        close_code: row.needed("close_code")?,
        created: created.ok_or_else(|| Fault::Hidden("the field sys_created_on is empty".into()))?,
    })
}

/// An approval and the change that it belongs to.
pub(crate) fn approver(row: &Row<'_>) -> Result<(String, ApproverRow), Fault> {
    let name = row.text("approver.user_name").filter(|name| !name.is_empty());
    let approver = ApproverRow {
        sys_id: row.needed("sys_id")?,
        state: row.needed("state")?,
        by: name.or_else(|| row.text("approver")).unwrap_or_default(),
        user: row.text("approver").unwrap_or_default(),
        at: row.text("sys_updated_on").as_deref().map(time).transpose()?.flatten(),
    };
    Ok((row.needed("sysapproval")?, approver))
}

fn approval(text: &str) -> Approval {
    match text {
        "approved" => Approval::Approved,
        "rejected" => Approval::Rejected,
        "requested" => Approval::Requested,
        "not requested" => Approval::NotRequested,
        other => Approval::Other(other.to_owned()),
    }
}

/// The form of dates in requests and answers; always UTC.
pub(crate) const TIME: &str = "%Y-%m-%d %H:%M:%S";

pub(crate) fn time(text: &str) -> Result<Option<DateTime<Utc>>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = NaiveDateTime::parse_from_str(text, TIME).map(|time| time.and_utc());
    parsed
        .map(Some)
        .map_err(|_| Fault::Hidden(format!("`{}` is no date", text.chars().take(32).collect::<String>())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                inner.prop_map(|value| json!({ "display_value": "x", "value": value })),
            ]
        })
    }

    #[test]
    fn a_value_is_the_same_text_whatever_its_type() {
        let same = [json!("-5"), json!(-5), json!(-5.0), json!({ "value": -5.0, "display_value": "New" })];
        assert!(same.iter().all(|value| text(value) == "-5"));
        assert_eq!(
            (text(&json!(true)), text(&json!(null)), text(&json!([1]))),
            ("true".into(), "".into(), "".into())
        );
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(json(), 15), result in json()) {
            let fields = CHANGE_FIELDS.split(',').map(|field| field.trim().to_owned());
            let row: Map<String, Value> = fields.zip(values).collect();
            let _ = change(&Row(&row), &StateMap::default());
            let _ = approver(&Row(&row));
            let _ = (Row::single(&result).is_some(), Row::list(&result).len());
        }
    }
}
