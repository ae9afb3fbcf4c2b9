//! The deployment key: which occurrence of which deployment an event is about.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Stands in `correlation_display` of every record that is ours.
pub const CORRELATION_DISPLAY: &str = "Interlock";

/// Characters of the base32 digest that identify a key: 130 bits.
const HASH_CHARACTERS: usize = 26;

/// ServiceNow cuts `correlation_id` silently at this length.
const CORRELATION_BYTES_MAX: usize = 100;

/// What stands before the readable tail: `il1.`, the hash, and 12 of the SHA, each with its dot.
const HEAD_BYTES: usize = 4 + HASH_CHARACTERS + 1 + 12 + 1;

/// One occurrence of a deployment: five fields, as the platform gave them.
///
/// The occurrence is an id that the opening event itself carries and that a re-run changes
/// (GitHub: `deployment.id`). Joined by line feeds it is hashed into [`KeyHash`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentKey {
    /// Who owns the connection; `default` where nothing else is configured.
    pub tenant: String,
    /// Name of the platform's connection in the configuration.
    pub connection: String,
    /// The platform's id of the project or repository.
    pub project: String,
    /// The environment, case as given.
    pub environment: String,
    /// The platform's id of this occurrence.
    pub occurrence: String,
}

impl DeploymentKey {
    /// The 26 characters that stand for this key as subject and in correlation ids.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        let digest = BASE32_NOPAD.encode(&self.digest()).to_lowercase();
        KeyHash(digest[..HASH_CHARACTERS].to_owned())
    }

    /// The `sys_id` that we choose on instances that honour one on insert: 16 bytes of the digest.
    #[must_use]
    pub fn chosen_sys_id(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.digest()[..16])
    }

    fn digest(&self) -> [u8; 32] {
        let Self { tenant, connection, project, environment, occurrence } = self;
        let bytes = [tenant, connection, project, environment, occurrence].map(String::as_str).join("\n");
        Sha256::digest(bytes).into()
    }
}

/// A deployment key's digest in 26 lower-case base32 characters (RFC 4648, no padding).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash(String);

impl KeyHash {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the correlation id of every record of this key starts with.
    #[must_use]
    pub fn correlation_prefix(&self) -> String {
        format!("il1.{}.", self.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is not the 26 characters of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a deployment key's hash (26 characters of a-z and 2-7)")]
pub struct NotAKeyHash(String);

impl FromStr for KeyHash {
    type Err = NotAKeyHash;

    fn from_str(text: &str) -> Result<Self, NotAKeyHash> {
        let ours = text.len() == HASH_CHARACTERS
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        ours.then(|| Self(text.to_owned())).ok_or_else(|| NotAKeyHash(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for KeyHash {
    type Error = NotAKeyHash;

    fn try_from(text: String) -> Result<Self, NotAKeyHash> {
        text.parse()
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        hash.0
    }
}

/// The `correlation_id` of a change: `il1.<key hash>.<12 of the SHA>.<readable tail>`, at most 100 bytes.
///
/// It is the one field that every way of creating a change keeps; the tail stands last because
/// ServiceNow cuts what is too long without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// Builds the id of a deployment of `sha`; `project_name` is for people.
    #[must_use]
    pub fn new(key: &DeploymentKey, sha: &str, project_name: &str) -> Self {
        let sha: String = sha.chars().take(12).collect();
        let mut text = format!("il1.{}.{sha}.{project_name} {}", key.hash(), key.environment);
        while text.len() > CORRELATION_BYTES_MAX {
            text.pop();
        }
        Self(text)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key hash in a record's correlation id; `None` where the id is not ours.
    #[must_use]
    pub fn hash_in(correlation_id: &str) -> Option<KeyHash> {
        correlation_id.strip_prefix("il1.")?.split('.').next()?.parse().ok()
    }

    /// The first characters of the SHA in a record's correlation id, and its readable tail; `None` where the id is
    /// not ours.
    #[must_use]
    pub fn sha_and_place_in(correlation_id: &str) -> Option<(&str, &str)> {
        let (_, rest) = correlation_id.strip_prefix("il1.")?.split_once('.')?;
        rest.split_once('.')
    }

    /// The readable tail that all deployments of a project to an environment have; `None` where it is too long to
    /// stand there whole, so that others may have the same.
    #[must_use]
    pub fn place(project_name: &str, environment: &str) -> Option<String> {
        let place = format!("{project_name} {environment}");
        (HEAD_BYTES + place.len() <= CORRELATION_BYTES_MAX).then_some(place)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> DeploymentKey {
        DeploymentKey {
            tenant: "default".into(),
            connection: "github".into(),
            project: "70012".into(),
            environment: "production".into(),
            occurrence: "2210045".into(),
        }
    }

    #[test]
    fn the_key_of_the_test_vector_has_its_hash_and_sys_id() {
        assert_eq!(key().hash().as_str(), "rwqddrjo7ueeassklnhqodg7se");
        assert_eq!(key().chosen_sys_id(), "8da031c52efd08404a4a5b4f070cdf91");
    }

    #[test]
    fn the_correlation_id_of_the_test_vector_is_stable() {
        let id = CorrelationId::new(&key(), "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31", "acme/payments-api");
        assert_eq!(id.as_str(), "il1.rwqddrjo7ueeassklnhqodg7se.4f0c2a9be1d7.acme/payments-api production");
        assert_eq!(CorrelationId::hash_in(id.as_str()), Some(key().hash()));
    }

    #[test]
    fn the_place_of_a_correlation_id_is_known_where_it_was_not_cut() {
        let sha = "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31";
        for (project, is_whole) in [("acme/payments-api".to_owned(), true), ("a.b/".repeat(12), false)] {
            let id = CorrelationId::new(&key(), sha, &project);
            let (short, place) = CorrelationId::sha_and_place_in(id.as_str()).unwrap();
            assert_eq!(short, "4f0c2a9be1d7");
            let known = CorrelationId::place(&project, "production");
            assert_eq!(known.as_deref(), is_whole.then_some(place));
        }
        assert_eq!(CorrelationId::sha_and_place_in("JIRA-12.a.b"), None);
    }

    #[test]
    fn a_foreign_correlation_id_has_no_hash() {
        for foreign in ["", "il1.", "il1.short.abc", "JIRA-12", "il2.rwqddrjo7ueeassklnhqodg7se.x"] {
            assert_eq!(CorrelationId::hash_in(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn a_correlation_id_never_exceeds_what_servicenow_keeps(project in ".{0,200}", environment in ".{0,80}") {
            let key = DeploymentKey { environment, ..key() };
            let id = CorrelationId::new(&key, "4f0c2a9be1d7730c", &project);
            prop_assert!(id.as_str().len() <= CORRELATION_BYTES_MAX);
            prop_assert_eq!(CorrelationId::hash_in(id.as_str()), Some(key.hash()));
        }

        #[test]
        fn reading_a_hash_never_panics(text in ".*") {
            let _ = CorrelationId::hash_in(&text);
            let _ = text.parse::<KeyHash>();
        }
    }
}
