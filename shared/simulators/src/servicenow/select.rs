//! Runs a query over a table.

use super::api::{ApiError, ApiRequest};
use super::dictionary;
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
    match shapes::walk(world, table, row, &condition.field) {
        Some(found) => {
            // Text operators look at the display value of a reference, and at the value of all else.
            let display = match found.kind {
                dictionary::Kind::Reference(_) => &found.display,
                _ => &found.value,
            };
            condition.fits(&found.value, display)
        }
        None => !world.knobs.invalid_query_returns_no_rows,
    }
}

fn equals(world: &World, table: &str, row: &Record, field: &str, wanted: &str) -> bool {
    shapes::walk(world, table, row, field).is_none_or(|found| {
        found.value.eq_ignore_ascii_case(wanted) || found.display.eq_ignore_ascii_case(wanted)
    })
}

fn sort(world: &World, rows: &mut [(&str, &Record)], query: &Query) {
    let key = |table: &str, row: &Record, field: &str| {
        shapes::walk(world, table, row, field).map_or(String::new(), |found| found.value)
    };
    rows.sort_by(|(table_a, a), (table_b, b)| {
        query
            .order
            .iter()
            .map(|order| {
                let (one, other) = (key(table_a, a, &order.field), key(table_b, b, &order.field));
                let ordering = query::compare(&one, &other);
                if order.descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
}
