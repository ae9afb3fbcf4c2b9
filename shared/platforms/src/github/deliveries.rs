//! Webhooks that GitHub could not hand over. It tries each once (docs: "Handling failed webhook deliveries"), keeps
//! the list for three days, and shows it to the App itself (docs: "REST API endpoints for GitHub App webhooks").

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use interlock_runtime::webhook::{Authenticated, Verified};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::answer::{Effect, Reply, of_error, of_response};
use super::auth::app_token;
use super::client::Client;
use super::payload::{Text, is_id};
use crate::{LookBack, PlatformError, Undelivered};

const TIMEOUT: Duration = Duration::from_secs(15);
/// Pages of one look back: some thousand deliveries.
const PAGES_MAX: usize = 10;
const PAGE: usize = 100;
/// Older ones can neither be seen nor sent again (docs: "Viewing webhook deliveries").
const KEPT: TimeDelta = TimeDelta::days(3);
/// What we translate; gates first, since only they are missed by nobody else.
const EVENTS: [(&str, &str); 4] = [
    ("deployment_protection_rule", "requested"),
    ("deployment_status", "created"),
    ("workflow_run", "completed"),
    ("deployment", "created"),
];

/// An item of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    id: Text,
    guid: Text,
    delivered_at: Text,
    status_code: Text,
    event: Text,
    action: Text,
}

/// Lists what was not taken since `since`. The newest try of a webhook decides.
pub(super) async fn undelivered(client: &Client, since: DateTime<Utc>) -> Result<LookBack, PlatformError> {
    let since = since.max(client.now() - KEPT);
    let (mut failed, mut known) = (Vec::new(), BTreeSet::new());
    let mut path = format!("/app/hook/deliveries?per_page={PAGE}");
    for _ in 0..PAGES_MAX {
        let (items, next) = page(client, &path).await?;
        for item in &items {
            if item.delivered_at.time().is_some_and(|at| at < since) {
                return Ok(look_back(failed, true));
            }
            if known.insert(item.guid.raw().to_owned()) {
                failed.extend(item.failed());
            }
        }
        let Some(cursor) = next else { return Ok(look_back(failed, true)) };
        path = format!("/app/hook/deliveries?per_page={PAGE}&cursor={cursor}");
    }
    Ok(look_back(failed, false))
}

/// The most important first, of these the oldest.
fn look_back(mut failed: Vec<(usize, Undelivered)>, whole: bool) -> LookBack {
    failed.sort_by_key(|(rank, one)| (*rank, one.at));
    LookBack { undelivered: failed.into_iter().map(|(_, one)| one).collect(), whole }
}

impl Item {
    fn failed(&self) -> Option<(usize, Undelivered)> {
        let what = (self.event.raw(), self.action.raw());
        let rank = EVENTS.iter().position(|event| *event == what)?;
        // A delivery that nobody answered has the status 0, or one of GitHub's own.
        let was_taken = self.status_code.number().is_some_and(|code| (200..300).contains(&code));
        let id = self.id.owned().filter(|id| is_id(id) && !was_taken)?;
        Some((rank, Undelivered { id, at: self.delivered_at.time()? }))
    }
}

async fn page(client: &Client, path: &str) -> Result<(Vec<Item>, Option<String>), PlatformError> {
    let what = "listing webhook deliveries";
    let (answer, reply) = as_app(client, &Method::GET, path, what, Effect::Read).await?;
    Ok((reply.json(what)?, cursor_of(answer.response())))
}

/// The cursor in the link to the next page. The link itself is not called.
fn cursor_of<T>(response: &Response<T>) -> Option<String> {
    let links = response.headers().get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let url = Url::parse(next.split('<').nth(1)?.split('>').next()?).ok()?;
    let cursor = url.query_pairs().find(|(name, _)| name == "cursor")?.1.into_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    Some(cursor).filter(|cursor| cursor.len() <= 200 && cursor.bytes().all(plain))
}

/// One delivery with its payload.
pub(super) async fn read_back(client: &Client, id: &str) -> Result<Option<Verified>, PlatformError> {
    let (path, what) = (format!("/app/hook/deliveries/{id}"), "reading a webhook delivery");
    match as_app(client, &Method::GET, &path, what, Effect::Read).await {
        Ok((answer, _)) => Ok(answer.webhook(client.now(), pick)),
        Err(PlatformError::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The event's name and the payload. What else was sent with it matters to nobody.
fn pick(shown: &Value) -> Option<(HeaderMap, Value)> {
    let payload = shown.pointer("/request/payload").filter(|payload| payload.is_object())?;
    let mut headers = HeaderMap::new();
    headers.insert("x-github-event", HeaderValue::from_str(shown["event"].as_str()?).ok()?);
    headers.insert("x-github-delivery", HeaderValue::from_str(shown["guid"].as_str()?).ok()?);
    Some((headers, payload.clone()))
}

pub(super) async fn send_again(client: &Client, id: &str) -> Result<(), PlatformError> {
    let path = format!("/app/hook/deliveries/{id}/attempts");
    as_app(client, &Method::POST, &path, "asking for a webhook again", Effect::Write).await.map(drop)
}

/// A call as the App itself, not as one of its installations.
pub(super) async fn as_app(
    client: &Client,
    method: &Method,
    path: &str,
    what: &str,
    effect: Effect,
) -> Result<(Authenticated, Reply), PlatformError> {
    let deadline: Instant = client.clock.instant() + TIMEOUT;
    let token = app_token(&client.settings, client.now())?;
    let request = client.request(method, path, token.expose_secret(), bytes::Bytes::new())?;
    let answer = Authenticated::fetch(&*client.http, request, deadline).await;
    let answer = answer.map_err(|error| of_error(&error, what, effect))?;
    let reply = of_response(answer.response().clone(), what, effect, client.now())?;
    Ok((answer, reply))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn linked(link: &str) -> Response<()> {
        Response::builder().header("link", link).body(()).expect("a response")
    }

    #[test]
    fn the_next_page_is_a_cursor_and_never_an_address() {
        let link = r#"<https://elsewhere.example/x?per_page=100&cursor=v1_12>; rel="next""#;
        assert_eq!(cursor_of(&linked(link)).as_deref(), Some("v1_12"));
        assert_eq!(cursor_of(&linked(r#"<https://x.example/?cursor=v1_12>; rel="prev""#)), None);
        assert_eq!(cursor_of(&linked(r#"<https://x.example/?cursor=a%2F..>; rel="next""#)), None);
        assert_eq!(cursor_of(&linked("nonsense")), None);
    }

    #[test]
    fn what_we_translate_and_nobody_took_has_failed() {
        let failed = |event: &str, action: &str, code: Value| {
            let item = json!({
                "id": 7, "guid": "g", "delivered_at": "2026-03-01T09:00:00Z", "status_code": code, "event": event,
                "action": action,
            });
            serde_json::from_value::<Item>(item).expect("an item").failed().is_some()
        };
        assert!(failed("workflow_run", "completed", json!(503)) && failed("deployment", "created", json!(0)));
        assert!(failed("deployment_status", "created", json!(302)));
        assert!(failed("deployment", "created", Value::Null));
        assert!(!failed("workflow_run", "completed", json!(202)));
        assert!(!failed("push", "", json!(503)), "we would translate it into nothing");
        assert!(!failed("workflow_run", "requested", json!(503)), "nor this");
    }
}
