//! Tokens that were issued: access tokens, shared within their lifetime, and refresh tokens.

use chrono::{DateTime, Duration, Utc};

/// How many tokens of each kind are kept; the oldest go first.
const TOKENS_MAX: usize = 1000;

/// Tokens that were issued; the last of each client and user is the current one.
#[derive(Debug, Default)]
pub(in crate::servicenow) struct Tokens {
    access: Vec<Token>,
    refresh: Vec<Token>,
}

/// A token, and whom it stands for.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) value: String,
    pub(super) client_id: String,
    pub(super) user_name: String,
    pub(super) expires: DateTime<Utc>,
}

impl Token {
    /// Whole seconds that are left of it.
    pub(super) fn seconds_left(&self, now: DateTime<Utc>) -> i64 {
        (self.expires - now).num_seconds()
    }

    /// The same for somebody, with a lifetime.
    pub(super) fn new(value: String, whose: (&str, &str), now: DateTime<Utc>, lifetime_s: i64) -> Self {
        Self {
            value,
            client_id: whose.0.to_owned(),
            user_name: whose.1.to_owned(),
            expires: now + Duration::seconds(lifetime_s),
        }
    }
}

impl Tokens {
    /// Makes every token invalid.
    pub(in crate::servicenow) fn revoke(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    /// The user that an access token stands for.
    pub(super) fn user_of(&self, value: &str, now: DateTime<Utc>) -> Option<&str> {
        let found = self.access.iter().find(|token| token.expires > now && token.value == value);
        found.map(|token| token.user_name.as_str())
    }

    /// The access token that a client already has for a user.
    pub(super) fn current(&self, whose: (&str, &str), now: DateTime<Utc>) -> Option<Token> {
        current(&self.access, whose, now)
    }

    /// As `current`, of refresh tokens.
    pub(super) fn current_refresh(&self, whose: (&str, &str), now: DateTime<Utc>) -> Option<Token> {
        current(&self.refresh, whose, now)
    }

    /// The refresh token of this client with this value.
    pub(super) fn refresh(&self, client_id: &str, value: &str, now: DateTime<Utc>) -> Option<Token> {
        let mut live = self.refresh.iter().filter(|token| token.expires > now);
        live.find(|token| token.client_id == client_id && token.value == value).cloned()
    }

    /// Forgets the access tokens of a client for a user, so that the next one is new.
    pub(super) fn replace(&mut self, whose: (&str, &str)) {
        self.access.retain(|token| !belongs(token, whose));
    }

    /// Keeps an access token.
    pub(super) fn keep(&mut self, token: Token) {
        keep(&mut self.access, token);
    }

    /// Keeps a refresh token.
    pub(super) fn keep_refresh(&mut self, token: Token) {
        keep(&mut self.refresh, token);
    }
}

fn belongs(token: &Token, (client, user): (&str, &str)) -> bool {
    token.client_id == client && token.user_name == user
}

fn current(tokens: &[Token], whose: (&str, &str), now: DateTime<Utc>) -> Option<Token> {
    tokens.iter().find(|token| token.expires > now && belongs(token, whose)).cloned()
}

fn keep(tokens: &mut Vec<Token>, token: Token) {
    if tokens.len() >= TOKENS_MAX {
        tokens.remove(0);
    }
    tokens.push(token);
}
