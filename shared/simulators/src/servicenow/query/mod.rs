//! Encoded queries (vendor page "Encoded query strings"): `^` is and, `^OR` binds to the condition before
//! it, `^NQ` begins a new alternative. What is not understood is told apart, so that the caller decides
//! whether it is refused or, as by an instance, ignored.

mod condition;
mod moments;
mod related;
#[cfg(test)]
mod tests;

pub(super) use condition::{Condition, Op, compare};
pub(super) use moments::Asker;
pub(super) use related::Related;

use condition::OPERATORS;

/// How many parts a query may have; what follows is not understood.
const PARTS_MAX: usize = 10_000;
/// How deep a related list may hold another.
pub(super) const DEPTH_MAX: u8 = 3;

/// A parsed query: alternatives of conjunctions of either-or terms.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Query {
    pub(super) groups: Vec<Vec<Term>>,
    pub(super) order: Vec<Order>,
    /// Parts that are not understood.
    pub(super) unknown: Vec<String>,
}

/// What a row must fit; of several conditions one is enough.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// Conditions on the row.
    Either(Vec<Condition>),
    /// Words that any field of the row holds.
    Words(String),
    /// Rows of another table that refer to this one.
    Related(Related),
}

/// Sort by a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) field: String,
    pub(super) descending: bool,
}

/// Reads an encoded query.
pub(super) fn parse(text: &str, asker: &Asker) -> Query {
    parse_within(text, asker, 0)
}

fn parse_within(text: &str, asker: &Asker, depth: u8) -> Query {
    let mut query = Query { groups: vec![Vec::new()], ..Query::default() };
    // A join stands at the end, and what is after its `!` belongs to it.
    let (text, join) = match text.find("JOIN") {
        Some(at) if at == 0 || text[..at].ends_with('^') => (&text[..at], Some(&text[at..])),
        _ => (text, None),
    };
    let mut parts = split(text).into_iter();
    let mut read = 0;
    while let Some(part) = parts.next() {
        read += 1;
        if read > PARTS_MAX {
            query.unknown.push("more parts than are simulated".to_owned());
            break;
        }
        if part.starts_with("RLQUERY") {
            let within: Vec<_> = parts.by_ref().take_while(|part| part != "ENDRLQUERY").collect();
            take_related(&mut query, related::list(&part, &within, asker, depth), &part);
        } else {
            take_part(&mut query, &part, asker);
        }
    }
    if let Some(join) = join {
        take_related(&mut query, related::join(join, asker, depth), join);
    }
    query
}

fn take_related(query: &mut Query, related: Option<Related>, text: &str) {
    match (related, query.groups.last_mut()) {
        (Some(related), Some(group)) => group.push(Term::Related(related)),
        _ => query.unknown.push(text.to_owned()),
    }
}

fn take_part(query: &mut Query, part: &str, asker: &Asker) {
    let part = match part.strip_prefix("NQ") {
        Some(rest) => {
            query.groups.push(Vec::new());
            rest
        }
        None => part,
    };
    if part.is_empty() || part == "EQ" || part.starts_with("GROUPBY") {
        return;
    }
    if let Some(order) = order(part) {
        return query.order.push(order);
    }
    if let (Some(words), Some(group)) = (part.strip_prefix("123TEXTQUERY321="), query.groups.last_mut()) {
        return group.push(Term::Words(words.to_owned()));
    }
    let (either, part) = match part.strip_prefix("OR") {
        Some(rest) => (true, rest),
        None => (false, part),
    };
    match (condition(part, asker), query.groups.last_mut()) {
        (Some(condition), Some(group)) => match group.last_mut() {
            Some(Term::Either(others)) if either => others.push(condition),
            _ => group.push(Term::Either(vec![condition])),
        },
        _ => query.unknown.push(part.to_owned()),
    }
}

/// Parts between single `^`; `^^` is a `^` within a value.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(last) = parts.last_mut() else { break };
        if letter != '^' {
            last.push(letter);
        } else if letters.next_if_eq(&'^').is_some() {
            last.push('^');
        } else {
            parts.push(String::new());
        }
    }
    parts
}

fn order(part: &str) -> Option<Order> {
    let (field, descending) = match part.strip_prefix("ORDERBYDESC") {
        Some(field) => (field, true),
        None => (part.strip_prefix("ORDERBY")?, false),
    };
    Some(Order { field: field.to_owned(), descending })
}

/// Operators that exist but are not simulated, where a simulated one is their beginning.
const NOT_SIMULATED: &[&str] = &["IN_HIERARCHY", "INSTANCEOF"];

fn condition(part: &str, asker: &Asker) -> Option<Condition> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    let end = part.find(|c: char| !is_name(c))?;
    let (field, rest) = part.split_at(end);
    if field.is_empty() || NOT_SIMULATED.iter().any(|op| rest.starts_with(op)) {
        return None;
    }
    let (op, value) = test(rest, asker)?;
    Some(Condition { field: field.to_owned(), op, value })
}

fn test(text: &str, asker: &Asker) -> Option<(Op, String)> {
    if let Some(relative) = text.strip_prefix("RELATIVE") {
        return asker.relative(relative);
    }
    for (begin, op) in [("NOTON", Op::NotBetween), ("ON", Op::Between)] {
        if let Some(day) = text.strip_prefix(begin) {
            let (_label, bounds) = day.split_once('@')?;
            return Some((op, bounds_of(bounds, asker)?));
        }
    }
    let (op, value) = OPERATORS.iter().find_map(|(text_of, op)| Some((*op, text.strip_prefix(text_of)?)))?;
    let value = if op == Op::Between { bounds_of(value, asker)? } else { asker.value(value)? };
    Some((op, value))
}

fn bounds_of(text: &str, asker: &Asker) -> Option<String> {
    let (from, to) = text.split_once('@')?;
    Some(format!("{}@{}", asker.value(from)?, asker.value(to)?))
}
