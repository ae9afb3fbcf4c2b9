//! Runs a query over a table.

use std::cmp::Ordering;

use super::api::{ApiError, ApiRequest};
use super::dictionary::{self, Kind};
use super::query::{self, Condition, Query};
use super::record::Record;
use super::shapes;
use super::world::World;

/// The rows that the request's `sysparm_query` and `field=value` pairs select, in order.
pub(super) fn select<'a>(
    world: &'a World,
    table: &'a str,
    request: &ApiRequest,
) -> Result<Vec<(&'a str, &'a Record)>, ApiError> {
    let text = request.parameter("sysparm_query").unwrap_or_default();
    let query =
        query::parse(text, world.knobs.strict_queries).map_err(|part| ApiError::not_simulated(&part))?;
    let pairs: Vec<_> = request
        .query
        .iter()
        .filter(|(name, _)| !name.starts_with("sysparm_") && exists(table, name))
        .collect();
    let mut rows: Vec<_> = world
        .rows(table)
        .filter(|(of, row)| fits(world, of, row, &query))
        .filter(|(of, row)| pairs.iter().all(|(field, wanted)| equals(world, of, row, field, wanted)))
        .collect();
    sort(world, &mut rows, &query);
    Ok(rows)
}

/// Whether the first step of the path is a field: an unknown one is ignored, so a typo selects too much.
fn exists(table: &str, path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    dictionary::kind(table, first).is_some()
}

fn fits(world: &World, table: &str, row: &Record, query: &Query) -> bool {
    query.groups.iter().any(|group| {
        group.iter().all(|term| {
            let mut results = term.iter().map(|one| holds(world, table, row, one)).peekable();
            results.peek().is_none() || results.any(|fits| fits)
        })
    })
}

fn holds(world: &World, table: &str, row: &Record, condition: &Condition) -> bool {
    match shapes::walk(world, table, Some(row), &condition.field) {
        Some(found) => {
            // Text operators look at the display value of a reference, and at the value of all else.
            let named = matches!(found.kind, Kind::Reference(_)) && condition.op.is_about_text();
            let text = if named { found.display() } else { found.value.into() };
            condition.fits(found.value, &text)
        }
        None => !world.knobs.invalid_query_returns_no_rows,
    }
}

fn equals(world: &World, table: &str, row: &Record, field: &str, wanted: &str) -> bool {
    shapes::walk(world, table, Some(row), field).is_none_or(|found| {
        found.value.eq_ignore_ascii_case(wanted) || found.display().eq_ignore_ascii_case(wanted)
    })
}

fn sort(world: &World, rows: &mut [(&str, &Record)], query: &Query) {
    rows.sort_by(|(table_a, a), (table_b, b)| {
        query
            .order
            .iter()
            .map(|order| {
                let one = shapes::walk(world, table_a, Some(a), &order.field);
                let other = shapes::walk(world, table_b, Some(b), &order.field);
                let one = one.map_or("", |found| found.value);
                let ordering = query::compare(one, other.map_or("", |found| found.value));
                if order.descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}
