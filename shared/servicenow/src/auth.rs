//! Who we are: basic authentication, or OAuth client credentials with one renewal at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::secret::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::Fault;
use crate::settings::{Auth, BaseUrl};

/// A token is renewed so long before its end, or a tenth of its time if that is less.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

pub(crate) struct Credentials {
    auth: Auth,
    token_url: String,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

impl Credentials {
    pub(crate) fn new(auth: Auth, base_url: &BaseUrl, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        let token_url = format!("{}/oauth_token.do", base_url.as_str());
        Self { auth, token_url, http, clock, token: Mutex::default() }
    }

    /// The header that says who we are in the next call.
    pub(crate) async fn header(&self, deadline: Instant) -> Result<(HeaderName, HeaderValue), Fault> {
        let value = self.value(deadline).await?;
        let name = match self.auth {
            Auth::ApiKey { .. } => HeaderName::from_static("x-sn-apikey"),
            Auth::Basic { .. } | Auth::Oauth { .. } => header::AUTHORIZATION,
        };
        Ok((name, value))
    }

    async fn value(&self, deadline: Instant) -> Result<HeaderValue, Fault> {
        match &self.auth {
            Auth::Basic { username, password } => {
                let password = resolve(password)?;
                let pair = format!("{username}:{}", password.expose_secret());
                sensitive(&format!("Basic {}", STANDARD.encode(pair)))
            }
            Auth::Oauth { client_id, client_secret } => {
                self.bearer(client_id, &resolve(client_secret)?, deadline).await
            }
            Auth::ApiKey { key } => sensitive(resolve(key)?.expose_secret()),
        }
    }

    /// Differs when a secret was changed; tells nothing of it. `None` where it cannot be read.
    pub(crate) fn fingerprint(&self) -> Option<u64> {
        let (who, secret) = match &self.auth {
            Auth::Basic { username, password } => (&**username, password),
            Auth::Oauth { client_id, client_secret } => (&**client_id, client_secret),
            Auth::ApiKey { key } => ("", key),
        };
        let mut hasher = DefaultHasher::new();
        (who, resolve(secret).ok()?.expose_secret()).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// The instance refused `used`: true where another attempt can have another token.
    pub(crate) async fn forget(&self, used: &HeaderValue, deadline: Instant) -> bool {
        let Ok(mut token) = self.lock(deadline).await else { return false };
        if token.as_ref().is_some_and(|token| token.header == used) {
            *token = None;
        }
        matches!(self.auth, Auth::Oauth { .. })
    }

    /// Whoever comes first renews; the others wait for it at the lock.
    async fn bearer(&self, id: &str, secret: &SecretString, deadline: Instant) -> Result<HeaderValue, Fault> {
        let mut token = self.lock(deadline).await?;
        if let Some(token) = token.as_ref().filter(|token| self.clock.instant() < token.renew_at) {
            return Ok(token.header.clone());
        }
        let fresh = self.fetch(id, secret, deadline).await?;
        let header = fresh.header.clone();
        *token = Some(fresh);
        Ok(header)
    }

    async fn lock(&self, deadline: Instant) -> Result<MutexGuard<'_, Option<Token>>, Fault> {
        let lock = tokio::time::timeout_at(deadline, self.token.lock()).await;
        lock.map_err(|_| Fault::Unavailable("no access token: another call still waits for one".into()))
    }

    async fn fetch(&self, id: &str, secret: &SecretString, deadline: Instant) -> Result<Token, Fault> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", id)
            .append_pair("client_secret", secret.expose_secret())
            .finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.token_url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|error| Fault::Input(format!("the token's address is no URI: {error}")))?;
        let asked_at = self.clock.instant();
        let sent = self.http.send(request, deadline).await;
        // Only the token was asked for, so whatever the call was for has not been sent.
        let response = sent.map_err(|error| Fault::Unavailable(format!("no access token: {error}")))?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
            return Err(Fault::NotAuthenticated(format!(
                "no access token is given ({status}); check client id and secret, the OAuth application \
                 user, and the property glide.oauth.inbound.client.credential.grant_type.enabled"
            )));
        }
        token(response.body(), asked_at)
            .ok_or_else(|| Fault::Unavailable(format!("no access token: the answer ({status}) holds none")))
    }
}

/// The instance gives the same token again until it ends, so `expires_in` is what is left of it.
fn token(body: &[u8], asked_at: Instant) -> Option<Token> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let header = sensitive(&format!("Bearer {}", body.get("access_token")?.as_str()?)).ok()?;
    let left = Duration::from_secs(body.get("expires_in").and_then(seconds).unwrap_or(0));
    let renew_at = asked_at + left.saturating_sub(RENEWAL_MARGIN.min(left / 10));
    Some(Token { header, renew_at })
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Read anew for each call, so that a rotated secret needs no restart.
fn resolve(secret: &SecretRef) -> Result<SecretString, Fault> {
    secret.resolve().map_err(|error| Fault::Input(error.to_string()))
}

fn sensitive(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Fault::Input("the credentials hold characters that no header can carry".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
