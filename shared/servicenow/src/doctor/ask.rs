//! One question to the instance, and what was heard: no repeats, no pauses, no conclusions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::{Http, HttpError};
use serde_json::{Map, Value};

use super::readings::{Habits, Heard, Rows};
use crate::answer;
use crate::auth::Credentials;
use crate::error::Fault;
use crate::query::Address;
use crate::settings::Settings;
use crate::skew;

/// An examination does not wait longer for one answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const TITLE_CHARS_MAX: usize = 80;

/// Asks one instance as one user.
pub(super) struct Asker {
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    base: String,
    credentials: Credentials,
    pub(super) calls: u32,
    pub(super) habits: Habits,
}

/// What is written.
pub(super) struct Body {
    content_type: &'static str,
    bytes: Bytes,
}

impl Body {
    pub(super) fn json(value: &Map<String, Value>) -> Self {
        let bytes = Bytes::from(Value::Object(value.clone()).to_string());
        Self { content_type: "application/json", bytes }
    }

    pub(super) fn text(text: &'static str) -> Self {
        Self { content_type: "text/plain", bytes: Bytes::from_static(text.as_bytes()) }
    }
}

impl Asker {
    pub(super) fn new(settings: &Settings, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        let (auth, base) = (settings.auth.clone(), &settings.base_url);
        let credentials = Credentials::new(auth, base, http.clone(), clock.clone());
        let base = base.as_str().to_owned();
        Self { http, clock, base, credentials, calls: 0, habits: Habits::default() }
    }

    /// Who we are; with OAuth this asks for a token.
    pub(super) async fn log_in(&mut self) -> Result<(HeaderName, HeaderValue), Fault> {
        self.credentials.header(self.clock.instant() + CALL_TIMEOUT).await
    }

    /// Without saying who we are: only whether an API answers.
    pub(super) async fn anybody(&mut self, address: &Address) -> Heard {
        self.exchange(&Method::GET, address, None, None).await
    }

    /// Reads. Once the instance has refused a call for its number, nothing more is read.
    pub(super) async fn get(&mut self, address: &Address) -> Heard {
        if self.habits.throttled.is_some() {
            return Heard::NotAsked("the instance takes no more calls now".to_owned());
        }
        self.send(&Method::GET, address, None).await
    }

    /// Reads or writes, whatever was heard before.
    pub(super) async fn send(&mut self, method: &Method, address: &Address, body: Option<Body>) -> Heard {
        match self.log_in().await {
            Ok(who) => self.exchange(method, address, body, Some(who)).await,
            Err(fault) => Heard::Silent(fault.to_string()),
        }
    }

    async fn exchange(
        &mut self,
        method: &Method,
        address: &Address,
        body: Option<Body>,
        who: Option<(HeaderName, HeaderValue)>,
    ) -> Heard {
        let uri = format!("{}{}", self.base, address.as_str());
        let mut request =
            Request::builder().method(method).uri(uri).header(header::ACCEPT, "application/json");
        if let Some((name, value)) = who {
            request = request.header(name, value);
        }
        if let Some(body) = &body {
            request = request.header(header::CONTENT_TYPE, body.content_type);
        }
        let request = match request.body(body.map(|body| body.bytes).unwrap_or_default()) {
            Ok(request) => request,
            Err(error) => return Heard::NotAsked(format!("the address is no URI: {error}")),
        };
        self.calls += 1;
        let sent = self.clock.now();
        let answer = self.http.send(request, self.clock.instant() + CALL_TIMEOUT).await;
        match answer {
            Ok(answer) => self.heard(&answer, sent),
            Err(HttpError::NotSent { reason, .. }) => Heard::Unsent(reason),
            Err(error) => Heard::Silent(error.to_string()),
        }
    }

    fn heard(&mut self, answer: &Response<Bytes>, sent: DateTime<Utc>) -> Heard {
        let headers = answer.headers();
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        self.habits.skew_seconds =
            skew::seconds_ahead(headers, sent, self.clock.now()).or(self.habits.skew_seconds);
        self.habits.calls_an_hour = number("x-ratelimit-limit").or(self.habits.calls_an_hour);
        let status = answer.status();
        if status.is_redirection() || answer::is_markup(answer) {
            return Heard::Page { status, title: title(answer.body()) };
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                Heard::Unauthorized { second_factor: headers.contains_key("x-mfa_token") }
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let by_a_rule = headers.contains_key("x-ratelimit-limit");
                self.habits.throttled = Some(super::readings::Throttle { by_a_rule });
                Heard::NotAsked("the instance takes no more calls now".to_owned())
            }
            _ if status.is_server_error() => Heard::Silent(format!("it fails with {status}")),
            _ if status.is_success() => rows(answer, number("x-total-count")),
            _ => Heard::Refused { status, said: answer::words(answer) },
        }
    }
}

fn rows(answer: &Response<Bytes>, total: Option<u64>) -> Heard {
    let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else {
        return Heard::Silent("its answer is cut or not JSON".to_owned());
    };
    if body.get("error").is_some() {
        return Heard::Silent(format!("an error within its answer: {}", answer::words(answer)));
    }
    let rows = match body.get("result") {
        Some(Value::Array(rows)) => rows.iter().filter_map(Value::as_object).cloned().collect(),
        Some(Value::Object(row)) => vec![row.clone()],
        _ => return Heard::Silent("its answer has no result".to_owned()),
    };
    Heard::Rows(Rows { rows, total })
}

fn title(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default();
    title.trim().chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect()
}
