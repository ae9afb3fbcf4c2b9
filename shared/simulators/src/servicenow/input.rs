//! What a caller sends, as text: the instance ignores unknown fields and system fields without a word.

use serde_json::{Map, Value};

use super::api::ApiError;
use super::dictionary::{self, Kind};
use super::record::Record;
use super::world::World;
use super::zone::Zone;

/// A body sorted into what will be applied and what will not.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) fields: Record,
    pub(super) ignored: Vec<String>,
    /// A `sys_id` that the caller chose, kept apart: only an insert may honour it.
    pub(super) sys_id: Option<String>,
}

impl Input {
    /// What the platform writes by itself.
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self { fields: Record::of(fields), ..Self::default() }
    }

    /// Takes out fields that the caller may not write.
    pub(super) fn leave_out(&mut self, fields: &[String]) {
        for field in fields {
            if self.fields.remove(field).is_some() {
                self.ignored.push(field.clone());
            }
        }
    }
}

/// Reads a body. With display values references come by name, choices by label and dates in the caller's zone.
pub(super) fn read(
    world: &World,
    table: &str,
    body: &[u8],
    display_values: Option<&Zone>,
) -> Result<Input, ApiError> {
    let mut input = Input::default();
    for (field, value) in object(body)? {
        let value = text(&value);
        let kind = dictionary::kind(table, &field);
        match kind {
            _ if field == "sys_id" => input.sys_id = Some(value).filter(|id| !id.is_empty()),
            Some(kind) if !field.starts_with("sys_") => {
                let value = match (kind, display_values) {
                    (Kind::Password, _) => super::shapes::STARS.to_owned(),
                    (_, Some(zone)) => stored(world, kind, value, zone),
                    (_, None) => value,
                };
                input.fields.set(&field, &value);
            }
            _ => input.ignored.push(field),
        }
    }
    Ok(input)
}

/// The JSON object of a body; an empty body is an empty object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        // Of several records only the first is taken.
        Ok(Value::Array(mut list)) if list.first().is_some_and(Value::is_object) => {
            match list.swap_remove(0) {
                Value::Object(fields) => Ok(fields),
                _ => Ok(Map::new()),
            }
        }
        Ok(_) => Err(ApiError::unreadable("expected a JSON object")),
        Err(error) => Err(ApiError::unreadable(&error.to_string())),
    }
}

/// Any JSON value as the instance would store it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(pair) => {
            pair.get("value").or_else(|| pair.get("display_value")).map(text).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

fn stored(world: &World, kind: Kind, value: String, zone: &Zone) -> String {
    match kind {
        Kind::DateTime => zone.read(&value),
        Kind::Reference(target) => world
            .rows(target)
            .map(|(_, row)| row)
            .find(|row| super::shapes::name_of(row) == value || row.get("user_name") == value)
            .map_or(value, |row| row.get("sys_id").to_owned()),
        Kind::Choice(choices) => choice(choices, value),
        _ => value,
    }
}

/// The stored value of a label; anything else stays as it is.
pub(super) fn choice(choices: &[(&str, &str)], value: String) -> String {
    choices
        .iter()
        .find(|(_, label)| label.eq_ignore_ascii_case(&value))
        .map_or(value, |(stored, _)| (*stored).to_owned())
}
