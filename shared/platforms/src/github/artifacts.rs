//! What a run uploaded (docs: "REST API endpoints for GitHub Actions artifacts"). An artifact's content is in a store
//! of its own, to which GitHub sends us on: only to hosts that the connection permits, and without our token.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use interlock_runtime::ports::http::HttpError;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::answer::{Effect, of_error};
use super::client::{Call, Client, USER_AGENT};
use super::gate::Gate;
use super::payload::{Part, Text, is_id};
use super::run::{Look, PAGE};
use super::settings::Settings;
use crate::{Artifact, PlatformError};

/// A run with more artifacts than these shows its newest.
const PAGES_MAX: usize = 3;
const NAME_CHARS_MAX: usize = 200;
/// A content that takes longer is not waited for.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often we are sent on.
const HOPS_MAX: usize = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    artifacts: Vec<Part<ArtifactPart>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ArtifactPart {
    id: Text,
    name: Text,
    size_in_bytes: Text,
    expired: bool,
}

/// The run's artifacts, oldest first. Of a name that several attempts of the run uploaded, the last.
pub(super) async fn list(client: &Client, gate: &Gate) -> Result<Vec<Artifact>, PlatformError> {
    let mut look = Look::new(client, gate);
    let mut newest: BTreeMap<String, Artifact> = BTreeMap::new();
    for page in 1..=PAGES_MAX {
        let path = format!("{}/artifacts?per_page={PAGE}&page={page}", gate.run());
        let some: Page = look.get("reading the run's artifacts", &path).await?;
        let is_last = some.artifacts.len() < PAGE;
        for artifact in some.artifacts.iter().filter_map(|part| part.get().and_then(artifact)) {
            let held = newest.get(&artifact.name).map_or(0, number);
            if number(&artifact) > held {
                newest.insert(artifact.name.clone(), artifact);
            }
        }
        if is_last {
            break;
        }
    }
    let mut all: Vec<Artifact> = newest.into_values().collect();
    all.sort_by_key(number);
    Ok(all)
}

fn number(artifact: &Artifact) -> u64 {
    artifact.id.parse().unwrap_or(0)
}

fn artifact(part: &ArtifactPart) -> Option<Artifact> {
    let id = Some(part.id.raw()).filter(|id| is_id(id))?;
    let name: String = part.name.raw().chars().take(NAME_CHARS_MAX).collect();
    let bytes = part.size_in_bytes.raw().parse().unwrap_or(0);
    (!name.is_empty()).then(|| Artifact { id: id.to_owned(), name, bytes, expired: part.expired })
}

/// The content of one, a ZIP archive.
pub(super) async fn content(client: &Client, gate: &Gate, id: &str) -> Result<Bytes, PlatformError> {
    if !is_id(id) {
        return Err(PlatformError::Refused("this is no id of an artifact".into()));
    }
    let path = format!("{}/actions/artifacts/{id}/zip", gate.repository());
    let deadline = client.clock.instant() + TIMEOUT;
    let what = "asking for an artifact";
    let call = Call { installation: &gate.installation_id, path: &path, what, deadline };
    let mut place = client.locate(call).await?.into_place();
    for _ in 0..HOPS_MAX {
        let Place::At(target) = &place else { break };
        place = fetch(client, &permitted(target, &client.settings)?, deadline).await?;
    }
    if let Place::Here(content) = place {
        return Ok(content);
    }
    Err(PlatformError::Refused("an artifact's content moves on and on: it is not followed".into()))
}

/// Where a content is.
pub(super) enum Place {
    Here(Bytes),
    At(String),
}

/// An address that we may be sent on to: of the API itself, or of a permitted host, on the usual port and encrypted.
fn permitted(target: &str, settings: &Settings) -> Result<Url, PlatformError> {
    let refuse = |why: &str| PlatformError::Refused(format!("an artifact's content is not fetched: {why}"));
    let url = settings.base.join(target).map_err(|_| refuse("its address is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("its address names a user"));
    }
    if url.origin() == settings.base.origin() {
        return Ok(url);
    }
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    if url.scheme() != "https" || url.port().is_some() {
        return Err(refuse(&format!("`{host}` is not asked by plain https")));
    }
    let is_name = matches!(url.host(), Some(url::Host::Domain(_)));
    if is_name && settings.artifact_hosts.iter().any(|known| fits(known, &host)) {
        return Ok(url);
    }
    Err(refuse(&format!(
        "`{host}` is not among `artifact_hosts` of the connection; add it if it is GitHub's"
    )))
}

/// `*.example.com` is every host below it; else the host itself.
fn fits(known: &str, host: &str) -> bool {
    let known = known.to_ascii_lowercase();
    match known.strip_prefix("*.") {
        Some(domain) => {
            host.strip_suffix(domain).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
        None => host == known,
    }
}

async fn fetch(client: &Client, target: &Url, deadline: Instant) -> Result<Place, PlatformError> {
    let what = "fetching an artifact's content";
    let request = Request::builder()
        .method(Method::GET)
        .uri(target.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .body(Bytes::new())
        .map_err(|_| PlatformError::Refused("an artifact's address cannot be asked".into()))?;
    match client.send(request, deadline).await {
        Ok(response) => place_in(&response),
        Err(HttpError::TooLarge { limit, .. }) => {
            Err(PlatformError::Refused(format!("it is larger than {limit} bytes")))
        }
        Err(error) => Err(of_error(&error, what, Effect::Read)),
    }
}

/// The address carries a signature that is good for minutes, so what it refuses is asked for anew.
fn place_in(response: &Response<Bytes>) -> Result<Place, PlatformError> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(Place::Here(response.body().clone()));
    }
    let target = response.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
    match target.filter(|_| status.is_redirection()) {
        Some(target) => Ok(Place::At(target.to_owned())),
        None => {
            let text = format!("fetching an artifact's content: its store answers {}", status.as_u16());
            Err(PlatformError::Transient(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_one(known: &[&str], host: &str) -> bool {
        known.iter().any(|known| fits(known, host))
    }

    #[test]
    fn a_pattern_is_every_host_below_a_domain_and_no_other() {
        let known = ["*.blob.core.windows.net", "files.example.com"];
        for host in ["a.blob.core.windows.net", "a.b.blob.core.windows.net", "files.example.com"] {
            assert!(fits_one(&known, host), "{host}");
        }
        for host in [
            "blob.core.windows.net",
            ".blob.core.windows.net",
            "evilblob.core.windows.net",
            "a.blob.core.windows.net.evil.example",
            "a.files.example.com",
            "169.254.169.254",
            "",
        ] {
            assert!(!fits_one(&known, host), "{host}");
        }
    }
}
