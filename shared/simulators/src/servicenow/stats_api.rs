//! The Aggregate API (vendor page "Aggregate API"): counts, sums and averages, all as text.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::query::compare;
use super::record::Record;
use super::world::World;
use super::{dictionary, select, shapes};

type Rows<'a> = Vec<(&'a str, &'a Record)>;

/// Answers `GET /api/now[/v1]/stats/{table}`.
pub(super) fn answer(world: &World, request: &ApiRequest, table: &str) -> Result<ApiResponse, ApiError> {
    if request.method != "GET" {
        return Err(ApiError::method_not_supported(&request.method));
    }
    if !dictionary::has_table(table) {
        return Err(ApiError::invalid_table(table));
    }
    let rows = select::select(world, table, request)?;
    let by = list(request, "sysparm_group_by");
    if by.is_empty() {
        return Ok(ApiResponse::result(200, json!({ "stats": stats(world, request, &rows) })));
    }
    let mut groups: BTreeMap<Vec<String>, Rows<'_>> = BTreeMap::new();
    for (of, row) in rows {
        let key = by.iter().map(|field| value(world, of, row, field).0).collect();
        groups.entry(key).or_default().push((of, row));
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    order(world, request, &mut groups);
    let shown: Vec<Value> = groups
        .iter()
        .filter_map(|rows| {
            let stats = stats(world, request, rows);
            let (of, row) = rows.first()?;
            let fields: Vec<Value> =
                by.iter().map(|field| group_field(world, request, of, row, field)).collect();
            having(request, &stats).then(|| json!({ "stats": stats, "groupby_fields": fields }))
        })
        .collect();
    Ok(ApiResponse::result(200, json!(shown)))
}

fn list<'a>(request: &'a ApiRequest, name: &str) -> Vec<&'a str> {
    request.parameter(name).map(|names| names.split(',').collect()).unwrap_or_default()
}

/// Value and display value of a field.
fn value(world: &World, table: &str, row: &Record, field: &str) -> (String, String) {
    shapes::walk(world, table, Some(row), field)
        .map(|found| (found.value.to_owned(), found.display().into_owned()))
        .unwrap_or_default()
}

fn group_field(world: &World, request: &ApiRequest, table: &str, row: &Record, field: &str) -> Value {
    let (value, display) = value(world, table, row, field);
    match request.parameter("sysparm_display_value") {
        Some("true") => json!({ "field": field, "value": display }),
        Some("all") => json!({ "field": field, "value": value, "display_value": display }),
        _ => json!({ "field": field, "value": value }),
    }
}

fn stats(world: &World, request: &ApiRequest, rows: &Rows<'_>) -> Map<String, Value> {
    let mut stats = Map::new();
    if request.flag("sysparm_count") {
        stats.insert("count".to_owned(), json!(rows.len().to_string()));
    }
    for kind in ["avg", "min", "max", "sum"] {
        let fields = list(request, &format!("sysparm_{kind}_fields"));
        if fields.is_empty() {
            continue;
        }
        let of = |field: &&str| ((*field).to_owned(), json!(aggregate(world, rows, kind, field)));
        let values: Map<String, Value> = fields.iter().map(of).collect();
        stats.insert(kind.to_owned(), Value::Object(values));
    }
    stats
}

fn aggregate(world: &World, rows: &Rows<'_>, kind: &str, field: &str) -> String {
    let mut values: Vec<String> = rows.iter().map(|(of, row)| value(world, of, row, field).0).collect();
    values.retain(|value| !value.is_empty());
    values.sort_by(|one, other| compare(one, other));
    let numbers = || values.iter().filter_map(|value| value.parse::<i64>().ok());
    match kind {
        "min" => values.first().cloned().unwrap_or_default(),
        "max" => values.last().cloned().unwrap_or_default(),
        "sum" => numbers().sum::<i64>().to_string(),
        _ if numbers().next().is_none() => String::new(),
        _ => hundredths(numbers().sum(), i64::try_from(numbers().count()).unwrap_or(1)),
    }
}

/// A quotient with up to two places.
fn hundredths(sum: i64, count: i64) -> String {
    let scaled = sum * 100 / count;
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, rest) = (scaled.abs() / 100, scaled.abs() % 100);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:02}") }
}

/// `count^<field>^<operator>^<number>`, of which the field says nothing for a count.
fn having(request: &ApiRequest, stats: &Map<String, Value>) -> bool {
    let Some(wish) = request.parameter("sysparm_having") else {
        return true;
    };
    let parts: Vec<&str> = wish.split('^').collect();
    let [kind, field, op, number] = parts.as_slice() else {
        return true;
    };
    let found = match stats.get(*kind) {
        Some(Value::Object(fields)) => fields.get(*field).and_then(Value::as_str),
        Some(count) => count.as_str(),
        None => None,
    };
    let ordering = compare(found.unwrap_or_default(), number);
    match *op {
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        "!=" => ordering.is_ne(),
        _ => ordering.is_eq(),
    }
}

/// `sysparm_order_by`: fields, or `COUNT`; a `^DESC` turns one round.
fn order(world: &World, request: &ApiRequest, groups: &mut [Rows<'_>]) {
    let Some(wish) = request.parameter("sysparm_order_by") else {
        return;
    };
    let (field, descending) = match wish.split_once('^') {
        Some((field, way)) => (field, way.eq_ignore_ascii_case("desc")),
        None => (wish, false),
    };
    let key = |rows: &Rows<'_>| match rows.first() {
        _ if field.eq_ignore_ascii_case("count") => rows.len().to_string(),
        Some((of, row)) => value(world, of, row, field).0,
        None => String::new(),
    };
    groups.sort_by(|one, other| {
        let ordering = compare(&key(one), &key(other));
        if descending { ordering.reverse() } else { ordering }
    });
}
