//! What GitHub's answers mean, classified once (docs: "Troubleshooting the REST API", "Rate limits for the REST API").

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Response, StatusCode};
use interlock_runtime::ports::http::HttpError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::artifacts::Place;
use super::payload::Text;
use crate::PlatformError;

/// How long we wait where GitHub limits us and does not say for how long (docs: at least one minute).
const PAUSE: Duration = Duration::from_secs(60);
/// The primary limit is reset each hour; nothing longer is believed.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Whether a call changes anything at the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only reads: what fails may be repeated.
    Read,
    /// It reads a file, which may be elsewhere.
    Locate,
    /// It writes: without an answer its outcome is unknown.
    Write,
}

/// A successful answer.
pub(super) struct Reply {
    body: Bytes,
    /// Where the file is, if it is elsewhere.
    location: Option<String>,
    /// The `Date` header, GitHub's own clock.
    pub date: Option<DateTime<Utc>>,
}

impl Reply {
    /// The file, or where it is.
    pub fn into_place(self) -> Place {
        match self.location {
            Some(target) => Place::At(target),
            None => Place::Here(self.body),
        }
    }

    /// The body, as JSON of this shape. A web page in its place is a passing fault.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, PlatformError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            PlatformError::Transient(format!("GitHub's answer to {what} is not the JSON it should be"))
        })
    }
}

/// What went wrong on the way.
pub(super) fn of_error(error: &HttpError, what: &str, effect: Effect) -> PlatformError {
    let text = format!("{what} at GitHub: {error}");
    match (error, effect) {
        (HttpError::TooLarge { limit, .. }, Effect::Locate) => {
            PlatformError::Refused(format!("it is larger than {limit} bytes"))
        }
        (HttpError::NotSent { .. }, _) | (_, Effect::Read | Effect::Locate) => PlatformError::Transient(text),
        (_, Effect::Write) => PlatformError::Unknown(text),
    }
}

/// The answer, if it says that the call succeeded.
pub(super) fn of_response(
    response: Response<Bytes>,
    what: &str,
    effect: Effect,
    now: DateTime<Utc>,
) -> Result<Reply, PlatformError> {
    let (parts, body) = response.into_parts();
    let date = date_of(&parts.headers);
    let status = parts.status;
    let message = message_of(&body);
    let said = message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    let text = format!("{what} at GitHub: {}{said}", status.as_u16());
    if let Some(pause) = pause_of(status, &parts.headers, message.as_deref(), date.unwrap_or(now)) {
        return Err(PlatformError::Paused(pause));
    }
    Err(match (status, effect) {
        (StatusCode::OK, Effect::Read | Effect::Locate) => return Ok(Reply { body, location: None, date }),
        (StatusCode::FOUND, Effect::Locate) => {
            let location = parts.headers.get(http::header::LOCATION).and_then(|target| target.to_str().ok());
            let nowhere = || PlatformError::Transient(format!("{text}, and does not say where to"));
            return Ok(Reply { body, location: Some(location.ok_or_else(nowhere)?.to_owned()), date });
        }
        // Its content is deleted after a time.
        (StatusCode::GONE, Effect::Locate) => PlatformError::Gone,
        // Writes are answered without content, or with JSON; a web page tells of something in between.
        (StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT, _) => {
            return Ok(Reply { body, location: None, date });
        }
        (StatusCode::UNAUTHORIZED, _) => PlatformError::Refused(format!(
            "{text}; check `app_id` and `private_key` of the connection, and our clock"
        )),
        (StatusCode::FORBIDDEN, _) => PlatformError::Refused(format!(
            "{text}; give the App Actions and Deployments read and write, and enable it for the environment"
        )),
        // A proxy's 404 has no message of GitHub's.
        (StatusCode::NOT_FOUND, _) if message.is_some() => PlatformError::Gone,
        (StatusCode::NOT_FOUND, Effect::Read | Effect::Locate) => PlatformError::Transient(text),
        (StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY, _) if message.is_some() => {
            PlatformError::Settled
        }
        (status, _) if status.is_redirection() => {
            PlatformError::Refused(format!("{text}: the repository has moved; `base_url` may be wrong too"))
        }
        (StatusCode::BAD_REQUEST, Effect::Write) if message.is_some() => PlatformError::Refused(text),
        (_, Effect::Write) => PlatformError::Unknown(text),
        (_, Effect::Read | Effect::Locate) => PlatformError::Transient(text),
    })
}

/// GitHub's own words, cut. They never hold a token of ours.
fn message_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        message: Text,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    let words = said.message.raw().chars().filter(|letter| !letter.is_control());
    Some(words.take(200).collect())
}

/// For how long GitHub wants to be left alone, if it does.
fn pause_of(
    status: StatusCode,
    headers: &HeaderMap,
    message: Option<&str>,
    now: DateTime<Utc>,
) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let seconds = if let Some(seconds) = number("retry-after") {
        seconds
    } else if number("x-ratelimit-remaining") == Some(0) {
        number("x-ratelimit-reset").map_or(60, |reset| reset - now.timestamp())
    } else {
        let limited = message.is_some_and(|message| message.to_lowercase().contains("rate limit"));
        return (limited || status == StatusCode::TOO_MANY_REQUESTS).then_some(PAUSE);
    };
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).clamp(Duration::from_secs(1), PAUSE_MAX))
}

fn date_of(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-02-03T04:05:06Z".parse().unwrap()
    }

    fn judged(
        status: u16,
        headers: &[(&str, &str)],
        body: &'static str,
        effect: Effect,
    ) -> Result<(), PlatformError> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        of_response(response.body(body.into()).unwrap(), "approve", effect, now()).map(|_| ())
    }

    const SAID: &str = r#"{"message":"No."}"#;
    const PAGE: &str = "<html>Unicorn!</html>";

    #[test]
    fn each_answer_to_a_write_has_its_meaning() {
        let write = |status, body| judged(status, &[], body, Effect::Write);
        assert_eq!(write(204, ""), Ok(()));
        assert_eq!(write(202, "{}"), Ok(()));
        assert_eq!(write(404, SAID), Err(PlatformError::Gone));
        assert_eq!(write(422, SAID), Err(PlatformError::Settled));
        assert_eq!(write(409, SAID), Err(PlatformError::Settled));
        for (status, body) in [(401, SAID), (403, SAID), (301, ""), (400, SAID)] {
            assert!(matches!(write(status, body), Err(PlatformError::Refused(_))), "{status}");
        }
        for (status, body) in [(200, PAGE), (404, PAGE), (422, PAGE), (500, SAID), (502, PAGE), (503, "")] {
            assert!(matches!(write(status, body), Err(PlatformError::Unknown(_))), "{status}");
        }
    }

    #[test]
    fn a_read_that_fails_or_shows_a_web_page_may_be_repeated() {
        for (status, body) in [(404, PAGE), (500, SAID), (503, PAGE), (418, "")] {
            let judged = judged(status, &[], body, Effect::Read);
            assert!(matches!(judged, Err(PlatformError::Transient(_))), "{status}");
        }
        let response = Response::builder().status(200).body(PAGE.into()).unwrap();
        let reply = of_response(response, "read", Effect::Read, now()).unwrap();
        assert!(matches!(reply.json::<serde_json::Value>("read"), Err(PlatformError::Transient(_))));
    }

    #[test]
    fn each_way_of_limiting_us_pauses() {
        let paused = |seconds| Err(PlatformError::Paused(Duration::from_secs(seconds)));
        let judge = |status, headers: &[(&str, &str)], body| judged(status, headers, body, Effect::Write);
        assert_eq!(judge(429, &[("retry-after", "7")], SAID), paused(7));
        assert_eq!(judge(403, &[("retry-after", "7")], SAID), paused(7));
        assert_eq!(judge(429, &[], SAID), paused(60));
        assert_eq!(judge(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#), paused(60));
        let reset = (now().timestamp() + 90).to_string();
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
        assert_eq!(judge(403, &spent, SAID), paused(90));
        assert_eq!(judge(403, &spent[..1], SAID), paused(60));
        assert_eq!(judge(429, &[("retry-after", "999999")], SAID), paused(3600));
        assert_eq!(judge(429, &[("retry-after", "-1")], SAID), paused(1));
    }

    #[test]
    fn an_error_on_the_way_is_unknown_only_for_a_write_that_left() {
        let host = "api.github.com".to_owned();
        let not_sent = HttpError::NotSent { host: host.clone(), reason: "refused".into() };
        let unknown = HttpError::Unknown { host, reason: "time-out".into() };
        assert!(matches!(of_error(&not_sent, "approve", Effect::Write), PlatformError::Transient(_)));
        assert!(matches!(of_error(&unknown, "approve", Effect::Write), PlatformError::Unknown(_)));
        assert!(matches!(of_error(&unknown, "read", Effect::Read), PlatformError::Transient(_)));
    }
}
