//! What policies refer to by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::why;
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Heard, Readings, Sight, field};
use crate::query::is_sys_id;

/// What a kind of name is called, and what may be wrong with it.
struct Kind {
    check: Check,
    title: &'static str,
    table: &'static str,
    absent: Name,
    ambiguous: Name,
    /// Where a row that is not active is a fault.
    gone: Option<Name>,
}

const GROUP: Kind = Kind {
    check: Check::Groups,
    title: "assignment group",
    table: "sys_user_group",
    absent: Name::GroupAbsent,
    ambiguous: Name::GroupAmbiguous,
    gone: Some(Name::GroupInactive),
};
const ITEM: Kind = Kind {
    check: Check::Items,
    title: "configuration item",
    table: "cmdb_ci",
    absent: Name::ItemAbsent,
    ambiguous: Name::ItemAmbiguous,
    gone: None,
};
const TEMPLATE: Kind = Kind {
    check: Check::Templates,
    title: "template of a standard change",
    table: "std_change_record_producer",
    absent: Name::TemplateAbsent,
    ambiguous: Name::TemplateAmbiguous,
    gone: Some(Name::TemplateRetired),
};

pub(super) fn groups(readings: &Readings) -> Option<Verdict> {
    judged(&GROUP, &readings.groups)
}

pub(super) fn items(readings: &Readings) -> Option<Verdict> {
    judged(&ITEM, &readings.items)
}

pub(super) fn templates(readings: &Readings) -> Option<Verdict> {
    judged(&TEMPLATE, &readings.templates)
}

/// The rows that bear the name: an instance leaves out what it does not understand of a query.
pub(in crate::doctor) fn of_name<'a>(heard: &'a Heard, name: &str) -> Vec<&'a Map<String, Value>> {
    let by = if is_sys_id(name) { "sys_id" } else { "name" };
    heard.rows().iter().filter(|row| field(row, by).eq_ignore_ascii_case(name)).collect()
}

/// Nothing to say where no policy names one.
fn judged(kind: &Kind, named: &BTreeMap<String, Heard>) -> Option<Verdict> {
    if named.is_empty() {
        return None;
    }
    let mut findings = Vec::new();
    let mut unseen = Vec::new();
    for (name, heard) in named {
        match heard.sight() {
            Sight::Unknown(reason) => unseen.push(format!("`{name}`: {reason}")),
            _ => findings.extend(finding(kind, name, heard)),
        }
    }
    let names: Vec<String> = named.keys().map(|name| format!("`{name}`")).collect();
    let mut verdict = Verdict::of(kind.check, findings, names.join(", "));
    if !unseen.is_empty() {
        (verdict.seen, verdict.unseen) = (None, Some(unseen.join("; ")));
    }
    Some(verdict)
}

fn finding(kind: &Kind, name: &str, heard: &Heard) -> Option<Finding> {
    let Kind { title, table, .. } = kind;
    let is_gone =
        |row: &Map<String, Value>| field(row, "active") == "false" || field(row, "retired") == "true";
    match of_name(heard, name).as_slice() {
        [] => Some(Finding::fault(
            kind.absent,
            format!("the instance shows the user no {title} `{name}` ({})", absence(heard)),
            format!("correct the policy, or let the user read {table}"),
        )),
        [row] => kind.gone.filter(|_| is_gone(row)).map(|gone| {
            Finding::fault(
                gone,
                format!("the {title} `{name}` is not active any more"),
                "name another one in the policy, or have it activated",
            )
        }),
        _ => Some(Finding::fault(
            kind.ambiguous,
            format!("more than one {title} is named `{name}`"),
            "put the sys_id of the right one into the policy",
        )),
    }
}

fn absence(heard: &Heard) -> String {
    if heard.rows().is_empty() { why(heard) } else { "it answers others".to_owned() }
}
