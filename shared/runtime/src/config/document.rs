//! One YAML text, read piece by piece. Every piece is parsed out of the whole text, so that lines are true
//! and anchors hold; a fault in one piece does not hide those in another.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, IntoDeserializer};
use serde_saphyr::{Error, Location, Spanned};

use super::fault::{Fault, Faults, Origin, Reading, excerpt, is_secretive, line};
use super::piece::{At, Keys};
use super::watch::{Fields, Trail, Watch};

/// Faults that are gathered of one mapping before the rest is left unread.
const FAULTS_PER_PIECE_MAX: usize = 20;

const SYNTAX_CURE: &str = "check indentation, quotes and brackets up to here";

/// A text and where it came from. Clones share the text.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) source: Arc<str>,
    text: Arc<str>,
    /// One value alone, as of a variable: it has no lines, and is never shown.
    is_value: bool,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the text, which may hold a literal secret that is about to be refused.
        f.debug_struct("Document").field("source", &self.source).finish_non_exhaustive()
    }
}

/// One step from a mapping or a list towards a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl Document {
    /// # Errors
    /// The one fault of a text that is no YAML mapping: nothing in it can be relied upon.
    pub(super) fn parse(source: &str, text: &str) -> Result<Self, Faults> {
        let document = Self { source: source.into(), text: text.into(), is_value: false };
        document.keys(&[]).map(|_| document.clone()).map_err(|mut fault| {
            // Of a line that cannot be parsed nobody knows what is a value.
            fault.excerpt = fault.origin.line.and_then(|line| excerpt(text, line, true));
            fault.cure.get_or_insert_with(|| SYNTAX_CURE.to_owned());
            (*fault).into()
        })
    }

    /// One value, as an environment variable holds it.
    pub(super) fn of_value(source: &str, text: &str) -> Self {
        Self { source: source.into(), text: text.into(), is_value: true }
    }

    /// The value at `path`; `None` where nothing stands there.
    pub(super) fn value<T: DeserializeOwned>(&self, path: &[Step<'_>]) -> Result<Option<T>, Box<Fault>> {
        // A variable's text is a text first: `[::]:80` is no list, and `#` begins no comment.
        if let Some(value) = self.is_value.then(|| self.as_text()).flatten() {
            return Ok(Some(value));
        }
        self.select(path, PhantomData::<T>)
            .map_err(|error| Box::new(self.fault_of(&error, path, &Trail::default())))
    }

    fn as_text<T: DeserializeOwned>(&self) -> Option<T> {
        let text: StrDeserializer<'_, serde::de::value::Error> = self.text.as_ref().into_deserializer();
        T::deserialize(text).ok()
    }

    /// The keys of the mapping at `path`, in order; none where nothing stands there.
    pub(super) fn keys(&self, path: &[Step<'_>]) -> Result<Vec<Spanned<String>>, Box<Fault>> {
        let keys = self
            .select(path, Keys)
            .map_err(|error| Box::new(self.fault_of(&error, path, &Trail::default())))?;
        Ok(keys.unwrap_or_default())
    }

    /// The list under a key: all at once if all are well, else one by one, for the faults of each.
    pub(super) fn list<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<T>, Faults> {
        if let Ok(all) = self.value::<Vec<T>>(&[Step::Key(key)]) {
            return Ok(all.unwrap_or_default());
        }
        let count = self.value::<Vec<IgnoredAny>>(&[Step::Key(key)])?.unwrap_or_default().len();
        let mut faults = Faults::default();
        for index in 0..count {
            faults.gather(self.fields::<T>(&[Step::Key(key), Step::Index(index)], &[]));
        }
        faults.into_result().map(|()| Vec::new())
    }

    /// The mapping at `path` without the keys `ignored`, and every fault in it that can be told apart.
    ///
    /// The parser stops at the first fault; the entry it stopped at is then left out, and the rest read anew.
    pub(super) fn fields<T: DeserializeOwned>(
        &self,
        path: &[Step<'_>],
        ignored: &[&str],
    ) -> Result<T, Faults> {
        let mut skipped: Vec<Vec<String>> = ignored.iter().map(|&key| vec![key.to_owned()]).collect();
        let mut faults = Faults::default();
        loop {
            let watch = Watch::new(&skipped);
            let error = match self.select(path, Fields { watch: &watch, fields: PhantomData }) {
                Ok(Some(fields)) => return faults.into_result().map(|()| fields),
                Ok(None) => return Err(self.fault(path, "nothing stands here".to_owned(), None).into()),
                Err(error) => error,
            };
            let trail = watch.into_trail();
            if !is_left_out(&error, &trail, &skipped) {
                faults.0.push(self.fault_of(&error, path, &trail));
            }
            if trail.path.is_empty() || faults.0.len() >= FAULTS_PER_PIECE_MAX {
                return Err(faults);
            }
            skipped.push(trail.path);
        }
    }

    /// A fault of our own at `path`. The value is shown unless it may be a secret.
    pub(super) fn fault(&self, path: &[Step<'_>], what: String, cure: Option<String>) -> Fault {
        let origin = self.origin(path);
        let hide = is_secretive(&dotted(path));
        let excerpt = origin.line.and_then(|line| excerpt(&self.text, line, hide));
        Fault { origin, path: dotted(path), what, excerpt, cure }
    }

    /// An unknown key of the mapping at `path`. Its value is never shown: it may be a misspelt secret.
    pub(super) fn unknown_key(&self, path: &[Step<'_>], key: &Spanned<String>, known: &[String]) -> Fault {
        let reading = Reading::unknown_key(&key.value, known);
        let origin = self.origin_at(key.referenced);
        let excerpt = origin.line.and_then(|line| excerpt(&self.text, line, true));
        Fault { origin, path: dotted(path), what: reading.what, excerpt, cure: reading.cure }
    }

    pub(super) fn origin(&self, path: &[Step<'_>]) -> Origin {
        self.origin_at(self.locate(path))
    }

    fn origin_at(&self, location: Location) -> Origin {
        if self.is_value { Origin::of(&self.source) } else { Origin::at(&self.source, location) }
    }

    /// Where the value at `path` stands, or else the nearest thing above it.
    fn locate(&self, path: &[Step<'_>]) -> Location {
        let place = |path| self.select(path, PhantomData::<Spanned<IgnoredAny>>).ok().flatten();
        (0..=path.len())
            .rev()
            .find_map(|length| place(&path[..length]))
            .map_or(Location::UNKNOWN, |place| place.referenced)
    }

    fn location_of(&self, error: &Error, path: &[Step<'_>], trail: &Trail) -> Location {
        let known = |location: &Location| *location != Location::UNKNOWN;
        if trail.path.is_empty() && matches!(error.without_snippet(), Error::SerdeMissingField { .. }) {
            // The parser names the last key that it read; the reader looks for the mapping's own.
            return self.locate_key(path).unwrap_or_else(|| self.locate(path));
        }
        let at_error = error.location().filter(known);
        at_error.or(trail.location.filter(known)).unwrap_or_else(|| self.locate(path))
    }

    fn locate_key(&self, path: &[Step<'_>]) -> Option<Location> {
        let (Step::Key(name), above) = path.split_last()? else { return None };
        self.keys(above).ok()?.into_iter().find(|key| key.value == *name).map(|key| key.referenced)
    }

    fn fault_of(&self, error: &Error, path: &[Step<'_>], trail: &Trail) -> Fault {
        let origin = self.origin_at(self.location_of(error, path, trail));
        let is_unknown = matches!(error.without_snippet(), Error::SerdeUnknownField { .. });
        // An unknown key is named by what is wrong; its path is where it was not expected.
        let entries = &trail.path[..trail.path.len() - usize::from(is_unknown && !trail.path.is_empty())];
        let path = entries.iter().fold(dotted(path), |path, entry| join(&path, entry));
        let shown = origin.line.and_then(|number| line(&self.text, number)).unwrap_or_default();
        let reading = Reading::of(error, is_secretive(&path) || is_secretive(shown));
        let excerpt = origin.line.and_then(|line| excerpt(&self.text, line, reading.hide));
        Fault { origin, path, what: reading.what, excerpt, cure: reading.cure }
    }

    fn select<V, S>(&self, path: &[Step<'_>], piece: S) -> Result<Option<V>, Error>
    where
        S: for<'de> DeserializeSeed<'de, Value = V>,
    {
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::with_deserializer_from_str_with_options(&self.text, options, |deserializer| {
            At { path, piece }.deserialize(deserializer)
        })
    }
}

/// A path as people write it: `policies[2].approval`.
pub(super) fn dotted(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |dotted, step| match step {
        Step::Key(key) => join(&dotted, key),
        Step::Index(index) => format!("{dotted}[{index}]"),
    })
}

fn join(path: &str, entry: &str) -> String {
    let separator = if path.is_empty() || entry.starts_with('[') { "" } else { "." };
    format!("{path}{separator}{entry}")
}

/// A field that is missing only because its faulty value was left out is no fault of its own.
fn is_left_out(error: &Error, trail: &Trail, skipped: &[Vec<String>]) -> bool {
    let Error::SerdeMissingField { field, .. } = error.without_snippet() else { return false };
    skipped
        .iter()
        .any(|path| path.split_last().is_some_and(|(last, above)| last == field && above == trail.path))
}
