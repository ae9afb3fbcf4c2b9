//! What the simulated instance knows of its tables: which fields there are and how each is shown.
//! The fields of `change_request` are those of the sample record in the Change Management API page.

/// How a field is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, cut silently at this many characters.
    Text(usize),
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD HH:MM:SS`, UTC.
    DateTime,
    /// One of these values, each with its label.
    Choice(&'static [(&'static str, &'static str)]),
    /// The sys_id of a record of this table.
    Reference(&'static str),
    /// Each write appends a row to `sys_journal_field`.
    Journal,
}

use Kind::{Boolean, Choice, DateTime, Integer, Journal, Reference, Text};

/// Field lists are sorted by name.
type Field = (&'static str, Kind);

const SHORT: Kind = Text(40);
const LINE: Kind = Text(255);
const LONG: Kind = Text(4000);
const USER: Kind = Reference("sys_user");
const GROUP: Kind = Reference("sys_user_group");

/// States of a change and their labels.
pub(super) const CHANGE_STATES: &[(&str, &str)] = &[
    ("-5", "New"),
    ("-4", "Assess"),
    ("-3", "Authorize"),
    ("-2", "Scheduled"),
    ("-1", "Implement"),
    ("0", "Review"),
    ("3", "Closed"),
    ("4", "Canceled"),
];

const APPROVALS: &[(&str, &str)] = &[
    ("not requested", "Not Yet Requested"),
    ("requested", "Requested"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
    ("not_required", "No Longer Required"),
    ("skipped", "Skipped"),
    ("duplicate", "Duplicate"),
];
const TYPES: &[(&str, &str)] = &[("normal", "Normal"), ("standard", "Standard"), ("emergency", "Emergency")];
const CLOSE_CODES: &[(&str, &str)] = &[
    ("successful", "Successful"),
    ("successful_issues", "Successful with issues"),
    ("unsuccessful", "Unsuccessful"),
];
const LEVELS: &[(&str, &str)] = &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")];
const RISKS: &[(&str, &str)] = &[("1", "Very High"), ("2", "High"), ("3", "Moderate"), ("4", "Low")];
const PRIORITIES: &[(&str, &str)] = &[
    ("1", "1 - Critical"),
    ("2", "2 - High"),
    ("3", "3 - Moderate"),
    ("4", "4 - Low"),
    ("5", "5 - Planning"),
];

const SYSTEM: &[Field] = &[
    ("sys_class_name", LINE),
    ("sys_created_by", SHORT),
    ("sys_created_on", DateTime),
    ("sys_domain", SHORT),
    ("sys_domain_path", LINE),
    ("sys_id", SHORT),
    ("sys_mod_count", Integer),
    ("sys_tags", LINE),
    ("sys_updated_by", SHORT),
    ("sys_updated_on", DateTime),
];

const CHANGE: &[Field] = &[
    ("active", Boolean),
    ("activity_due", DateTime),
    ("additional_assignee_list", LONG),
    ("approval", Choice(APPROVALS)),
    ("approval_history", Text(65_000)),
    ("approval_set", DateTime),
    ("assigned_to", USER),
    ("assignment_group", GROUP),
    ("backout_plan", LONG),
    ("business_duration", SHORT),
    ("business_service", Reference("cmdb_ci")),
    ("cab_date", DateTime),
    ("cab_delegate", USER),
    ("cab_recommendation", LONG),
    ("cab_required", Boolean),
    ("calendar_duration", SHORT),
    ("category", SHORT),
    ("change_plan", LONG),
    ("chg_model", Reference("chg_model")),
    ("ci_class", LINE),
    ("close_code", Choice(CLOSE_CODES)),
    ("close_notes", LONG),
    ("closed_at", DateTime),
    ("closed_by", USER),
    ("cmdb_ci", Reference("cmdb_ci")),
    ("comments", Journal),
    ("comments_and_work_notes", Journal),
    ("company", SHORT),
    ("conflict_last_run", DateTime),
    ("conflict_status", SHORT),
    ("contact_type", SHORT),
    ("contract", SHORT),
    ("correlation_display", Text(100)),
    ("correlation_id", Text(100)),
    ("delivery_plan", SHORT),
    ("delivery_task", SHORT),
    ("description", LONG),
    ("due_date", DateTime),
    ("end_date", DateTime),
    ("escalation", Integer),
    ("expected_start", DateTime),
    ("follow_up", DateTime),
    ("group_list", LONG),
    ("impact", Choice(LEVELS)),
    ("implementation_plan", LONG),
    ("is_bulk", Boolean),
    ("justification", LONG),
    ("knowledge", Boolean),
    ("location", SHORT),
    ("made_sla", Boolean),
    ("number", SHORT),
    ("on_hold", Boolean),
    ("on_hold_reason", LONG),
    ("on_hold_task", LONG),
    ("opened_at", DateTime),
    ("opened_by", USER),
    ("order", Integer),
    ("outside_maintenance_schedule", Boolean),
    ("parent", Reference("task")),
    ("phase", SHORT),
    ("phase_state", SHORT),
    ("priority", Choice(PRIORITIES)),
    ("production_system", Boolean),
    ("proposed_change", LONG),
    ("reason", LINE),
    ("reassignment_count", Integer),
    ("rejection_goto", SHORT),
    ("requested_by", USER),
    ("requested_by_date", DateTime),
    ("review_comments", LONG),
    ("review_date", DateTime),
    ("review_status", SHORT),
    ("risk", Choice(RISKS)),
    ("risk_impact_analysis", LONG),
    ("risk_value", SHORT),
    ("route_reason", SHORT),
    ("scope", Integer),
    ("service_offering", Reference("cmdb_ci")),
    ("short_description", Text(160)),
    ("skills", LONG),
    ("sla_due", DateTime),
    ("start_date", DateTime),
    ("state", Choice(CHANGE_STATES)),
    ("std_change_producer_version", Reference("std_change_producer_version")),
    ("task_effective_number", SHORT),
    ("test_plan", LONG),
    ("time_worked", SHORT),
    ("type", Choice(TYPES)),
    ("unauthorized", Boolean),
    ("universal_request", SHORT),
    ("upon_approval", SHORT),
    ("upon_reject", SHORT),
    ("urgency", Choice(LEVELS)),
    ("user_input", LONG),
    ("variables", LONG),
    ("watch_list", LONG),
    ("wf_activity", SHORT),
    ("work_end", DateTime),
    ("work_notes", Journal),
    ("work_notes_list", LONG),
    ("work_start", DateTime),
];

const APPROVER: &[Field] = &[
    ("approval_column", SHORT),
    ("approver", USER),
    ("comments", Journal),
    ("document_id", Reference("change_request")),
    ("due_date", DateTime),
    ("expected_start", DateTime),
    ("group", Reference("sysapproval_group")),
    ("source_table", SHORT),
    ("state", Choice(APPROVALS)),
    ("sysapproval", Reference("task")),
    ("wf_activity", SHORT),
];
const USERS: &[Field] = &[
    ("active", Boolean),
    ("email", LINE),
    ("locked_out", Boolean),
    ("name", LINE),
    ("time_zone", SHORT),
    ("user_name", SHORT),
    ("web_service_access_only", Boolean),
];
const GROUPS: &[Field] = &[
    ("active", Boolean),
    ("description", LONG),
    ("email", LINE),
    ("manager", USER),
    ("name", LINE),
    ("parent", GROUP),
    ("type", LINE),
];
const MEMBERS: &[Field] = &[("group", GROUP), ("user", USER)];
const JOURNAL: &[Field] =
    &[("element", SHORT), ("element_id", SHORT), ("name", SHORT), ("value", Text(65_000))];
const CI: &[Field] = &[
    ("asset_tag", SHORT),
    ("category", LINE),
    ("install_status", Integer),
    ("name", LINE),
    ("operational_status", Integer),
    ("short_description", LONG),
    ("support_group", GROUP),
    ("version", LINE),
];
const PROPERTIES: &[Field] = &[("description", LONG), ("name", LINE), ("type", SHORT), ("value", LONG)];

/// Tables that take any field, as text.
const GENERIC: &[&str] = &[
    "change_task",
    "chg_model",
    "cmdb_ci_service",
    "incident",
    "problem",
    "std_change_producer_version",
    "std_change_record_producer",
    "sys_attachment",
    "sys_choice",
    "sys_rate_limit_rules",
    "sysapproval_group",
    "task",
];

/// Tables that extend `task`: a query on the parent sees their rows.
pub(super) const TASKS: &[&str] = &["change_request", "change_task", "incident", "problem"];

/// The fields of a table beyond the system fields; `None` when it takes any.
pub(super) fn own_fields(table: &str) -> Option<&'static [Field]> {
    Some(match table {
        "change_request" => CHANGE,
        "sysapproval_approver" => APPROVER,
        "sys_user" => USERS,
        "sys_user_group" => GROUPS,
        "sys_user_grmember" => MEMBERS,
        "sys_journal_field" => JOURNAL,
        "cmdb_ci" => CI,
        "sys_properties" => PROPERTIES,
        _ => return None,
    })
}

/// Whether the instance has this table.
pub(super) fn has_table(table: &str) -> bool {
    own_fields(table).is_some() || GENERIC.contains(&table)
}

/// How a field is shown; `None` when the table has no such field.
pub(super) fn kind(table: &str, field: &str) -> Option<Kind> {
    let table = if table == "task" { "change_request" } else { table };
    let of = |fields: &[Field]| {
        let place = fields.binary_search_by_key(&field, |(name, _)| *name);
        place.ok().map(|place| fields[place].1)
    };
    match own_fields(table) {
        Some(own) => of(own).or_else(|| of(SYSTEM)),
        None => Some(of(SYSTEM).unwrap_or(LONG)),
    }
}

/// Every field name that a record of a known table shows, system fields included.
pub(super) fn names(table: &str) -> Vec<&'static str> {
    own_fields(table).into_iter().flatten().chain(SYSTEM).map(|(name, _)| *name).collect()
}

/// The label of a choice, or the value itself: an unknown choice is stored as it is.
pub(super) fn label<'a>(choices: &'a [(&'a str, &'a str)], value: &'a str) -> &'a str {
    choices.iter().find(|(known, _)| *known == value).map_or(value, |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_the_fields_of_the_sample_record() {
        assert_eq!(names("change_request").len(), 111);
    }

    #[test]
    fn every_field_list_is_sorted() {
        let lists = [SYSTEM, CHANGE, APPROVER, USERS, GROUPS, MEMBERS, JOURNAL, CI, PROPERTIES];
        assert!(lists.iter().all(|list| list.is_sorted_by_key(|(name, _)| *name)));
    }

    #[test]
    fn an_unknown_field_exists_only_in_a_generic_table() {
        assert_eq!(kind("change_request", "no_such_field"), None);
        assert_eq!(kind("incident", "u_anything"), Some(LONG));
    }
}
