//! What is wrong with a configuration: where, what, and the cure. All of it in one message.

use std::fmt;

use serde_saphyr::{Error, Location, MessageFormatter, UserMessageFormatter};

use crate::secret;

/// Longest line that is shown of a file.
const EXCERPT_CHARS_MAX: usize = 120;
/// More faults than this are counted, not shown.
const SHOWN_MAX: usize = 50;
/// A longer list of names is no help beside a good guess.
const LISTED_MAX: usize = 12;
/// A line that holds one of these words may hold a secret: only its key is shown.
const SECRETIVE: [&str; 7] = ["secret", "token", "password", "passwd", "key", "credential", "auth"];

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A file, an environment variable, or the defaults.
    pub source: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
}

impl Origin {
    pub(super) fn of(source: &str) -> Self {
        Self { source: source.to_owned(), line: None, column: None }
    }

    pub(super) fn at(source: &str, location: Location) -> Self {
        let known = (location != Location::UNKNOWN).then_some(location);
        Self {
            source: source.to_owned(),
            line: known.map(|location| location.line()),
            column: known.map(|location| location.column()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// One thing that is wrong. Shows no value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// Where it stands.
    pub origin: Origin,
    /// The key, as `timing.settle_seconds`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// The line, as far as it may be shown.
    pub excerpt: Option<String>,
    /// What to do.
    pub cure: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        write!(f, "{}: {path}{}", self.origin, self.what)?;
        if let (Some(line), Some(excerpt)) = (self.origin.line, &self.excerpt) {
            write!(f, "\n  {line} | {excerpt}")?;
        }
        self.cure.as_ref().map_or(Ok(()), |cure| write!(f, "\n  cure: {cure}"))
    }
}

/// All that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Nothing, if nothing is wrong.
    ///
    /// # Errors
    /// Itself.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// In the order of the file.
    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.origin.source, a.origin.line).cmp(&(&b.origin.source, b.origin.line)));
    }

    /// Keeps the value, or adds the faults that stand in its place.
    pub fn gather<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        result.map_err(|faults| self.0.extend(faults.0)).ok()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<Box<Fault>> for Faults {
    fn from(fault: Box<Fault>) -> Self {
        Self(vec![*fault])
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration", if count == 1 { "fault" } else { "faults" })?;
        self.0.iter().take(SHOWN_MAX).try_for_each(|fault| write!(f, "\n{fault}"))?;
        if count > SHOWN_MAX { write!(f, "\nand {} more", count - SHOWN_MAX) } else { Ok(()) }
    }
}

/// What a parse error means for people, without values that may be secret.
pub(super) struct Reading {
    pub(super) what: String,
    pub(super) cure: Option<String>,
    /// The value must not be shown.
    pub(super) hide: bool,
}

impl Reading {
    /// `secretive`: the key or its line speaks of a secret.
    pub(super) fn of(error: &Error, secretive: bool) -> Self {
        let misfit = |found: &str, expected: &str| {
            let found = if secretive { "the value" } else { found };
            Self {
                what: format!("{found} does not fit"),
                cure: Some(format!("write {expected}")),
                hide: secretive,
            }
        };
        match error.without_snippet() {
            Error::SerdeUnknownField { field, expected, .. } => Self::unknown_key(field, expected),
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                let what =
                    if secretive { "unknown value".to_owned() } else { format!("unknown value `{variant}`") };
                Self { what, cure: Some(one_of(variant, expected)), hide: secretive }
            }
            Error::SerdeMissingField { field, .. } => {
                let cure = Some(format!("add `{field}:`"));
                Self { what: format!("`{field}` is missing"), cure, hide: true }
            }
            Error::SerdeInvalidType { unexpected: found, expected, .. }
            | Error::SerdeInvalidValue { unexpected: found, expected, .. } => misfit(found, expected),
            Error::Unexpected { expected, .. } => misfit("the value", shape(expected)),
            Error::InvalidScalar { ty, .. } => Self { cure: scalar_cure(ty), ..misfit("the value", ty) },
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or_default();
                Self {
                    what: format!("`{key}` stands here twice"),
                    cure: Some("keep one".to_owned()),
                    hide: true,
                }
            }
            other => Self::message(&UserMessageFormatter.format_message(other), secretive),
        }
    }

    pub(super) fn unknown_key<S: AsRef<str>>(key: &str, known: &[S]) -> Self {
        Self { what: format!("unknown key `{key}`"), cure: Some(one_of(key, known)), hide: true }
    }

    fn message(message: &str, secretive: bool) -> Self {
        // The type that refuses a literal secret names the cure itself.
        let (what, cure) = match message.split_once(&format!(": {}", secret::CURE)) {
            Some((what, _)) => (what, Some(secret::CURE.to_owned())),
            None => (message, None),
        };
        Self { what: what.to_owned(), hide: secretive || cure.is_some(), cure }
    }
}

/// The parser's events are not the reader's words.
fn shape(expected: &'static str) -> &'static str {
    match expected {
        "string scalar" => "a text",
        "mapping start" => "keys with values",
        "sequence start" => "a list",
        other => other,
    }
}

/// Rust's names of types are not the reader's. A caller that knows the range says more.
fn scalar_cure(ty: &str) -> Option<String> {
    let kind = match ty.as_bytes().first() {
        Some(b'u') => "a whole number, not below 0",
        Some(b'i') => "a whole number",
        Some(b'f') => "a number",
        Some(b'b') => "true or false",
        _ => return None,
    };
    Some(format!("write {kind}"))
}

/// The nearest of the known names first, if one is near.
pub(super) fn one_of<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    let is_near = |distance: usize, known: &str| distance <= known.len() / 3 + 1 || known.starts_with(name);
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known.as_ref()), known.as_ref()))
        .filter(|(distance, known)| is_near(*distance, known))
        .min();
    let all = known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match near {
        Some((_, near)) if known.len() > LISTED_MAX => format!("did you mean `{near}`?"),
        Some((_, near)) => format!("did you mean `{near}`? known: {all}"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known: {all}"),
    }
}

/// Line `number` of `text`; only its key where the value is not to be shown.
pub(super) fn excerpt(text: &str, number: u64, hide: bool) -> Option<String> {
    let line = line(text, number)?.trim_end();
    if hide || is_secretive(line) {
        let key = line.split_once(": ").map(|(key, _)| key).or_else(|| line.strip_suffix(':'))?;
        return Some(format!("{}: …", cut(key)));
    }
    Some(cut(line))
}

/// Whether a key, or the line it stands on, speaks of a secret.
pub(super) fn is_secretive(text: &str) -> bool {
    let lower = text.to_lowercase();
    // A URL with user information carries its password in it.
    SECRETIVE.iter().any(|word| lower.contains(word)) || (lower.contains("://") && lower.contains('@'))
}

pub(super) fn line(text: &str, number: u64) -> Option<&str> {
    usize::try_from(number).ok()?.checked_sub(1).and_then(|index| text.lines().nth(index))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= EXCERPT_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(EXCERPT_CHARS_MAX).chain(['…']).collect()
}
