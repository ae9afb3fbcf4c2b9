//! Where the broker or the store is: a folder of this machine, or a server.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::fault::{Fault, Origin};
use super::layers::Layers;
use crate::secret::{self, SecretError, SecretRef};

const EMBEDDED: &str = "embedded:";

/// Where the broker or the store is, and where that was said.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The place.
    pub place: Place,
    origin: Origin,
    key: &'static str,
}

/// A folder of this machine, or a server.
#[derive(Debug, Clone)]
pub enum Place {
    /// SQLite in this folder; one process.
    Embedded(PathBuf),
    /// A server.
    Remote(Endpoint),
}

/// A server's URL, which may hold a password.
#[derive(Debug, Clone)]
pub struct Endpoint(Written);

#[derive(Debug, Clone)]
enum Written {
    Literal(SecretString),
    Reference(SecretRef),
}

impl Endpoint {
    /// The URL as it stands now; a reference is read anew.
    ///
    /// # Errors
    /// [`SecretError`] of the reference.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        match &self.0 {
            Written::Literal(url) => Ok(url.clone()),
            Written::Reference(reference) => reference.resolve(),
        }
    }
}

impl Backend {
    /// Reads `key`: `embedded:<folder>`, a URL of one of `schemes`, or a reference to one.
    pub(super) fn read(layers: &mut Layers, key: &'static str, schemes: &[&str]) -> Self {
        let text: String = layers.value(&[key], &cure(schemes));
        let origin = layers.origin(&[key]);
        let from_environment = origin.line.is_none();
        let place = place(&text, schemes, from_environment).unwrap_or_else(|(what, cure)| {
            layers.refuse(&[key], what, cure);
            Place::Embedded(PathBuf::new())
        });
        Self { place, origin, key }
    }

    /// A fault of its value, for what only who uses it can judge.
    #[must_use]
    pub fn fault(&self, what: String, cure: &str) -> Fault {
        let (origin, path) = (self.origin.clone(), self.key.to_owned());
        Fault { origin, path, what, excerpt: None, cure: Some(cure.to_owned()) }
    }

    /// What is wrong if other processes must reach it.
    pub(super) fn not_shared(&self, role: &str, schemes: &str) -> Option<Fault> {
        let Place::Embedded(folder) = &self.place else { return None };
        let what = format!(
            "`{EMBEDDED}{}` serves exactly one process, but {role} runs alone and must share it with the other roles",
            folder.display()
        );
        let cure = format!("set a URL of {schemes}, or run all roles in one process: interlock run");
        Some(Fault {
            origin: self.origin.clone(),
            path: self.key.to_owned(),
            what,
            excerpt: None,
            cure: Some(cure),
        })
    }
}

fn place(text: &str, schemes: &[&str], from_environment: bool) -> Result<Place, (String, String)> {
    match text.strip_prefix(EMBEDDED) {
        Some("") => Err(("the folder is missing".to_owned(), cure(schemes))),
        Some(folder) => Ok(Place::Embedded(folder.into())),
        None if text.starts_with("${") => SecretRef::parse(text)
            .map(|reference| Place::Remote(Endpoint(Written::Reference(reference))))
            .map_err(|_| ("the reference is malformed".to_owned(), secret::CURE.to_owned())),
        None => literal(text, schemes, from_environment),
    }
}

/// A variable is where a secret may stand; a file is not.
fn literal(text: &str, schemes: &[&str], from_environment: bool) -> Result<Place, (String, String)> {
    let url = Url::parse(text).map_err(|error| (format!("is no URL: {error}"), cure(schemes)))?;
    if !schemes.contains(&url.scheme()) {
        return Err((format!("`{}:` is not a scheme that it speaks", url.scheme()), cure(schemes)));
    }
    if url.password().is_some() && !from_environment {
        let cure = format!("for the whole URL {}", secret::CURE);
        return Err(("the URL holds a password in the clear".to_owned(), cure));
    }
    Ok(Place::Remote(Endpoint(Written::Literal(SecretString::from(text)))))
}

fn cure(schemes: &[&str]) -> String {
    format!("write {EMBEDDED}./data, a URL of {}, or ${{env:NAME}}", schemes.join(" or "))
}
