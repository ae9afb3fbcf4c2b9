//! Rows and tables. Every value is text, as on the wire.

use std::collections::{BTreeMap, HashMap};

/// One row: field name to value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record(BTreeMap<String, String>);

impl Record {
    /// A record of these fields.
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        fields.iter().copied().collect()
    }

    /// A field's value; a field that is not set is empty.
    pub(super) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// Sets a field.
    pub(super) fn set(&mut self, field: &str, value: &str) {
        self.0.insert(field.to_owned(), value.to_owned());
    }

    /// Sets a field that is not set yet.
    pub(super) fn set_default(&mut self, field: &str, value: &str) {
        self.0.entry(field.to_owned()).or_insert_with(|| value.to_owned());
    }

    /// Takes a field out.
    pub(super) fn remove(&mut self, field: &str) -> Option<String> {
        self.0.remove(field)
    }

    /// Whether the field is set, also to nothing.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The fields that are set.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(f, v)| (f.as_str(), v.as_str()))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Record {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(field, value)| (field.to_owned(), value.to_owned())).collect())
    }
}

/// The rows of a table in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    rows: Vec<Record>,
    place: HashMap<String, usize>,
}

impl Table {
    /// A row by its sys_id.
    pub(super) fn get(&self, sys_id: &str) -> Option<&Record> {
        self.place.get(sys_id).map(|place| &self.rows[*place])
    }

    /// A row to change.
    pub(super) fn get_mut(&mut self, sys_id: &str) -> Option<&mut Record> {
        self.place.get(sys_id).map(|place| &mut self.rows[*place])
    }

    /// Adds a row; refuses a sys_id that is taken, as the primary key does.
    pub(super) fn insert(&mut self, record: Record) -> bool {
        let sys_id = record.get("sys_id").to_owned();
        if self.place.contains_key(&sys_id) {
            return false;
        }
        self.place.insert(sys_id, self.rows.len());
        self.rows.push(record);
        true
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, sys_id: &str) -> Option<Record> {
        let place = self.place.remove(sys_id)?;
        let gone = self.rows.remove(place);
        for other in self.place.values_mut().filter(|other| **other > place) {
            *other -= 1;
        }
        Some(gone)
    }

    /// All rows, to change.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Record> {
        self.rows.iter_mut()
    }

    /// All rows.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_row_keeps_the_others_in_reach() {
        let mut table = Table::default();
        for id in ["a", "b", "c"] {
            assert!(table.insert(Record::of(&[("sys_id", id)])));
        }
        assert!(table.remove("a").is_some());
        assert_eq!(table.get("c").unwrap().get("sys_id"), "c");
        assert!(!table.insert(Record::of(&[("sys_id", "b")])));
    }
}
