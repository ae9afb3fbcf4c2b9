//! What the simulated instance knows of its tables: which there are, what they extend, which fields
//! they have and how each is shown.

mod choices;
mod platform;
mod tables;
mod tasks;

pub(super) use choices::{CHANGE_STATES, Choices, label};
pub(super) use tables::{extends, has_table, is_open, label_of, lineage, names_of_all, with_children};

use platform::SYSTEM;

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
    Choice(Choices),
    /// The sys_id of a record of this table.
    Reference(&'static str),
    /// Each write appends a row to `sys_journal_field`.
    Journal,
    /// The name of a table, shown by its label.
    Class,
    /// Shown as stars.
    Password,
}

/// Field lists are sorted by name.
type Field = (&'static str, Kind);

const SHORT: Kind = Kind::Text(40);
const LINE: Kind = Kind::Text(255);
const LONG: Kind = Kind::Text(4000);
const USER: Kind = Kind::Reference("sys_user");
const GROUP: Kind = Kind::Reference("sys_user_group");

/// How a field is shown; `None` when the table has no such field. Every table takes the fields that a
/// customer adds, which begin with `u_` or `x_`.
pub(super) fn kind(table: &str, field: &str) -> Option<Kind> {
    let of = |fields: &[Field]| {
        let place = fields.binary_search_by_key(&field, |(name, _)| *name);
        place.ok().map(|place| fields[place].1)
    };
    let own = lineage(table).find_map(|table| of(table.fields));
    let custom = is_open(table) || field.starts_with("u_") || field.starts_with("x_");
    own.or_else(|| of(SYSTEM)).or_else(|| custom.then_some(LONG))
}

/// As `kind`, of a path with dots through references.
pub(super) fn kind_of_path(table: &str, path: &str) -> Option<Kind> {
    match path.split_once('.') {
        None => kind(table, path),
        Some((field, rest)) => match kind(table, field)? {
            Kind::Reference(target) => kind_of_path(target, rest),
            _ => None,
        },
    }
}

/// Every field name that a record of a table shows, inherited and system fields included.
pub(super) fn names(table: &str) -> Vec<&'static str> {
    let mut names: Vec<_> =
        lineage(table).flat_map(|table| table.fields).chain(SYSTEM).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The text fields of a table itself, each with its length; what it inherits is left out.
pub(super) fn texts_of(table: &str) -> impl Iterator<Item = (&'static str, usize)> {
    let fields = lineage(table).take(1).flat_map(|table| table.fields);
    fields.filter_map(|(name, kind)| match kind {
        Kind::Text(max) => Some((*name, *max)),
        _ => None,
    })
}

/// The choice lists of a table, by field.
pub(super) fn choices_of(table: &str) -> impl Iterator<Item = (&'static str, Choices)> {
    let fields = lineage(table).take(1).flat_map(|table| table.fields);
    fields.filter_map(|(name, kind)| match kind {
        Kind::Choice(choices) => Some((*name, *choices)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_the_fields_of_the_sample_record() {
        assert_eq!(names("change_request").len(), 111);
    }

    #[test]
    fn every_list_of_fields_and_of_tables_is_sorted() {
        assert!(tables::TABLES.is_sorted_by_key(|table| table.name));
        for table in tables::TABLES {
            assert!(table.fields.is_sorted_by_key(|(name, _)| *name), "{}", table.name);
        }
        assert!(SYSTEM.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn an_unknown_field_exists_only_in_an_open_table_or_when_a_customer_added_it() {
        assert_eq!(kind("incident", "no_such_field"), None);
        assert_eq!(kind("incident", "u_anything"), Some(LONG));
        assert_eq!(kind("syslog", "message"), Some(LONG));
    }

    #[test]
    fn a_child_has_the_fields_of_its_parents_and_may_say_otherwise() {
        assert_eq!(kind("incident", "correlation_id"), Some(Kind::Text(100)));
        assert_ne!(kind("incident", "state"), kind("task", "state"));
        assert_eq!(kind("task", "chg_model"), None);
        assert_eq!(kind_of_path("incident", "caller_id.manager.user_name"), Some(SHORT));
        assert_eq!(kind_of_path("incident", "short_description.name"), None);
    }
}
