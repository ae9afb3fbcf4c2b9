//! `POST /oauth_token.do` (vendor page "OAuth API request parameters"): client credentials, password, refresh
//! token and JWT bearer. Every failure looks alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tokens::Token;
use super::user_named;
use crate::servicenow::options::{OauthClient, Options};
use crate::servicenow::world::World;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Refresh tokens live a hundred days.
const REFRESH_LIFETIME_S: i64 = 100 * 24 * 3600;

/// A form that asks for a token.
struct Asked {
    form: Vec<(String, String)>,
    /// Some clients send their id and secret as basic authentication.
    basic: Option<(String, String)>,
    bearer: Option<String>,
}

impl Asked {
    fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let basic = header("authorization").and_then(|value| {
            let pair = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
            let pair = String::from_utf8(pair).ok()?;
            let (id, secret) = pair.split_once(':')?;
            Some((id.to_owned(), secret.to_owned()))
        });
        // The vendor's own Python client sends its assertion in a header of this name.
        let bearer = header("authentication").and_then(|value| value.strip_prefix("Bearer "));
        Self {
            form: url::form_urlencoded::parse(body).into_owned().collect(),
            basic,
            bearer: bearer.map(str::to_owned),
        }
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn client<'a>(&self, options: &'a Options) -> Option<&'a OauthClient> {
        let form = self.given("client_id").zip(self.given("client_secret"));
        let basic = self.basic.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        let (id, secret) = form.or(basic)?;
        options.oauth_clients.iter().find(|client| client.client_id == id && client.client_secret == secret)
    }
}

/// Status and body.
pub(in crate::servicenow) fn token(
    world: &mut World,
    options: &Options,
    headers: &HeaderMap,
    body: &Bytes,
) -> (u16, Value) {
    let asked = Asked::read(headers, body);
    match granted(world, options, &asked) {
        Some(body) => (200, body),
        None => {
            let body = json!({ "error_description": "access_denied", "error": "server_error" });
            (world.knobs.token_error_status, body)
        }
    }
}

fn granted(world: &mut World, options: &Options, asked: &Asked) -> Option<Value> {
    let client = asked.client(options)?;
    let client_id = client.client_id.as_str();
    match asked.given("grant_type")? {
        "client_credentials" if world.knobs.client_credentials_enabled => {
            let user = user_for_token(world, &client.user_name)?;
            Some(answer(world, (client_id, &user), None))
        }
        "password" => {
            let (name, password) = asked.given("username").zip(asked.given("password"))?;
            let known = |account: &&super::Account| account.user_name == name && account.password == password;
            world.accounts.iter().find(known)?;
            let user = user_named(world, name)?.user_name;
            let refresh = refresh_token(world, (client_id, &user));
            Some(answer(world, (client_id, &user), Some(refresh)))
        }
        "refresh_token" => {
            let refresh = world.tokens.refresh(client_id, asked.given("refresh_token")?, world.now)?;
            let user = user_named(world, &refresh.user_name)?.user_name;
            world.tokens.replace((client_id, &user));
            Some(answer(world, (client_id, &user), Some(refresh.value)))
        }
        JWT_BEARER => {
            let assertion = asked.given("assertion").or(asked.bearer.as_deref())?;
            let name = subject(world, options, client_id, assertion)?;
            let user = user_named(world, &name)?.user_name;
            Some(answer(world, (client_id, &user), None))
        }
        _ => None,
    }
}

/// Whether a user who is locked out gets a token differs.
fn user_for_token(world: &World, name: &str) -> Option<String> {
    if !world.knobs.locked_users_get_tokens {
        return Some(user_named(world, name)?.user_name);
    }
    let known = world.accounts.iter().find(|account| account.user_name == name)?;
    Some(known.user_name.clone())
}

/// Within its lifetime the same token is given again, with what is left of it.
fn answer(world: &mut World, whose: (&str, &str), refresh: Option<String>) -> Value {
    let now = world.now;
    let token = world.tokens.current(whose, now).unwrap_or_else(|| {
        let value = format!("{}{}", world.new_id(), world.new_id());
        let token = Token::new(value, whose, now, world.knobs.token_lifetime_s);
        world.tokens.keep(token.clone());
        token
    });
    let mut body = json!({
        "access_token": token.value,
        "scope": "useraccount",
        "token_type": "Bearer",
        "expires_in": token.seconds_left(now),
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = json!(refresh);
    }
    body
}

fn refresh_token(world: &mut World, whose: (&str, &str)) -> String {
    let now = world.now;
    if let Some(token) = world.tokens.current_refresh(whose, now) {
        return token.value;
    }
    let value = format!("{}{}", world.new_id(), world.new_id());
    world.tokens.keep_refresh(Token::new(value.clone(), whose, now, REFRESH_LIFETIME_S));
    value
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
}

/// The user of an assertion that the client's key signed and that has not expired.
fn subject(world: &World, options: &Options, client_id: &str, assertion: &str) -> Option<String> {
    let (_, pem) = options.jwt_keys.iter().find(|(known, _)| known == client_id)?;
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
    let mut rules = Validation::new(Algorithm::RS256);
    // Time is the simulator's, and the audience may be the client or the endpoint.
    rules.validate_exp = false;
    rules.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &rules).ok()?.claims;
    let audience = claims.aud.as_str().unwrap_or_default();
    let for_us = audience == client_id || audience.ends_with("/oauth_token.do");
    (claims.iss == client_id && for_us && claims.exp > world.now.timestamp()).then_some(claims.sub)
}
