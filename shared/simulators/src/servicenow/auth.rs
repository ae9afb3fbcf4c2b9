//! Who asks: basic authentication, OAuth bearer tokens and API keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use http::HeaderMap;
use serde_json::{Value, json};

use super::api::Actor;
use super::options::Options;
use super::world::World;

/// Access tokens that were issued; the last of each client is the current one.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Token>);

const TOKENS_MAX: usize = 1000;

#[derive(Debug)]
struct Token {
    value: String,
    client_id: String,
    user_name: String,
    expires: DateTime<Utc>,
}

impl Tokens {
    /// Makes every token invalid.
    pub(super) fn revoke(&mut self) {
        self.0.clear();
    }

    fn user_of(&self, value: &str, now: DateTime<Utc>) -> Option<&str> {
        let mut live = self.0.iter().filter(|token| token.expires > now);
        let found = live.find(|token| token.value == value);
        found.map(|token| token.user_name.as_str())
    }
}

/// The user behind a request's headers.
pub(super) fn actor(world: &World, options: &Options, headers: &HeaderMap) -> Option<Actor> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(key) = header("x-sn-apikey") {
        let mut keys = options.api_keys.iter();
        let (_, user) = keys.find(|(known, _)| known == key)?;
        return user_named(world, user);
    }
    let (scheme, rest) = header("authorization")?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return user_named(world, world.tokens.user_of(rest, world.now)?);
    }
    if !scheme.eq_ignore_ascii_case("basic") || world.knobs.basic_gate_401 {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    let mut accounts = world.accounts.iter();
    accounts.find(|known| known.user_name == name && known.password == password)?;
    user_named(world, name)
}

/// A user by name, if the account exists and is active.
pub(super) fn user_named(world: &World, name: &str) -> Option<Actor> {
    let account = world.accounts.iter().find(|known| known.user_name == name)?;
    let row = world.row("sys_user", &account.sys_id)?;
    let active = row.get("active") != "false" && row.get("locked_out") != "true";
    active.then(|| Actor {
        user_name: account.user_name.clone(),
        sys_id: account.sys_id.clone(),
        roles: account.roles.clone(),
    })
}

/// `POST /oauth_token.do`: status and body. Every failure looks alike.
pub(super) fn token(world: &mut World, options: &Options, body: &[u8]) -> (u16, Value) {
    let form: Vec<_> = url::form_urlencoded::parse(body).into_owned().collect();
    let given = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let client = options.oauth_clients.iter().find(|client| {
        given("client_id") == Some(&client.client_id) && given("client_secret") == Some(&client.client_secret)
    });
    let user = client.and_then(|client| user_named(world, &client.user_name));
    match (given("grant_type"), client, user) {
        (Some("client_credentials"), Some(client), Some(user)) => {
            let (value, seconds) = current(world, &client.client_id, &user.user_name);
            let body = json!({
                "access_token": value,
                "scope": "useraccount",
                "token_type": "Bearer",
                "expires_in": seconds,
            });
            (200, body)
        }
        _ => {
            let body = json!({ "error_description": "access_denied", "error": "server_error" });
            (401, body)
        }
    }
}

/// Within its lifetime the same token is given again, with what is left of it.
fn current(world: &mut World, client_id: &str, user_name: &str) -> (String, i64) {
    let now = world.now;
    world.tokens.0.retain(|token| token.expires > now);
    let mut live = world.tokens.0.iter();
    if let Some(token) = live.find(|token| token.client_id == client_id) {
        return (token.value.clone(), (token.expires - now).num_seconds());
    }
    let lifetime = world.knobs.token_lifetime_s;
    let token = Token {
        value: format!("{}{}", world.new_id(), world.new_id()),
        client_id: client_id.to_owned(),
        user_name: user_name.to_owned(),
        expires: now + Duration::seconds(lifetime),
    };
    let value = token.value.clone();
    if world.tokens.0.len() >= TOKENS_MAX {
        world.tokens.0.remove(0);
    }
    world.tokens.0.push(token);
    (value, lifetime)
}
