//! All event types in one list: schemas and documents are made from it.

use std::fmt::Write as _;

use schemars::Schema;

use crate::*;

/// One event type.
pub struct Entry {
    /// CloudEvents `type`, and routing key.
    pub ty: &'static str,
    /// Who publishes it.
    pub publisher: &'static str,
    /// JSON Schema of its data (draft 2020-12).
    pub schema: Schema,
    check: fn(&Event) -> Result<Checked, NotOurs>,
}

/// An event's data, read as its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The subject that such data has.
    pub subject: String,
    /// The data, without what its type does not know.
    pub data: serde_json::Value,
}

impl Entry {
    /// Reads the data of an event of this type.
    ///
    /// # Errors
    /// [`NotOurs`] when the type differs or the data does not fit.
    pub fn check(&self, event: &Event) -> Result<Checked, NotOurs> {
        (self.check)(event)
    }
}

fn entry<T: EventData>(publisher: &'static str) -> Entry {
    let check = |event: &Event| {
        let data = data_of::<T>(event)?;
        let subject = data.subject();
        Ok(Checked { subject, data: serde_json::to_value(data).unwrap_or_default() })
    };
    Entry { ty: T::TYPE, publisher, schema: schemars::schema_for!(T), check }
}

/// Every event type that exists, in the order of a deployment's life.
#[must_use]
pub fn catalogue() -> Vec<Entry> {
    vec![
        entry::<DeploymentRequested>("ingress"),
        entry::<DeploymentStarted>("ingress"),
        entry::<DeploymentFinished>("ingress"),
        entry::<RunFinished>("ingress"),
        entry::<RecordChanged>("ingress"),
        entry::<ChangeOpened>("change-worker"),
        entry::<ChangeUpdated>("change-worker"),
        entry::<CmdbUpdated>("change-worker"),
        entry::<ChangeClosed>("change-worker"),
        entry::<ChangeCanceled>("change-worker"),
        entry::<ChangeFailed>("change-worker"),
        entry::<EvidenceAttached>("change-worker"),
        entry::<ApprovalGranted>("approval-worker"),
        entry::<ApprovalRejected>("approval-worker"),
        entry::<ApprovalExpired>("approval-worker"),
        entry::<ApprovalWithdrawn>("approval-worker, change-worker"),
        entry::<GateReleased>("approval-worker"),
        entry::<GateObserved>("approval-worker"),
        entry::<GateRejected>("approval-worker"),
        entry::<GateLost>("approval-worker"),
        entry::<GateBypassed>("approval-worker"),
        entry::<FaultRaised>("runtime, approval-worker, change-worker"),
        entry::<FaultResolved>("tools"),
    ]
}

/// `docs/events.md`: generated, and tested to be current.
#[must_use]
pub fn catalogue_markdown() -> String {
    let mut page = String::from(
        "# Events\n\nGenerated from `catalogue()` in `shared/events`; edit the types, then run `scripts/docs`.\n\n\
         CloudEvents 1.0 with JSON data. `type` is the routing key, `subject` the deployment key's hash unless\n\
         stated otherwise, `source` the connection; the data's JSON Schemas stand in\n\
         [`events.schema.json`](events.schema.json). The `id` derives from subject, type and what makes the fact\n\
         different from its neighbours, so that every repeat has the same id.\n\n| type | published by |\n|---|---|\n",
    );
    for Entry { ty, publisher, .. } in catalogue() {
        let anchor = ty.replace('.', "");
        let _ = writeln!(page, "| [`{ty}`](#{anchor}) | {publisher} |");
    }
    for Entry { ty, publisher, schema, .. } in catalogue() {
        let meaning = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        let _ = write!(
            page,
            "\n## {ty}\n\n{meaning}\n\nPublished by {publisher}.\n\n| field | required | meaning |\n|---|---|---|\n"
        );
        write_fields(&mut page, &schema);
    }
    page
}

/// `docs/events.schema.json`: the JSON Schema of each type's data, by type; generated, and tested to be current.
///
/// # Panics
/// Never: schemas are JSON already.
#[must_use]
pub fn catalogue_schemas() -> String {
    let schemas: std::collections::BTreeMap<_, _> =
        catalogue().into_iter().map(|Entry { ty, schema, .. }| (ty, schema)).collect();
    let mut text = serde_json::to_string_pretty(&schemas).expect("a schema is JSON");
    text.push('\n');
    text
}

fn write_fields(page: &mut String, schema: &Schema) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(|list| list.as_array())
        .map(|list| list.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else { return };
    for (name, property) in properties {
        let meaning = property.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
        let _ = writeln!(page, "| `{name}` | {needed} | {} |", meaning.replace('\n', " "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_listed_once_and_follows_the_naming() {
        let mut seen = std::collections::BTreeSet::new();
        for Entry { ty, .. } in catalogue() {
            assert!(seen.insert(ty), "{ty} is listed twice");
            let parts: Vec<_> = ty.split('.').collect();
            assert_eq!((parts.len(), parts[0], parts[1], parts[4]), (5, "io", "interlock", "v1"), "{ty}");
        }
    }

    #[test]
    fn every_field_of_every_type_is_described() {
        for Entry { ty, schema, .. } in catalogue() {
            for (name, property) in schema.get("properties").and_then(|p| p.as_object()).unwrap() {
                assert!(property.get("description").is_some(), "{ty}: {name}");
            }
        }
    }

    #[test]
    fn the_documents_are_current() {
        for (name, text) in [("events.md", catalogue_markdown()), ("events.schema.json", catalogue_schemas())]
        {
            let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let stands = std::fs::read_to_string(&path).unwrap_or_default();
            if std::env::var_os("INTERLOCK_WRITE_DOCS").is_some() {
                std::fs::write(path, text).unwrap();
            } else {
                assert!(stands == text, "docs/{name} is not current: run scripts/docs");
            }
        }
    }
}
