//! Encoded queries (vendor page "Encoded query strings"): `^` is and, `^OR` binds to the condition before
//! it, `^NQ` begins a new alternative. What is not simulated is refused, never taken as "all rows".

/// A parsed query: alternatives of conjunctions of either-or terms.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Query {
    pub(super) groups: Vec<Vec<Vec<Condition>>>,
    pub(super) order: Vec<Order>,
}

/// `field op value`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) field: String,
    pub(super) op: Op,
    pub(super) value: String,
}

/// Sort by a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) field: String,
    pub(super) descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Is,
    IsNot,
    In,
    NotIn,
    StartsWith,
    EndsWith,
    Like,
    NotLike,
    IsEmpty,
    IsNotEmpty,
    Anything,
    Less,
    AtMost,
    More,
    AtLeast,
    Between,
}

/// Longer operators stand before those that they begin with.
const OPERATORS: &[(&str, Op)] = &[
    ("DOES NOT CONTAIN", Op::NotLike),
    ("NOT LIKE", Op::NotLike),
    ("NOT IN", Op::NotIn),
    ("ISNOTEMPTY", Op::IsNotEmpty),
    ("ISEMPTY", Op::IsEmpty),
    ("EMPTYSTRING", Op::IsEmpty),
    ("ANYTHING", Op::Anything),
    ("STARTSWITH", Op::StartsWith),
    ("ENDSWITH", Op::EndsWith),
    ("CONTAINS", Op::Like),
    ("LIKE", Op::Like),
    ("BETWEEN", Op::Between),
    ("IN", Op::In),
    ("!=", Op::IsNot),
    ("!*", Op::NotLike),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("=", Op::Is),
    ("<", Op::Less),
    (">", Op::More),
    ("*", Op::Like),
    ("%", Op::EndsWith),
];

/// Operators that exist but are not simulated, where a simulated one is their beginning.
const NOT_SIMULATED: &[&str] = &["IN_HIERARCHY", "INSTANCEOF"];

/// Reads an encoded query; the error is the part that is not simulated. With `strict` off such parts are left out.
pub(super) fn parse(text: &str, strict: bool) -> Result<Query, String> {
    let mut query = Query::default();
    let mut group: Vec<Vec<Condition>> = Vec::new();
    for part in split(text) {
        let mut part = part.as_str();
        if let Some(rest) = part.strip_prefix("NQ") {
            query.groups.push(std::mem::take(&mut group));
            part = rest;
        }
        if part.is_empty() || part == "EQ" || part.starts_with("GROUPBY") {
            continue;
        }
        if let Some(order) = order(part) {
            query.order.push(order);
            continue;
        }
        let (either, part) = match part.strip_prefix("OR") {
            Some(rest) => (true, rest),
            None => (false, part),
        };
        match condition(part) {
            Some(condition) => match group.last_mut().filter(|_| either) {
                Some(term) => term.push(condition),
                None => group.push(vec![condition]),
            },
            None if strict => return Err(part.to_owned()),
            None => {}
        }
    }
    query.groups.push(group);
    Ok(query)
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

fn condition(part: &str) -> Option<Condition> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    let end = part.find(|c: char| !is_name(c))?;
    let (field, rest) = part.split_at(end);
    if field.is_empty() || NOT_SIMULATED.iter().any(|op| rest.starts_with(op)) {
        return None;
    }
    let (op, value) = OPERATORS.iter().find_map(|(text, op)| Some((*op, rest.strip_prefix(text)?)))?;
    if value.starts_with("javascript:") {
        return None;
    }
    Some(Condition { field: field.to_owned(), op, value: value.to_owned() })
}

impl Op {
    /// Whether the operator looks at the text that people see.
    pub(super) fn is_about_text(self) -> bool {
        matches!(self, Self::StartsWith | Self::EndsWith | Self::Like | Self::NotLike)
    }
}

impl Condition {
    /// Whether a field with this value (and, of a reference, this display value) fits.
    pub(super) fn fits(&self, value: &str, display: &str) -> bool {
        let wanted = self.value.as_str();
        match self.op {
            Op::Is if wanted.is_empty() => value.is_empty(),
            Op::IsNot if wanted.is_empty() => !value.is_empty(),
            Op::Is => same(value, wanted),
            // An empty field is neither equal nor unequal to a value.
            Op::IsNot => !value.is_empty() && !same(value, wanted),
            Op::In => wanted.split(',').any(|one| same(value, one)),
            Op::NotIn => !wanted.split(',').any(|one| same(value, one)),
            Op::StartsWith => begins(display, wanted),
            Op::EndsWith => lower(display).ends_with(&lower(wanted)),
            Op::Like => lower(display).contains(&lower(wanted)),
            Op::NotLike => !lower(display).contains(&lower(wanted)),
            Op::IsEmpty => value.is_empty(),
            Op::IsNotEmpty => !value.is_empty(),
            Op::Anything => true,
            Op::Less => !value.is_empty() && compare(value, wanted).is_lt(),
            Op::AtMost => !value.is_empty() && compare(value, wanted).is_le(),
            Op::More => !value.is_empty() && compare(value, wanted).is_gt(),
            Op::AtLeast => !value.is_empty() && compare(value, wanted).is_ge(),
            Op::Between => wanted.split_once('@').is_some_and(|(from, to)| {
                !value.is_empty() && compare(value, from).is_ge() && compare(value, to).is_le()
            }),
        }
    }
}

/// The database compares text without case.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!one.is_ascii() && lower(one) == lower(other))
}

/// As `same`, at the beginning.
fn begins(text: &str, with: &str) -> bool {
    match text.get(..with.len()) {
        Some(start) if start.is_ascii() => start.eq_ignore_ascii_case(with),
        _ => lower(text).starts_with(&lower(with)),
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Numbers by size, all else as text.
pub(super) fn compare(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<i64>(), other.parse::<i64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => lower(one).cmp(&lower(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Condition {
        condition(text).unwrap()
    }

    #[test]
    fn or_binds_to_the_condition_before_it() {
        let query = parse("a=1^b=2^ORc=3", true).unwrap();
        let sizes: Vec<_> = query.groups[0].iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 2]);
    }

    #[test]
    fn a_new_query_is_an_alternative() {
        assert_eq!(parse("a=1^NQb=2^EQ", true).unwrap().groups.len(), 2);
    }

    #[test]
    fn order_is_told_from_or() {
        let query = parse("a=1^ORDERBYDESCsys_created_on^ORDERBYnumber", true).unwrap();
        assert_eq!(query.order.len(), 2);
        assert!(query.order[0].descending);
        assert_eq!(query.groups[0].len(), 1);
    }

    #[test]
    fn a_doubled_caret_belongs_to_the_value() {
        let query = parse("a=x^^y", true).unwrap();
        assert_eq!(query.groups[0][0][0].value, "x^y");
    }

    #[test]
    fn what_is_not_simulated_is_refused_or_left_out() {
        for part in [
            "sys_updated_onRELATIVEGT@hour@ago@1",
            "parentIN_HIERARCHYx",
            "sys_created_on>javascript:gs.daysAgo(1)",
            "123TEXTQUERY321=x",
        ] {
            assert_eq!(parse(part, true), Err(part.to_owned()));
            assert_eq!(parse(part, false).unwrap().groups, vec![Vec::<Vec<Condition>>::new()]);
        }
    }

    #[test]
    fn each_operator_compares_as_documented() {
        let table = [
            ("a=X", "x", true),
            ("a!=x", "", false),
            ("a!=x", "y", true),
            ("a=", "", true),
            ("a!=", "y", true),
            ("aIN1,2,3", "2", true),
            ("aNOT IN1,2", "2", false),
            ("aSTARTSWITHil1.", "il1.abc", true),
            ("aSTARTSWITHÄB", "äbc", true),
            ("aSTARTSWITHabc", "ab", false),
            ("aENDSWITHbc", "abc", true),
            ("aLIKEb", "abc", true),
            ("aNOT LIKEb", "abc", false),
            ("aCONTAINSb", "abc", true),
            ("aDOES NOT CONTAINb", "abc", false),
            ("aISEMPTY", "", true),
            ("aISNOTEMPTY", "", false),
            ("aANYTHING", "", true),
            ("a<10", "9", true),
            ("a<=9", "9", true),
            ("a>-5", "-4", true),
            ("a>=2026-01-01 00:00:00", "2026-01-01 00:00:01", true),
            ("aBETWEEN1@3", "3", true),
            ("aBETWEEN1@3", "4", false),
        ];
        for (text, value, fits) in table {
            assert_eq!(one(text).fits(value, value), fits, "{text} on {value}");
        }
    }
}
