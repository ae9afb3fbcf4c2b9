//! Runs a query over a table.

use std::cmp::Ordering;

use super::api::{ApiError, ApiRequest};
use super::dictionary::{self, Kind};
use super::query::{self, Asker, Condition, Query, Related, Term};
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
    let rows = find(world, table, text, &world.asker(&request.actor))?;
    let pairs: Vec<_> = request
        .query
        .iter()
        .filter(|(name, _)| !name.starts_with("sysparm_") && exists(table, name))
        .collect();
    let fit = |(of, row): &(&str, &Record)| {
        pairs.iter().all(|(field, wanted)| equals(world, of, row, field, wanted))
    };
    Ok(rows.into_iter().filter(fit).collect())
}

/// The rows that an encoded query selects, in order. A part that is not understood is left out, so that
/// too many rows come; the knobs say whether it is refused instead, or no row comes.
pub(super) fn find<'a>(
    world: &'a World,
    table: &'a str,
    text: &str,
    asker: &Asker,
) -> Result<Vec<(&'a str, &'a Record)>, ApiError> {
    let query = known(query::parse(text, asker), table);
    if let Some(part) = query.unknown.first() {
        if world.knobs.strict_queries {
            return Err(ApiError::not_simulated(part));
        }
        if world.knobs.invalid_query_returns_no_rows {
            return Ok(Vec::new());
        }
    }
    let mut rows: Vec<_> = world.rows(table).filter(|(of, row)| fits(world, of, row, &query)).collect();
    sort(world, &mut rows, &query);
    Ok(rows)
}

/// Whether a record fits a condition of the platform's own; one that is not understood fits nothing.
pub(super) fn matches(world: &World, table: &str, row: &Record, text: &str) -> bool {
    let query = known(query::parse(text, &world.asker(&super::api::Actor::system())), table);
    query.unknown.is_empty() && fits(world, table, row, &query)
}

fn exists(table: &str, path: &str) -> bool {
    dictionary::kind_of_path(table, path).is_some()
}

/// The query without what names no field of the table.
fn known(mut query: Query, table: &str) -> Query {
    let mut unknown = std::mem::take(&mut query.unknown);
    for group in &mut query.groups {
        group.retain_mut(|term| match term {
            Term::Words(_) => true,
            Term::Either(conditions) => {
                conditions.retain(|condition| {
                    let known = exists(table, &condition.field);
                    if !known {
                        unknown.push(condition.field.clone());
                    }
                    known
                });
                !conditions.is_empty()
            }
            Term::Related(related) => {
                let known = dictionary::has_table(&related.table);
                if !known {
                    unknown.push(related.table.clone());
                }
                known
            }
        });
    }
    query.order.retain(|order| {
        let known = exists(table, &order.field);
        if !known {
            unknown.push(order.field.clone());
        }
        known
    });
    Query { unknown, ..query }
}

fn fits(world: &World, table: &str, row: &Record, query: &Query) -> bool {
    query.groups.iter().any(|group| {
        group.iter().all(|term| match term {
            Term::Either(conditions) => conditions.iter().any(|one| holds(world, table, row, one)),
            Term::Words(words) => has_words(row, words),
            Term::Related(related) => is_related(world, row, related),
        })
    })
}

fn has_words(row: &Record, words: &str) -> bool {
    let text: Vec<String> = row.iter().map(|(_, value)| value.to_lowercase()).collect();
    words.to_lowercase().split_whitespace().all(|word| text.iter().any(|value| value.contains(word)))
}

fn is_related(world: &World, row: &Record, related: &Related) -> bool {
    let id = row.get(&related.to);
    let found = world
        .rows(&related.table)
        .filter(|(_, other)| other.get(&related.by) == id)
        .filter(|(of, other)| fits(world, of, other, &related.query))
        .count();
    related.is_met_by(found)
}

fn holds(world: &World, table: &str, row: &Record, condition: &Condition) -> bool {
    shapes::walk(world, table, Some(row), &condition.field).is_none_or(|found| {
        // Text operators look at the display value of a reference, and at the value of all else.
        let named = matches!(found.kind, Kind::Reference(_)) && condition.op.is_about_text();
        let text = if named { found.display() } else { found.value.into() };
        condition.fits(found.value, &text)
    })
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
