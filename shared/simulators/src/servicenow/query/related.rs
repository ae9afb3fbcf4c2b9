//! Conditions on other tables whose rows refer to this one: related lists (`RLQUERY`) and joins.

use super::{Asker, DEPTH_MAX, Query, parse_within};

/// So many rows of a table that refer to the row and fit a query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::servicenow) struct Related {
    pub(in crate::servicenow) table: String,
    /// The field that refers to the row.
    pub(in crate::servicenow) by: String,
    /// The field of the row that is referred to.
    pub(in crate::servicenow) to: String,
    compare: Compare,
    count: usize,
    pub(in crate::servicenow) query: Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Is,
    IsNot,
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Related {
    /// Whether this many rows are as many as wanted.
    pub(in crate::servicenow) fn is_met_by(&self, found: usize) -> bool {
        match self.compare {
            Compare::Is => found == self.count,
            Compare::IsNot => found != self.count,
            Compare::More => found > self.count,
            Compare::AtLeast => found >= self.count,
            Compare::Less => found < self.count,
            Compare::AtMost => found <= self.count,
        }
    }
}

/// `RLQUERY<table>.<field>,<op><n>[,m2m]`, then its conditions.
pub(super) fn list(head: &str, within: &[String], asker: &Asker, depth: u8) -> Option<Related> {
    let mut head = head.strip_prefix("RLQUERY")?.split(',');
    let (table, by) = head.next()?.split_once('.')?;
    let (compare, count) = count(head.next()?)?;
    let query = inner(&within.join("^"), asker, depth)?;
    Some(Related {
        table: table.to_owned(),
        by: by.to_owned(),
        to: "sys_id".to_owned(),
        compare,
        count,
        query,
    })
}

/// `JOIN<table>.<field>=<table>.<field>!<query>`.
pub(super) fn join(text: &str, asker: &Asker, depth: u8) -> Option<Related> {
    let (pair, query) = text.strip_prefix("JOIN")?.split_once('!')?;
    let (own, other) = pair.split_once('=')?;
    let (_, to) = own.split_once('.')?;
    let (table, by) = other.split_once('.')?;
    let query = inner(query, asker, depth)?;
    let (compare, count) = (Compare::More, 0);
    Some(Related { table: table.to_owned(), by: by.to_owned(), to: to.to_owned(), compare, count, query })
}

/// A query within a query; one with a part that is not understood is not understood as a whole.
fn inner(text: &str, asker: &Asker, depth: u8) -> Option<Query> {
    let query = (depth < DEPTH_MAX).then(|| parse_within(text, asker, depth + 1))?;
    query.unknown.is_empty().then_some(query)
}

fn count(text: &str) -> Option<(Compare, usize)> {
    let operators = [
        (">=", Compare::AtLeast),
        ("<=", Compare::AtMost),
        ("!=", Compare::IsNot),
        (">", Compare::More),
        ("<", Compare::Less),
        ("=", Compare::Is),
    ];
    let (compare, number) =
        operators.iter().find_map(|(op, compare)| Some((*compare, text.strip_prefix(op)?)))?;
    Some((compare, number.parse().ok()?))
}
