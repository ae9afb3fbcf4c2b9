//! The keys of a connection of kind `github`.

use interlock_runtime::config::{Connection, Fault, Faults};
use interlock_runtime::secret::SecretRef;
use serde::{Deserialize, Deserializer};
use url::Url;

/// As they stand in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// Base of the REST API; GitHub Enterprise Server: `https://<host>/api/v3`.
    #[serde(default = "public_base")]
    base_url: String,
    /// The App's id or client id.
    #[serde(deserialize_with = "text_or_number")]
    app_id: String,
    /// The App's private key, PEM.
    private_key: SecretRef,
    /// Any of them may sign a webhook, so that they can be rotated.
    webhook_secrets: Vec<SecretRef>,
    /// `X-GitHub-Api-Version`.
    #[serde(default = "api_version")]
    api_version: String,
    /// Hosts beside our own from which an artifact's content may be fetched; `*.` in front: all below.
    #[serde(default = "artifact_hosts")]
    artifact_hosts: Vec<String>,
}

/// The same, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub base: Url,
    pub app_id: String,
    pub private_key: SecretRef,
    pub webhook_secrets: Vec<SecretRef>,
    pub api_version: String,
    pub artifact_hosts: Vec<String>,
}

impl Settings {
    /// Reads and checks them.
    pub fn of(connection: &Connection) -> Result<Self, Faults> {
        let keys: Keys = connection.section()?;
        let mut faults = Faults(faults_of(&keys, connection));
        let base = faults.gather(base_of(&keys.base_url).ok_or_else(|| {
            let cure = "for example https://api.github.com, or https://<host>/api/v3";
            connection.fault("base_url", "no plain http(s) URL".into(), Some(cure.into())).into()
        }));
        let (Some(base), Ok(())) = (base, faults.clone().into_result()) else { return Err(faults) };
        if base.scheme() == "http" {
            let name = &connection.name;
            tracing::warn!(connection.name = %name, "base_url is not https: tokens cross the network in the clear");
        }
        let Keys { app_id, private_key, webhook_secrets, api_version, artifact_hosts, .. } = keys;
        Ok(Self { base, app_id, private_key, webhook_secrets, api_version, artifact_hosts })
    }

    /// The URL of an API path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }
}

fn faults_of(keys: &Keys, connection: &Connection) -> Vec<Fault> {
    let version = keys.api_version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let hosts = keys.artifact_hosts.iter().all(|host| is_host(host.strip_prefix("*.").unwrap_or(host)));
    let checks = [
        (!keys.webhook_secrets.is_empty(), "webhook_secrets", "empty", "name the webhook's secret"),
        (!keys.app_id.is_empty(), "app_id", "empty", "the App's id or client id"),
        (version, "api_version", "not a date", "for example 2022-11-28"),
        (hosts, "artifact_hosts", "not all are names of hosts", "for example *.blob.core.windows.net"),
    ];
    let broken = checks.into_iter().filter(|(well, ..)| !well);
    broken.map(|(_, key, what, cure)| connection.fault(key, what.into(), Some(cure.into()))).collect()
}

fn base_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// A domain of at least two labels: no pattern opens a whole top level.
fn is_host(text: &str) -> bool {
    let fits = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split('.').count() > 1 && text.split('.').all(fits)
}

/// Where GitHub keeps artifacts (docs: "GitHub-hosted runners", communication requirements).
fn artifact_hosts() -> Vec<String> {
    vec!["*.blob.core.windows.net".to_owned()]
}

fn public_base() -> String {
    "https://api.github.com".to_owned()
}

fn api_version() -> String {
    "2022-11-28".to_owned()
}

/// An App's id is a number and its client id a text; YAML tells them apart, we need not.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => text,
    })
}
