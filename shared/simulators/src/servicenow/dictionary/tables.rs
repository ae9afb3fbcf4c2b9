//! The tables, and which of them extend which.

use super::{Field, platform, tasks};

/// A table.
#[derive(Debug)]
pub(in crate::servicenow) struct TableDef {
    pub(super) name: &'static str,
    label: &'static str,
    extends: Option<&'static str>,
    pub(super) fields: &'static [Field],
    /// Takes any field, as text.
    open: bool,
}

const fn table(name: &'static str, label: &'static str, fields: &'static [Field]) -> TableDef {
    TableDef { name, label, extends: None, fields, open: false }
}

const fn child(
    name: &'static str,
    label: &'static str,
    extends: &'static str,
    fields: &'static [Field],
) -> TableDef {
    TableDef { name, label, extends: Some(extends), fields, open: false }
}

const fn open(name: &'static str, label: &'static str) -> TableDef {
    TableDef { name, label, extends: None, fields: &[], open: true }
}

/// Sorted by name.
pub(super) const TABLES: &[TableDef] = &[
    child("change_request", "Change Request", "task", tasks::CHANGE),
    child("change_task", "Change Task", "task", tasks::CHANGE_TASK),
    table("chg_model", "Change Model", platform::MODELS),
    table("cmdb_ci", "Configuration Item", platform::CI),
    child("cmdb_ci_appl", "Application", "cmdb_ci", platform::APPLICATION),
    child("cmdb_ci_server", "Server", "cmdb_ci", &[]),
    child("cmdb_ci_service", "Service", "cmdb_ci", &[]),
    open("cmdb_rel_ci", "CI Relationship"),
    table("cmn_department", "Department", platform::DEPARTMENTS),
    table("cmn_location", "Location", platform::PLACES),
    table("core_company", "Company", platform::PLACES),
    child("incident", "Incident", "task", tasks::INCIDENT),
    child("problem", "Problem", "task", tasks::PROBLEM),
    table("std_change_producer_version", "Standard Change Template Version", platform::TEMPLATE_VERSIONS),
    table("std_change_record_producer", "Standard Change Template", platform::TEMPLATES),
    table("sys_attachment", "Attachment", platform::ATTACHMENTS),
    table("sys_choice", "Choice", platform::CHOICES),
    table("sys_data_policy2", "Data Policy", platform::DATA_POLICIES),
    table("sys_data_policy_rule", "Data Policy Rule", platform::DATA_POLICY_RULES),
    table("sys_db_object", "Table", platform::TABLES),
    table("sys_dictionary", "Dictionary Entry", platform::DICTIONARY),
    table("sys_group_has_role", "Group Role", platform::GROUP_ROLES),
    table("sys_journal_field", "Journal Entry", platform::JOURNAL),
    open("sys_metadata", "Application File"),
    open("sys_progress_worker", "Progress Worker"),
    table("sys_properties", "System Property", platform::PROPERTIES),
    table("sys_rate_limit_rules", "Rate Limit Rule", platform::RATE_LIMITS),
    table("sys_script", "Business Rule", platform::SCRIPTS),
    table("sys_tiny_url", "Short Address", platform::SHORT_ADDRESSES),
    table("sys_transform_entry", "Field Map", platform::TRANSFORM_ENTRIES),
    table("sys_transform_map", "Table Transform Map", platform::TRANSFORMS),
    table("sys_user", "User", platform::USERS),
    open("sys_user_certificate", "User Certificate"),
    table("sys_user_grmember", "Group Member", platform::MEMBERS),
    table("sys_user_group", "Group", platform::GROUPS),
    table("sys_user_has_role", "User Role", platform::USER_ROLES),
    table("sys_user_role", "Role", platform::ROLES),
    table("sysapproval_approver", "Approval", tasks::APPROVER),
    child("sysapproval_group", "Group Approval", "task", tasks::GROUP_APPROVAL),
    open("syslog", "Log Entry"),
    table("task", "Task", tasks::TASK),
    table("task_ci", "CIs Affected", platform::TASK_CI),
];

fn find(name: &str) -> Option<&'static TableDef> {
    let place = TABLES.binary_search_by_key(&name, |table| table.name);
    place.ok().map(|place| &TABLES[place])
}

/// Tables that a customer or an application adds begin so; they take any field.
fn is_custom(name: &str) -> bool {
    ["u_", "x_", "imp_"].iter().any(|prefix| name.starts_with(prefix))
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether the instance has this table.
pub(in crate::servicenow) fn has_table(name: &str) -> bool {
    find(name).is_some() || is_custom(name)
}

/// Whether a table takes any field.
pub(in crate::servicenow) fn is_open(name: &str) -> bool {
    find(name).map_or_else(|| is_custom(name), |table| table.open)
}

/// The table, then what it extends.
pub(in crate::servicenow) fn lineage(name: &str) -> impl Iterator<Item = &'static TableDef> {
    std::iter::successors(find(name), |table| find(table.extends?))
}

/// Whether one table is another, or extends it.
pub(in crate::servicenow) fn extends(name: &str, ancestor: &str) -> bool {
    name == ancestor || lineage(name).any(|table| table.name == ancestor)
}

/// The tables whose rows a query on this one sees.
pub(in crate::servicenow) fn with_children(name: &str) -> impl Iterator<Item = &str> {
    let children = TABLES.iter().filter(move |table| table.extends == Some(name));
    std::iter::once(name).chain(children.map(|table| table.name))
}

/// What people call a table.
pub(in crate::servicenow) fn label_of(name: &str) -> &str {
    find(name).map_or(name, |table| table.label)
}

/// The names of all tables.
pub(in crate::servicenow) fn names_of_all() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}
