//! How a record looks on the wire: the three display modes of the Table API and the pairs of the
//! Change Management API.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::dictionary::{self, Kind};
use super::options::ValueTypes;
use super::record::Record;
use super::world::World;
use super::zone::Zone;

/// `sysparm_display_value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    Value,
    Label,
    Both,
}

impl Display {
    /// Some clients send `False`, so the case does not count.
    pub(super) fn of(parameter: Option<&str>) -> Self {
        match parameter.map(str::to_ascii_lowercase).as_deref() {
            Some("true") => Self::Label,
            Some("all") => Self::Both,
            _ => Self::Value,
        }
    }
}

/// What to show of each record, and how.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) fields: Option<Vec<String>>,
    pub(super) display: Display,
    pub(super) exclude_links: bool,
    pub(super) base_url: String,
    /// How the caller sees date-times.
    pub(super) zone: Zone,
}

/// A field at the end of a dot-walk. A reference that leads nowhere has fields too: empty ones.
pub(super) struct Found<'a> {
    pub(super) kind: Kind,
    pub(super) value: &'a str,
    world: &'a World,
    table: &'a str,
    field: &'a str,
    row: Option<&'a Record>,
}

impl Found<'_> {
    /// The display value as a user sees it, whose zone and date format count.
    fn shown(&self, zone: &Zone) -> Cow<'_, str> {
        match self.kind {
            Kind::DateTime => zone.show(self.value).into(),
            _ => self.display(),
        }
    }

    /// The display value.
    pub(super) fn display(&self) -> Cow<'_, str> {
        match (self.kind, self.row) {
            (Kind::Choice(choices), _) => dictionary::label(choices, self.value).into(),
            (Kind::Reference(target), _) => {
                self.world.row(target, self.value).map_or(self.value, name_of).into()
            }
            (Kind::Class, _) => dictionary::label_of(self.value).into(),
            (Kind::Password, _) if !self.value.is_empty() => STARS.into(),
            (Kind::Journal, Some(row)) => {
                history(self.world, self.table, row.get("sys_id"), self.field).into()
            }
            _ => self.value.into(),
        }
    }
}

/// What a password looks like.
pub(super) const STARS: &str = "********";

/// Follows a field name with dots through references. `None` when there is no such field.
pub(super) fn walk<'a>(
    world: &'a World,
    table: &'a str,
    row: Option<&'a Record>,
    path: &'a str,
) -> Option<Found<'a>> {
    let (field, rest) = match path.split_once('.') {
        Some((field, rest)) => (field, Some(rest)),
        None => (path, None),
    };
    let kind = dictionary::kind(table, field)?;
    let value = row.map_or("", |row| row.get(field));
    match (rest, kind) {
        (None, _) => {
            // A row of a child table shows the labels of its own class.
            let class = row.map(|row| row.get("sys_class_name")).filter(|class| *class != table);
            let own = class.and_then(|class| Some((class, dictionary::kind(class, field)?)));
            let (table, kind) = own.unwrap_or((table, kind));
            Some(Found { kind, value, world, table, field, row })
        }
        (Some(rest), Kind::Reference(target)) => walk(world, target, world.row(target, value), rest),
        (Some(_), _) => None,
    }
}

/// The display value of a record.
pub(super) fn name_of(row: &Record) -> &str {
    ["number", "name", "user_name", "sys_id"]
        .into_iter()
        .map(|field| row.get(field))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

/// A journal field shows all its entries, newest first.
fn history(world: &World, table: &str, sys_id: &str, field: &str) -> String {
    let mut entries: Vec<_> = world
        .rows("sys_journal_field")
        .map(|(_, row)| row)
        .filter(|row| row.get("element_id") == sys_id && row.get("name") == table)
        .filter(|row| row.get("element") == field || field == "comments_and_work_notes")
        .map(|row| {
            let element = match row.get("element") {
                "work_notes" => "Work notes",
                _ => "Additional comments",
            };
            let (at, by) = (row.get("sys_created_on"), row.get("sys_created_by"));
            format!("{at} - {by} ({element})\n{}\n\n", row.get("value"))
        })
        .collect();
    entries.reverse();
    entries.concat()
}

/// A record as the Table API shows it.
pub(super) fn render(world: &World, table: &str, row: &Record, view: &View) -> Value {
    let shown: Vec<String> = match &view.fields {
        Some(fields) => fields.clone(),
        None => all_fields(table, row),
    };
    let mut out = Map::new();
    for field in &shown {
        // Names that do not exist are left out silently.
        if let Some(found) = walk(world, table, Some(row), field) {
            let shown = one(&found, view);
            out.insert(field.clone(), shown);
        }
    }
    Value::Object(out)
}

fn all_fields(table: &str, row: &Record) -> Vec<String> {
    let mut fields: Vec<String> = dictionary::names(table).into_iter().map(str::to_owned).collect();
    // What a customer added, and every field of a table that takes any.
    let added = row.iter().map(|(field, _)| field).filter(|field| !fields.iter().any(|known| known == field));
    let added: Vec<_> = added.filter(|field| dictionary::kind(table, field).is_some()).collect();
    fields.extend(added.into_iter().map(str::to_owned));
    fields
}

fn one(found: &Found<'_>, view: &View) -> Value {
    let value = found.value;
    let link = match found.kind {
        Kind::Reference(target) if !value.is_empty() && !view.exclude_links => {
            Some(format!("{}/api/now/table/{target}/{value}", view.base_url))
        }
        _ => None,
    };
    match (view.display, link) {
        (Display::Value, None) => json!(value),
        (Display::Value, Some(link)) => json!({ "link": link, "value": value }),
        (Display::Label, None) => json!(found.shown(&view.zone)),
        (Display::Label, Some(link)) => json!({ "display_value": found.display(), "link": link }),
        (Display::Both, None) => json!({ "display_value": found.shown(&view.zone), "value": value }),
        (Display::Both, Some(link)) => {
            json!({ "display_value": found.display(), "value": value, "link": link })
        }
    }
}

/// A record as the Change Management API shows it.
pub(super) fn render_pairs(world: &World, table: &str, row: &Record, zone: &Zone) -> Map<String, Value> {
    let mut out = Map::new();
    for field in all_fields(table, row) {
        if let Some(found) = walk(world, table, Some(row), &field) {
            let pair = pair(&found, world.knobs.chg_value_types, zone);
            out.insert(field.clone(), pair);
        }
    }
    out
}

fn pair(found: &Found<'_>, types: ValueTypes, zone: &Zone) -> Value {
    let value = typed(found.kind, found.value, types);
    if found.kind != Kind::DateTime {
        return json!({ "display_value": found.display(), "value": value });
    }
    // The vendor's sample shows an empty `sla_due` so.
    let shown = match (found.field, found.value) {
        ("sla_due", "") => "UNKNOWN".to_owned(),
        (_, value) => zone.show(value),
    };
    let internal = zone.internal(found.value);
    json!({ "display_value": shown, "value": value, "display_value_internal": internal })
}

fn typed(kind: Kind, value: &str, types: ValueTypes) -> Value {
    if types == ValueTypes::String {
        return json!(value);
    }
    match kind {
        Kind::Boolean => value.parse::<bool>().map_or(json!(value), Value::from),
        Kind::Integer | Kind::Choice(_) => match value.parse::<i32>() {
            Ok(number) if types == ValueTypes::Float => json!(f64::from(number)),
            Ok(number) => json!(number),
            Err(_) => json!(value),
        },
        _ => json!(value),
    }
}
