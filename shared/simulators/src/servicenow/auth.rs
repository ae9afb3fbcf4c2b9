//! Who asks: basic authentication, OAuth bearer tokens, API keys and client certificates.

mod grants;
mod tokens;

pub(super) use grants::token;
pub(super) use tokens::Tokens;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::api::Actor;
use super::options::{Account, Options};
use super::world::World;

/// What a caller shows.
pub(super) struct Shown<'a> {
    pub(super) headers: &'a HeaderMap,
    /// An API key may stand in the query too.
    pub(super) query: &'a [(String, String)],
    /// SHA-256 of the client's certificate.
    pub(super) certificate: Option<&'a str>,
}

const API_KEY: &str = "x-sn-apikey";

/// The user behind a request.
pub(super) fn actor(world: &World, options: &Options, shown: &Shown<'_>) -> Option<Actor> {
    let header = |name: &str| shown.headers.get(name)?.to_str().ok();
    let in_query = || shown.query.iter().find(|(name, _)| name == API_KEY).map(|(_, key)| key.as_str());
    if let Some(key) = header(API_KEY).or_else(in_query) {
        let mut keys = options.api_keys.iter();
        let (_, user) = keys.find(|(known, _)| known == key)?;
        return user_named(world, user);
    }
    let Some(authorization) = header("authorization") else {
        return certified(world, shown.certificate?);
    };
    let (scheme, rest) = authorization.split_once(' ')?;
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

/// The user whose certificate this is: a row of `sys_user_certificate` says so.
fn certified(world: &World, fingerprint: &str) -> Option<Actor> {
    let mut rows = world.rows("sys_user_certificate").map(|(_, row)| row);
    let row = rows.find(|row| row.get("fingerprint") == fingerprint && row.get("active") != "false")?;
    let user = world.row("sys_user", row.get("user"))?;
    user_named(world, user.get("user_name"))
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
