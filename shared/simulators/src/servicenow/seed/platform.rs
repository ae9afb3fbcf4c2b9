//! The platform's own records: choices, tables and change models.

use sha2::{Digest, Sha256};

use super::put;
use crate::servicenow::dictionary;
use crate::servicenow::world::World;

/// Sys_ids of the change models, by the type of the changes that they make.
pub const MODELS: [(&str, &str, &str); 3] = [
    ("normal", "Normal", "007c4001c343101035ae3f52c1d3aeb2"),
    ("standard", "Standard", "e55d0bfec343101035ae3f52c1d3ae49"),
    ("emergency", "Emergency", "62924ea3c343101035ae3f52c1d3ae25"),
];

pub(super) fn fill(world: &mut World) {
    for (kind, name, sys_id) in MODELS {
        let fields = [
            ("sys_id", sys_id),
            ("name", name),
            ("active", "true"),
            ("available_in_ui", "true"),
            ("default_change_type", kind),
            ("state_field", "state"),
            ("table_name", "change_request"),
        ];
        put(world, "chg_model", &fields);
    }
    for table in dictionary::names_of_all() {
        put(world, "sys_db_object", &[("name", table), ("label", dictionary::label_of(table))]);
        choices(world, table);
    }
    for table in ["task", "change_request"] {
        dictionary_of_texts(world, table);
    }
}

/// The dictionary of changes and of what they inherit. Its ids come from names, so that generated ones stay.
fn dictionary_of_texts(world: &mut World, table: &str) {
    for (field, max) in dictionary::texts_of(table) {
        let digest = Sha256::digest(format!("sys_dictionary/{table}/{field}"));
        let fields = [
            ("sys_id", hex::encode(&digest[..16])),
            ("name", table.to_owned()),
            ("element", field.to_owned()),
            ("internal_type", "string".to_owned()),
            ("max_length", max.to_string()),
            ("mandatory", "false".to_owned()),
            ("read_only", "false".to_owned()),
            ("active", "true".to_owned()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        put(world, "sys_dictionary", &fields);
    }
}

fn choices(world: &mut World, table: &str) {
    for (field, choices) in dictionary::choices_of(table) {
        for (place, (value, label)) in choices.iter().enumerate() {
            let fields = [
                ("name", table),
                ("element", field),
                ("value", *value),
                ("label", *label),
                ("sequence", &place.to_string()),
                ("language", "en"),
                ("inactive", "false"),
            ];
            put(world, "sys_choice", &fields);
        }
    }
}
