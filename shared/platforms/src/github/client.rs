//! Calls of GitHub's REST API for one installation of our App. No call is repeated, but for one whose token was refused.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, Response, StatusCode, header};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_runtime::ports::store::Store;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::{Effect, Reply, of_error, of_response};
use super::auth::{Token, Tokens, app_token, good};
use super::payload::Text;
use super::settings::Settings;
use crate::PlatformError;
use crate::pause::Pause;

/// GitHub refuses requests without one.
pub(super) const USER_AGENT: &str = concat!("interlock/", env!("CARGO_PKG_VERSION"));

pub(super) struct Client {
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    tokens: Tokens,
    pause: Pause,
}

/// One call.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub installation: &'a str,
    pub path: &'a str,
    /// For messages.
    pub what: &'a str,
    pub deadline: Instant,
}

#[derive(Deserialize)]
struct Minted {
    token: Text,
    expires_at: Text,
}

impl Client {
    pub fn new(
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        store: Option<Arc<dyn Store>>,
        settings: Settings,
    ) -> Self {
        let pause = Pause::new(clock.clone(), store);
        Self { http, clock, settings, tokens: Tokens::default(), pause }
    }

    /// Reads.
    pub async fn get(&self, call: Call<'_>) -> Result<Reply, PlatformError> {
        self.exchange(call, &Method::GET, Bytes::new(), Effect::Read, || Ok(())).await
    }

    /// Asks for a file; it is here, or elsewhere.
    pub async fn locate(&self, call: Call<'_>) -> Result<Reply, PlatformError> {
        self.exchange(call, &Method::GET, Bytes::new(), Effect::Locate, || Ok(())).await
    }

    /// Writes. `may_send` is asked last, after all that takes time.
    pub async fn post(
        &self,
        call: Call<'_>,
        body: Option<&Value>,
        may_send: impl Fn() -> Result<(), PlatformError>,
    ) -> Result<(), PlatformError> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.exchange(call, &Method::POST, body, Effect::Write, may_send).await.map(|_| ())
    }

    /// GitHub counts the calls of an installation (docs: "Rate limits for the REST API"), so a limit that one
    /// call met stops all calls of that installation, in every process.
    async fn exchange(
        &self,
        call: Call<'_>,
        method: &Method,
        body: Bytes,
        effect: Effect,
        may_send: impl Fn() -> Result<(), PlatformError>,
    ) -> Result<Reply, PlatformError> {
        let host = self.settings.base.host_str().unwrap_or_default();
        let limited = format!("{host}/{}", call.installation);
        self.pause.check(&limited).await?;
        let outcome = self.unpaused(call, method, body, effect, may_send).await;
        if let Err(error) = &outcome {
            self.pause.keep(&limited, error).await;
        }
        outcome
    }

    async fn unpaused(
        &self,
        call: Call<'_>,
        method: &Method,
        body: Bytes,
        effect: Effect,
        may_send: impl Fn() -> Result<(), PlatformError>,
    ) -> Result<Reply, PlatformError> {
        let mut again = true;
        loop {
            let token = self.token(call).await?;
            may_send()?;
            let request = self.request(method, call.path, token.expose(), body.clone())?;
            let sent = self.send(request, call.deadline).await;
            let response = sent.map_err(|error| of_error(&error, call.what, effect))?;
            // A 401 did nothing. The token may have been revoked before its time: one more with a fresh one.
            if response.status() == StatusCode::UNAUTHORIZED {
                self.tokens.forget(call.installation, &token).await;
                if std::mem::take(&mut again) {
                    continue;
                }
            }
            return of_response(response, call.what, effect, self.clock.now());
        }
    }

    /// A good token of the installation; one task fetches it for all.
    async fn token(&self, call: Call<'_>) -> Result<Token, PlatformError> {
        let place = self.tokens.place(call.installation);
        let late = |_| PlatformError::Transient("no token of GitHub's before the deadline".into());
        let mut held = tokio::time::timeout_at(call.deadline, place.lock()).await.map_err(late)?;
        if let Some(token) = good(held.as_ref(), self.clock.now()) {
            return Ok(token);
        }
        let token = self.mint(call.installation, call.deadline).await?;
        *held = Some(token.clone());
        Ok(token)
    }

    async fn mint(&self, installation: &str, deadline: Instant) -> Result<Token, PlatformError> {
        let what = "fetching a token";
        let app = app_token(&self.settings, self.clock.now())?;
        let path = format!("/app/installations/{installation}/access_tokens");
        let request = self.request(&Method::POST, &path, app.expose_secret(), Bytes::new())?;
        let sent = self.send(request, deadline).await;
        // A token too many harms nobody: for our purposes this is a read.
        let response = sent.map_err(|error| of_error(&error, what, Effect::Read))?;
        let answer = of_response(response, what, Effect::Read, self.clock.now()).map_err(|error| match error {
            // The run may well be there: only our App is not.
            PlatformError::Gone => PlatformError::Refused(format!(
                "GitHub does not know installation {installation}: install the App again, or end its suspension"
            )),
            other => other,
        });
        let minted: Minted = answer?.json(what)?;
        if minted.token.raw().is_empty() {
            return Err(PlatformError::Transient("GitHub's answer to fetching a token has none".into()));
        }
        // Without an end it serves this call alone.
        let ends = minted.expires_at.time().unwrap_or_else(|| self.clock.now());
        Ok(Token::new(minted.token.raw().to_owned(), ends))
    }

    pub fn request(
        &self,
        method: &Method,
        path: &str,
        token: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, PlatformError> {
        Request::builder()
            .method(method)
            .uri(self.settings.url(path))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, USER_AGENT)
            .header("x-github-api-version", &self.settings.api_version)
            .body(body)
            .map_err(|_| PlatformError::Refused(format!("no request can be made of {path} and its token")))
    }

    pub async fn send(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, HttpError> {
        if self.clock.instant() >= deadline {
            let host = self.settings.base.host_str().unwrap_or_default().to_owned();
            return Err(HttpError::NotSent { host, reason: "the deadline is over".into() });
        }
        self.http.send(request, deadline).await
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
