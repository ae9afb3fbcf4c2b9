//! Authentication as a GitHub App: a signed JWT buys a token for one installation, which is kept for its life
//! (docs: "Generating a JSON Web Token for a GitHub App", "Generating an installation access token").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::settings::Settings;
use crate::PlatformError;

/// Before its end a token is not used any more: it must not end on the way.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// GitHub's clock may be behind ours by so much.
const ISSUED_BEFORE: TimeDelta = TimeDelta::seconds(60);
/// GitHub takes ten minutes at most.
const APP_TOKEN_LIFE: TimeDelta = TimeDelta::minutes(9);
/// One App is rarely installed more often; beyond it the oldest knowledge is dropped.
const INSTALLATIONS_MAX: usize = 1_000;

/// A token of an installation. Opaque: GitHub changes its form and length without notice.
#[derive(Clone)]
pub(super) struct Token {
    secret: Arc<SecretString>,
    ends: DateTime<Utc>,
}

impl Token {
    pub fn new(secret: String, ends: DateTime<Utc>) -> Self {
        Self { secret: Arc::new(secret.into()), ends }
    }

    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.ends - MARGIN > now
    }
}

/// The place of one installation's token. Its lock is held while a token is fetched, so that one fetches for all.
pub(super) type Place = Arc<tokio::sync::Mutex<Option<Token>>>;

/// Tokens by installation.
#[derive(Default)]
pub(super) struct Tokens {
    places: Mutex<HashMap<String, Place>>,
}

impl Tokens {
    /// The place of an installation's token.
    pub fn place(&self, installation: &str) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= INSTALLATIONS_MAX && !places.contains_key(installation) {
            places.clear();
        }
        places.entry(installation.to_owned()).or_default().clone()
    }

    /// Drops a token that was refused, unless another one has taken its place already.
    pub async fn forget(&self, installation: &str, refused: &Token) {
        let place = self.place(installation);
        let mut held = place.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.secret, &refused.secret)) {
            *held = None;
        }
    }
}

/// The token in its place, while it is good.
pub(super) fn good(held: Option<&Token>, now: DateTime<Utc>) -> Option<Token> {
    held.filter(|token| token.is_good(now)).cloned()
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

/// The App's own token, signed with its private key as it stands now.
pub(super) fn app_token(settings: &Settings, now: DateTime<Utc>) -> Result<SecretString, PlatformError> {
    let pem = settings.private_key.resolve().map_err(|error| PlatformError::Refused(error.to_string()))?;
    // The library's own error may quote the key.
    let no_key = |_| PlatformError::Refused(format!("{} is no RSA key in PEM", settings.private_key));
    let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(no_key)?;
    let claims = Claims {
        iat: (now - ISSUED_BEFORE).timestamp(),
        exp: (now + APP_TOKEN_LIFE).timestamp(),
        iss: &settings.app_id,
    };
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key)
        .map(SecretString::from)
        .map_err(no_key)
}
