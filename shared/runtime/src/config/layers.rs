//! The layers of the configuration: environment over file over defaults, looked up value by value.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_saphyr::Spanned;

use super::document::{Document, Step};
use super::fault::{Fault, Faults, Origin, one_of};

/// Variables with this prefix are ours.
const PREFIX: &str = "INTERLOCK__";
/// Sections that are read whole, by others; a variable cannot reach into them.
const OPEN: [&str; 2] = ["connections", "policies"];
/// The defaults are ours and tested; what is absent there is a fault of the build.
const DEFAULTED: &str =
    "the embedded defaults hold every key with a value of its type: a test reads them all";

/// The layers, and the faults found so far.
pub(super) struct Layers {
    variables: Vec<(String, Document)>,
    /// Sections of the file that hold no keys.
    broken: Vec<String>,
    pub(super) file: Option<Document>,
    pub(super) defaults: Document,
    pub(super) faults: Faults,
}

impl Layers {
    pub(super) fn new(
        file: Option<Document>,
        defaults: Document,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut layers =
            Self { variables: Vec::new(), broken: Vec::new(), file, defaults, faults: Faults::default() };
        layers.check_file_keys();
        let known = layers.leaves();
        for (name, value) in environment.filter(|(name, _)| name.starts_with(PREFIX)) {
            layers.take_variable(&name, &value, &known);
        }
        layers
    }

    /// The value at `path`, of the uppermost layer that has one. A fault is noted with `cure`, and
    /// the default stands in.
    pub(super) fn value<T: DeserializeOwned>(&mut self, path: &[&str], cure: &str) -> T {
        match self.said(path) {
            Ok(Some(value)) => return value,
            Ok(None) => {}
            Err(mut fault) => {
                fault.cure = Some(cure.to_owned());
                self.faults.0.push(Fault { path: path.join("."), ..*fault });
            }
        }
        self.defaults.value(&steps(path)).ok().flatten().expect(DEFAULTED)
    }

    /// A whole number within `range`.
    pub(super) fn number<N>(&mut self, path: &[&str], range: RangeInclusive<N>) -> N
    where
        N: DeserializeOwned + PartialOrd + Display,
    {
        let cure = format!("write a whole number from {} to {}", range.start(), range.end());
        let value = self.value::<N>(path, &cure);
        if !range.contains(&value) {
            self.refuse(path, format!("{value} is out of range"), cure);
        }
        value
    }

    /// Where the value at `path` was said; a variable has no line.
    pub(super) fn origin(&self, path: &[&str]) -> Origin {
        let steps = steps(path);
        match (self.variable(path), self.file_for(path)) {
            (Some(variable), _) => variable.origin(&[]),
            (None, Some(file)) if matches!(file.value::<IgnoredAny>(&steps), Ok(Some(_))) => {
                file.origin(&steps)
            }
            _ => self.defaults.origin(&steps),
        }
    }

    /// Notes what is wrong with the value at `path`, where it was said.
    pub(super) fn refuse(&mut self, path: &[&str], what: String, cure: String) {
        let fault = match (self.variable(path), &self.file) {
            (Some(variable), _) => variable.fault(&[], what, Some(cure)),
            (None, Some(file)) => file.fault(&steps(path), what, Some(cure)),
            (None, None) => self.defaults.fault(&steps(path), what, Some(cure)),
        };
        self.faults.0.push(Fault { path: path.join("."), ..fault });
    }

    fn said<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Box<Fault>> {
        match (self.variable(path), self.file_for(path)) {
            (Some(variable), _) => variable.value(&[]),
            (None, Some(file)) => file.value(&steps(path)),
            (None, None) => Ok(None),
        }
    }

    /// The file, unless the section at `path` is no section there: that is one fault, not one a key.
    fn file_for(&self, path: &[&str]) -> Option<&Document> {
        self.file.as_ref().filter(|_| !self.broken.iter().any(|section| path.len() > 1 && section == path[0]))
    }

    fn variable(&self, path: &[&str]) -> Option<&Document> {
        let path = path.join(".");
        self.variables.iter().find(|(of, _)| *of == path).map(|(_, value)| value)
    }

    fn take_variable(&mut self, name: &str, value: &str, known: &[String]) {
        let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace("__", ".");
        if known.contains(&path) {
            self.variables.push((path, Document::of_value(name, value)));
            return;
        }
        let section = path.split('.').next().unwrap_or_default();
        let cure = if OPEN.contains(&section) {
            format!("`{section}` stand in the file; refer to a variable there: ${{env:NAME}}")
        } else {
            let names: Vec<String> = known.iter().map(|path| variable_name(path)).collect();
            one_of(name, &names)
        };
        let origin = Origin::of(name);
        let what = "names no key of the configuration".to_owned();
        self.faults.0.push(Fault { origin, path: String::new(), what, excerpt: None, cure: Some(cure) });
    }

    /// Every key of the file must be one of the defaults; but for the open sections, whose keys are others' matter.
    fn check_file_keys(&mut self) {
        let Some(file) = self.file.clone() else { return };
        for section in self.check_keys(&file, &[]).unwrap_or_default() {
            let step = [Step::Key(&section.value)];
            let is_open = OPEN.contains(&section.value.as_str());
            if is_open || known_keys(&self.defaults, &step).is_empty() {
                continue;
            }
            if let Err(fault) = self.check_keys(&file, &step) {
                self.faults.0.push(*fault);
                self.broken.push(section.value);
            }
        }
    }

    /// Notes the unknown keys of one mapping and returns the known ones.
    fn check_keys(&mut self, file: &Document, path: &[Step<'_>]) -> Result<Vec<Spanned<String>>, Box<Fault>> {
        let known = known_keys(&self.defaults, path);
        let (ours, unknown): (Vec<_>, Vec<_>) =
            file.keys(path)?.into_iter().partition(|key| known.contains(&key.value));
        self.faults.0.extend(unknown.iter().map(|key| file.unknown_key(path, key, &known)));
        Ok(ours)
    }

    /// The path of every value that a variable may set.
    fn leaves(&self) -> Vec<String> {
        let mut leaves = Vec::new();
        for section in known_keys(&self.defaults, &[]).into_iter().filter(|key| !OPEN.contains(&key.as_str()))
        {
            let keys = known_keys(&self.defaults, &[Step::Key(&section)]);
            leaves.extend(keys.iter().map(|key| format!("{section}.{key}")));
            if keys.is_empty() {
                leaves.push(section);
            }
        }
        leaves
    }
}

fn known_keys(defaults: &Document, path: &[Step<'_>]) -> Vec<String> {
    defaults.keys(path).unwrap_or_default().into_iter().map(|key| key.value).collect()
}

fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

fn steps<'p>(path: &[&'p str]) -> Vec<Step<'p>> {
    path.iter().copied().map(Step::Key).collect()
}
