//! GitHub's JSON, read leniently: unknown keys are skipped, every key may be absent or of another type.
//!
//! What must be there is asked for where it is used, so that the error names its place.

use std::fmt;

use chrono::{DateTime, Utc};
use interlock_runtime::webhook::Unreadable;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Longest text that is taken over. GitHub's own names end at 255 characters, its URLs well below this.
const TEXT_BYTES_MAX: usize = 1024;

/// The parts of a webhook that some event of ours needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    pub action: Text,
    pub environment: Text,
    pub deployment_callback_url: Text,
    pub deployment: Part<DeploymentPart>,
    pub deployment_status: Part<StatusPart>,
    pub workflow_run: Part<RunPart>,
    pub repository: Part<RepositoryPart>,
    pub installation: Part<InstallationPart>,
    pub sender: Part<UserPart>,
}

/// `deployment`, in webhooks and from the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeploymentPart {
    pub id: Text,
    pub sha: Text,
    pub r#ref: Text,
    pub environment: Text,
    pub created_at: Text,
    pub creator: Part<UserPart>,
}

/// `deployment_status`, in webhooks and from the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusPart {
    pub state: Text,
    pub created_at: Text,
    pub log_url: Text,
    pub target_url: Text,
}

/// `workflow_run`, in webhooks and from the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunPart {
    pub id: Text,
    pub run_attempt: Text,
    pub head_sha: Text,
    pub status: Text,
    pub conclusion: Text,
    pub html_url: Text,
    pub run_started_at: Text,
    pub updated_at: Text,
    pub actor: Part<UserPart>,
    pub triggering_actor: Part<UserPart>,
    pub head_commit: Part<CommitPart>,
}

/// `head_commit` of a run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CommitPart {
    pub author: Part<AuthorPart>,
}

/// Who wrote a commit, as the commit itself says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthorPart {
    pub name: Text,
    pub email: Text,
}

/// `repository`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RepositoryPart {
    pub id: Text,
    pub full_name: Text,
    pub html_url: Text,
}

/// `installation`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InstallationPart {
    pub id: Text,
}

/// A person or a bot.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserPart {
    pub login: Text,
}

/// A text, or a number as text; anything else is absent.
#[derive(Debug, Clone, Default)]
pub(super) struct Text(Option<String>);

impl Text {
    /// The text, if it is there, not empty and not too long.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES_MAX)
    }

    /// The text as it came, for what may be long or empty.
    pub fn raw(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    pub fn owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }

    /// A web address, for people.
    pub fn link(&self) -> Option<String> {
        self.get()
            .filter(|text| text.starts_with("https://") || text.starts_with("http://"))
            .map(str::to_owned)
    }

    pub fn time(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(self.get()?).ok().map(|time| time.to_utc())
    }

    /// An attempt or another small number.
    pub fn number(&self) -> Option<u32> {
        self.get()?.parse().ok()
    }

    /// The text, which must be there.
    pub fn must(&self, at: &str) -> Result<String, Unreadable> {
        self.owned().ok_or_else(|| unreadable(at, "missing, empty or longer than 1,024 bytes"))
    }

    /// An id of digits, which must be there.
    pub fn must_id(&self, at: &str) -> Result<String, Unreadable> {
        let id = self.must(at)?;
        if is_id(&id) { Ok(id) } else { Err(unreadable(at, "not an id of digits")) }
    }
}

/// GitHub's ids are positive numbers below 2^64.
pub(super) fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn unreadable(at: &str, reason: &str) -> Unreadable {
    Unreadable { at: at.to_owned(), reason: reason.to_owned() }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
        Ok(Text(Some(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Text(Some(number.to_string())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        skip_map(map).map(|()| Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Text, A::Error> {
        skip_list(list).map(|()| Text(None))
    }
}

/// An object; anything else is absent.
#[derive(Debug)]
pub(super) struct Part<T>(Option<T>);

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Part<T> {
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The object, which must be there.
    pub fn must(&self, at: &str) -> Result<&T, Unreadable> {
        self.get().ok_or_else(|| unreadable(at, "not an object"))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyPart(std::marker::PhantomData))
    }
}

struct AnyPart<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyPart<T> {
    type Value = Part<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|part| Part(Some(part)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Part<T>, A::Error> {
        skip_list(list).map(|()| Part(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Part<T>, E> {
        Ok(Part(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Part<T>, E> {
        Ok(Part(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part<T>, E> {
        Ok(Part(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part<T>, E> {
        Ok(Part(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Part<T>, E> {
        Ok(Part(None))
    }

    fn visit_unit<E>(self) -> Result<Part<T>, E> {
        Ok(Part(None))
    }
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}
