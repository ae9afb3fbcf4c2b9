//! Who may call: App tokens that the client signs, installation tokens that we mint, and the hourly quota.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::model::Refused;
use super::options::Options;

const TOKENS_MAX: usize = 10_000;
/// Docs, "Generating a JSON Web Token (JWT) for a GitHub App": no more than ten minutes ahead.
const LIFE_MAX_SECONDS: i64 = 600;
/// The docs advise `iat` a minute in the past because GitHub refuses one that lies ahead of its own clock.
const AHEAD_MAX_SECONDS: i64 = 5;

#[derive(Default)]
pub(super) struct Tokens {
    /// Installation tokens and when they end.
    minted: BTreeMap<String, DateTime<Utc>>,
    count: u64,
    window: Option<DateTime<Utc>>,
    used: u32,
}

#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: i64,
    exp: i64,
}

impl Tokens {
    /// Mints a token. It is long and has no fixed form, as the stateless form that GitHub rolls out.
    pub fn mint(
        &mut self,
        options: &Options,
        ttl_seconds: u64,
        now: DateTime<Utc>,
    ) -> (String, DateTime<Utc>) {
        self.minted.retain(|_, ends| *ends > now);
        if self.minted.len() >= TOKENS_MAX {
            self.minted.pop_first();
        }
        self.count += 1;
        let secret =
            |half: u8| hex::encode(Sha256::digest(format!("{}:{}:{half}", options.seed, self.count)));
        let token = format!("ghs_{}_{}.{}", options.app_id, secret(0), secret(1));
        let ends = now + Duration::seconds(i64::try_from(ttl_seconds).unwrap_or(i64::MAX).min(86_400));
        self.minted.insert(token.clone(), ends);
        (token, ends)
    }

    /// Whether a token is ours and has not ended.
    pub fn check(&self, token: Option<&str>, now: DateTime<Utc>) -> Result<(), Refused> {
        let token = token.ok_or_else(|| Refused::new(401, "Requires authentication"))?;
        match self.minted.get(token) {
            Some(ends) if *ends > now => Ok(()),
            _ => Err(Refused::new(401, "Bad credentials")),
        }
    }

    /// Every token that is out ends now.
    pub fn revoke_all(&mut self) {
        self.minted.clear();
    }

    /// Ends all tokens and fills the quota; the next token is none of the old ones.
    pub fn clear(&mut self) {
        *self = Self { count: self.count, ..Self::default() };
    }

    /// Counts one call against the hour's quota.
    pub fn spend(&mut self, limit: u32, now: DateTime<Utc>) -> Result<(), Refused> {
        if self.window.is_none_or(|from| now >= from + Duration::hours(1)) {
            self.window = Some(now);
            self.used = 0;
        }
        if self.used >= limit {
            return Err(Refused::new(403, "API rate limit exceeded for installation."));
        }
        self.used += 1;
        Ok(())
    }

    /// Docs, "Rate limits for the REST API": what every answer says about the quota.
    pub fn quota_headers(&self, limit: u32, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let reset = self.window.unwrap_or(now) + Duration::hours(1);
        vec![
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", limit.saturating_sub(self.used).to_string()),
            ("x-ratelimit-used", self.used.to_string()),
            ("x-ratelimit-reset", reset.timestamp().to_string()),
            ("x-ratelimit-resource", "core".to_owned()),
        ]
    }
}

/// Checks an App's own token: RS256, issuer, and times by the simulator's clock.
pub(super) fn check_app(options: &Options, token: Option<&str>, now: DateTime<Utc>) -> Result<(), Refused> {
    let undecodable = || Refused::new(401, "A JSON web token could not be decoded");
    let token = token.ok_or_else(undecodable)?;
    let key = DecodingKey::from_rsa_pem(options.app_public_pem.as_bytes()).map_err(|_| undecodable())?;
    let mut validation = Validation::new(Algorithm::RS256);
    // The times are judged below, by simulated time.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| undecodable())?.claims;
    check_issuer(options, &claims.iss)?;
    check_times(&claims, now.timestamp())
}

fn check_issuer(options: &Options, iss: &Value) -> Result<(), Refused> {
    let fits = match iss {
        Value::Number(number) => number.as_u64() == Some(options.app_id),
        Value::String(text) => *text == options.client_id || *text == options.app_id.to_string(),
        _ => false,
    };
    if fits { Ok(()) } else { Err(Refused::new(401, "Integration not found")) }
}

fn check_times(claims: &Claims, now: i64) -> Result<(), Refused> {
    let message = if claims.exp <= now {
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    } else if claims.exp > now + LIFE_MAX_SECONDS {
        "'Expiration time' claim ('exp') is too far in the future"
    } else if claims.iat > now + AHEAD_MAX_SECONDS {
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    } else {
        return Ok(());
    };
    Err(Refused::new(401, message))
}
