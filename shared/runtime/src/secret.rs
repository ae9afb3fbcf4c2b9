//! Secrets, by reference only: the configuration says where a secret stands, never what it is.
//!
//! A reference is read anew at each use, so that a rotated secret needs no restart.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// The largest secret that is read from a file.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// How a literal secret is cured; also marks such faults, so that their excerpts hide the value.
pub(crate) const CURE: &str = "write ${env:NAME} or ${file:/run/secrets/name}";

/// Where a secret stands: `${env:NAME}` or `${file:/run/secrets/name}`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretRef(Place);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Env(String),
    File(PathBuf),
}

/// A secret cannot be had. Names the reference, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text is no reference; it may be the secret itself, so it is not repeated.
    #[error("a secret stands here in the clear or its reference is malformed: {CURE}")]
    NotAReference,
    /// The variable is not set, or not text.
    #[error("secret {reference}: the environment variable is not set, or is no UTF-8 text")]
    NotSet {
        /// The reference.
        reference: String,
    },
    /// The file cannot be read.
    #[error("secret {reference}: {reason}")]
    Unreadable {
        /// The reference.
        reference: String,
        /// What the operating system says.
        reason: String,
    },
    /// There is nothing in it.
    #[error("secret {reference} is empty")]
    Empty {
        /// The reference.
        reference: String,
    },
}

impl SecretRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`SecretError::NotAReference`] for anything else, a literal secret above all.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match inner.and_then(|inner| inner.split_once(':')) {
            Some(("env", name)) if is_variable_name(name) => Ok(Self::env(name)),
            Some(("file", path)) if Path::new(path).is_absolute() => Ok(Self(Place::File(path.into()))),
            _ => Err(SecretError::NotAReference),
        }
    }

    /// A reference to an environment variable.
    #[must_use]
    pub fn env(name: &str) -> Self {
        Self(Place::Env(name.to_owned()))
    }

    /// The secret as it stands now. A file's last line break is not part of it.
    ///
    /// # Errors
    /// [`SecretError`]: not set, unreadable, empty, or larger than [`SECRET_BYTES_MAX`].
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        let text = match &self.0 {
            Place::Env(name) => {
                std::env::var(name).map_err(|_| SecretError::NotSet { reference: self.to_string() })?
            }
            Place::File(path) => self.read(path)?,
        };
        if text.is_empty() {
            return Err(SecretError::Empty { reference: self.to_string() });
        }
        Ok(SecretString::from(text))
    }

    fn read(&self, path: &Path) -> Result<String, SecretError> {
        let unreadable = |reason: String| SecretError::Unreadable { reference: self.to_string(), reason };
        let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let mut text = String::new();
        file.take(SECRET_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(error.to_string()))?;
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(unreadable(format!("larger than {SECRET_BYTES_MAX} bytes")));
        }
        let end =
            text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).len();
        text.truncate(end);
        Ok(text)
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Env(name) => write!(f, "${{env:{name}}}"),
            Place::File(path) => write!(f, "${{file:{}}}", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({self})")
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_str`: a buffering deserializer answers it with the value it refuses.
        deserializer.deserialize_any(ReferenceText)
    }
}

/// Takes text alone and repeats nothing of what it refuses: serde's own messages would.
struct ReferenceText;

impl serde::de::Visitor<'_> for ReferenceText {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret: ${env:NAME} or ${file:/run/secrets/name}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretRef, E> {
        SecretRef::parse(text).map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(SecretError::NotAReference))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use secrecy::ExposeSecret;

    use super::*;

    fn file_of(content: &[u8]) -> (tempfile::NamedTempFile, SecretRef) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let reference = SecretRef::parse(&format!("${{file:{}}}", file.path().display())).unwrap();
        (file, reference)
    }

    #[test]
    fn a_reference_shows_itself_and_never_the_secret() {
        let (_file, reference) = file_of(b"hunter2\n");
        assert_eq!(reference.resolve().unwrap().expose_secret(), "hunter2");
        assert!(reference.to_string().starts_with("${file:/"));
        assert!(!format!("{reference:?} {reference}").contains("hunter2"));
    }

    #[test]
    fn a_literal_is_refused_with_the_cure_and_not_repeated() {
        for text in
            ["hunter2", "${hunter2}", "${env:}", "${file:hunter2}", "${vault:hunter2}", "${env:hunter 2}"]
        {
            let said = SecretRef::parse(text).unwrap_err().to_string();
            assert!(said.contains("${env:NAME}") && !said.contains("hunter"), "{said}");
        }
        let said = serde_saphyr::from_str::<SecretRef>("hunter2").unwrap_err().to_string();
        assert!(said.contains("${env:NAME}"), "{said}");
    }

    #[test]
    fn only_the_last_line_break_of_a_file_is_trimmed() {
        for (content, secret) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r")]
        {
            assert_eq!(file_of(content.as_bytes()).1.resolve().unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn a_rotated_secret_is_seen_at_the_next_use() {
        let (file, reference) = file_of(b"old");
        assert_eq!(reference.resolve().unwrap().expose_secret(), "old");
        std::fs::write(file.path(), "new").unwrap();
        assert_eq!(reference.resolve().unwrap().expose_secret(), "new");
    }

    #[test]
    fn what_is_absent_empty_or_too_large_is_said_with_its_reference() {
        let unset = SecretRef::parse("${env:INTERLOCK_TEST_NEVER_SET}").unwrap();
        assert!(unset.resolve().unwrap_err().to_string().contains("${env:INTERLOCK_TEST_NEVER_SET}"));
        let absent = SecretRef::parse("${file:/nonexistent/secret}").unwrap();
        assert!(matches!(absent.resolve(), Err(SecretError::Unreadable { .. })));
        assert!(matches!(file_of(b"\n").1.resolve(), Err(SecretError::Empty { .. })));
        let largest = usize::try_from(SECRET_BYTES_MAX).unwrap();
        assert!(file_of(&vec![b'x'; largest]).1.resolve().is_ok());
        let said = file_of(&vec![b'x'; largest + 1]).1.resolve().unwrap_err().to_string();
        assert!(said.ends_with("larger than 65536 bytes"), "{said}");
    }

    #[test]
    fn a_variable_of_the_environment_is_read() {
        assert!(!SecretRef::env("PATH").resolve().unwrap().expose_secret().is_empty());
    }
}
