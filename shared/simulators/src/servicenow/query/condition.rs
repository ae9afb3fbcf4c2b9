//! One condition and the values that it fits.

/// `field op value`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::servicenow) struct Condition {
    pub(in crate::servicenow) field: String,
    pub(in crate::servicenow) op: Op,
    pub(in crate::servicenow) value: String,
}

/// An operator of the vendor's page "Operators available for filters and queries".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::servicenow) enum Op {
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
    NotBetween,
}

/// Longer operators stand before those that they begin with.
pub(super) const OPERATORS: &[(&str, Op)] = &[
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

impl Op {
    /// Whether the operator looks at the text that people see.
    pub(in crate::servicenow) fn is_about_text(self) -> bool {
        matches!(self, Self::StartsWith | Self::EndsWith | Self::Like | Self::NotLike)
    }
}

impl Condition {
    /// Whether a field with this value (and, of a reference, this display value) fits.
    pub(in crate::servicenow) fn fits(&self, value: &str, display: &str) -> bool {
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
            Op::Between => between(value, wanted),
            Op::NotBetween => !value.is_empty() && !between(value, wanted),
        }
    }
}

fn between(value: &str, bounds: &str) -> bool {
    bounds.split_once('@').is_some_and(|(from, to)| {
        !value.is_empty() && compare(value, from).is_ge() && compare(value, to).is_le()
    })
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
pub(in crate::servicenow) fn compare(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<i64>(), other.parse::<i64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => lower(one).cmp(&lower(other)),
    }
}
