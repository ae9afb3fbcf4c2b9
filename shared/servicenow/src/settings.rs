//! A connection's own keys in the configuration.

use std::collections::BTreeMap;

use http::HeaderName;
use interlock_rules::ChangeState;
use interlock_runtime::secret::SecretRef;
use interlock_runtime::webhook::Encoding;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

/// Calls at once to one instance, by all processes together, where nothing else is configured.
/// A node serves inbound REST calls with few threads (ServiceNow docs, "Semaphores").
const PERMITS_DEFAULT: u32 = 4;
/// More than this starves the instance's other integrations.
pub const PERMITS_MAX: u32 = 8;

/// The keys of a connection of kind `servicenow`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Scheme and host of the instance, such as `https://acme.service-now.com`.
    pub base_url: BaseUrl,
    /// How we say who we are.
    pub auth: Auth,
    /// The instance's webhooks to us; without this section none is taken.
    #[serde(default)]
    pub webhook: Option<WebhookSettings>,
    /// Number of a state to its name; stands for the whole standard map where given.
    #[serde(default)]
    pub state_map: StateMap,
    /// Calls at once, by all processes together: 1 to [`PERMITS_MAX`], one of them kept for gates.
    #[serde(default = "permits_default")]
    pub permits: u32,
    /// How a second change of one deployment is kept away.
    #[serde(default)]
    pub create: CreateStrategy,
}

/// How a second change of one deployment is kept away, beside looking it up and waiting for what may commit late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateStrategy {
    /// By looking it up alone.
    #[default]
    LookUp,
    /// Normal and emergency changes are created with a `sys_id` of their own too, so that the instance itself
    /// refuses a second. For instances that honour one; `doctor --write` shows whether this one does.
    ChosenId,
}

fn permits_default() -> u32 {
    PERMITS_DEFAULT
}

/// Scheme, host and perhaps a path; no user, query or fragment; without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl {
    text: String,
    authority: String,
}

impl BaseUrl {
    /// As text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port: what the budget of calls is counted by.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let cure = "write it as https://<instance>.service-now.com";
        let url = Url::parse(&text).map_err(|error| format!("not a URL ({error}): {cure}"))?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("a base URL has no user, query or fragment: {cure}"));
        }
        if !matches!(url.scheme(), "http" | "https") || url.authority().is_empty() {
            return Err(format!("not an HTTP URL: {cure}"));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { text, authority: url.authority().to_owned() })
    }
}

/// How we say who we are.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// User name and password.
    Basic {
        /// The integration user.
        username: String,
        /// Its password.
        password: SecretRef,
    },
    /// OAuth 2.0 client credentials.
    Oauth {
        /// Client id of the OAuth registry entry.
        client_id: String,
        /// Its secret.
        client_secret: SecretRef,
    },
    /// A key in the header `x-sn-apikey` (ServiceNow docs, "Configure API key").
    ApiKey {
        /// The key.
        key: SecretRef,
    },
}

/// How the instance signs its webhooks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Header that carries the signature.
    #[serde(default = "header_default", deserialize_with = "header_name")]
    pub header: HeaderName,
    /// Keys of the HMAC; several while one replaces another.
    pub secrets: Vec<SecretRef>,
    /// How the signature is written. A script on the instance gets base64 (ServiceNow docs, "CertificateEncryption").
    #[serde(default = "encoding_default")]
    pub encoding: Encoding,
}

fn encoding_default() -> Encoding {
    Encoding::Hex
}

fn header_default() -> HeaderName {
    HeaderName::from_static("x-servicenow-signature")
}

fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no name of a header")))
}

/// Numbers of the instance's states and which of ours each one is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<i32, StateName>")]
pub struct StateMap(BTreeMap<i32, ChangeState>);

impl StateMap {
    /// Our state of that number; `None` where it is none that the map knows.
    #[must_use]
    pub fn state(&self, number: i32) -> Option<ChangeState> {
        self.0.get(&number).copied()
    }

    /// The number to write for a state: the standard one where the map has it so.
    #[must_use]
    pub fn number(&self, state: ChangeState) -> i32 {
        let standard = state.number();
        if self.state(standard) == Some(state) {
            return standard;
        }
        let mut known = self.0.iter();
        known.find(|(_, known)| **known == state).map_or(standard, |(number, _)| *number)
    }
}

impl StateMap {
    /// Every number that it knows, with the state.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (i32, ChangeState)> + '_ {
        self.0.iter().map(|(number, state)| (*number, *state))
    }
}

impl Default for StateMap {
    fn default() -> Self {
        Self(ChangeState::ALL.into_iter().map(|state| (state.number(), state)).collect())
    }
}

impl TryFrom<BTreeMap<i32, StateName>> for StateMap {
    type Error = String;

    fn try_from(named: BTreeMap<i32, StateName>) -> Result<Self, String> {
        let map: BTreeMap<_, _> = named.into_iter().map(|(number, name)| (number, name.state())).collect();
        match ChangeState::ALL.into_iter().find(|state| !map.values().any(|known| known == state)) {
            Some(missing) => Err(format!("no number for the state `{missing:?}`: name all eight states")),
            None => Ok(Self(map)),
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateName {
    New,
    Assess,
    Authorize,
    Scheduled,
    Implement,
    Review,
    Closed,
    Canceled,
}

impl StateName {
    fn state(self) -> ChangeState {
        match self {
            Self::New => ChangeState::New,
            Self::Assess => ChangeState::Assess,
            Self::Authorize => ChangeState::Authorize,
            Self::Scheduled => ChangeState::Scheduled,
            Self::Implement => ChangeState::Implement,
            Self::Review => ChangeState::Review,
            Self::Closed => ChangeState::Closed,
            Self::Canceled => ChangeState::Canceled,
        }
    }
}
