//! What is asked of which table.

use crate::query::{self, Address};
use crate::row::{APPROVER_FIELDS, CHANGE_FIELDS};

/// As many rows as show what a table lets us see.
const FEW: usize = 5;
const MANY: usize = 1_000;

/// A question that needs no rights.
pub(super) fn anybody() -> Address {
    Address::counted("sys_user", "ORDERBYsys_id", "sys_id", 1)
}

/// The user that we are, by name or as the instance knows us. The display values show zone and format.
pub(super) fn user(name: Option<&str>) -> Address {
    let query = match name.and_then(|name| query::value(name).ok()) {
        Some(name) => format!("user_name={name}"),
        None => "sys_id=javascript:gs.getUserID()".to_owned(),
    };
    let fields = "sys_id,user_name,active,locked_out,time_zone,date_format,sys_created_on";
    Address::counted("sys_user", &query, fields, 2).with("sysparm_display_value", "all")
}

pub(super) fn roles(user: &str) -> Address {
    Address::counted("sys_user_has_role", &format!("user={user}"), "role.name", MANY)
}

pub(super) fn changes() -> Address {
    Address::counted("change_request", "ORDERBYDESCsys_created_on", CHANGE_FIELDS, FEW)
}

pub(super) fn change_api() -> Address {
    Address::new("/api/sn_chg_rest/change").with("sysparm_limit", "1")
}

pub(super) fn approvers() -> Address {
    Address::counted("sysapproval_approver", "ORDERBYDESCsys_created_on", APPROVER_FIELDS, FEW)
}

/// Changes for which there must be approver rows.
pub(super) fn waiting() -> Address {
    Address::counted("change_request", "approval=requested^active=true", "sys_id", FEW)
}

pub(super) fn approvers_of(changes: &[String]) -> Address {
    Address::counted("sysapproval_approver", &format!("sysapprovalIN{}", changes.join(",")), "sys_id", FEW)
}

pub(super) fn journal() -> Address {
    Address::counted("sys_journal_field", "name=change_request^element=work_notes", JOURNAL_FIELDS, 1)
}

const JOURNAL_FIELDS: &str = "sys_id,element_id,value";

pub(super) fn journal_of(change: &str) -> Address {
    Address::counted("sys_journal_field", &format!("element_id={change}"), JOURNAL_FIELDS, FEW)
}

/// What is mandatory, and whatever is said of the fields that a change is found by.
pub(super) fn dictionary() -> Address {
    let query =
        "nameINtask,change_request^active=true^mandatory=true^ORelementINcorrelation_id,correlation_display";
    Address::counted(
        "sys_dictionary",
        query,
        "name,element,mandatory,max_length,read_only,default_value",
        MANY,
    )
}

pub(super) fn data_policies() -> Address {
    let query = "active=true^model_tableINtask,change_request";
    Address::counted("sys_data_policy2", query, "sys_id,short_description,conditions", FEW * 10)
}

pub(super) fn data_policy_rules(policies: &[String]) -> Address {
    let query = format!("mandatory=true^sys_data_policyIN{}", policies.join(","));
    Address::counted("sys_data_policy_rule", &query, "sys_data_policy,field", MANY)
}

pub(super) fn choices(fields: &[&str]) -> Address {
    let query = format!("nameINtask,change_request^inactive=false^elementIN{}", fields.join(","));
    Address::counted("sys_choice", &query, "name,element,value,label", MANY)
}

/// At most two rows of what a policy names; `None` where it could not stand in a query.
pub(super) fn named(table: &str, name: &str, fields: &str) -> Option<Address> {
    let value = query::value(name).ok()?;
    let by = if query::is_sys_id(name) { "sys_id" } else { "name" };
    Some(Address::counted(table, &format!("{by}={value}^ORDERBYsys_id"), fields, 2))
}

pub(super) fn any_script() -> Address {
    Address::counted("sys_script", "ORDERBYsys_id", "sys_id", 1)
}

/// The business rules of our set-up guide, and what others named so.
pub(super) fn scripts() -> Address {
    let query = "collectionINchange_request,sysapproval_approver^active=true^nameLIKEInterlock";
    Address::counted("sys_script", query, "name,collection", FEW)
}
