//! What an App asks about itself: identity, installation tokens, its webhook deliveries.

use chrono::{DateTime, Duration, Utc};
use http::Method;
use serde_json::{Value, json};

use super::super::call::{Call, Reply};
use super::super::hooks::Delivery;
use super::super::model::Refused;
use super::super::payloads::time;
use super::super::world::World;
use super::{Answered, PAGE, PAGE_MAX, number};

/// Docs, "Viewing webhook deliveries": older ones can neither be seen nor sent again.
const KEPT_DAYS: i64 = 3;

pub(super) fn route(world: &mut World, now: DateTime<Utc>, call: &Call, rest: &[&str]) -> Answered {
    match (&call.method, rest) {
        (&Method::GET, []) => Ok(Reply::json(200, &identity(world))),
        (&Method::GET, ["installations"]) => Ok(Reply::json(200, &json!([installation(world)]))),
        (&Method::GET, ["installations", id]) => {
            known_installation(world, id)?;
            Ok(Reply::json(200, &installation(world)))
        }
        (&Method::POST, ["installations", id, "access_tokens"]) => {
            known_installation(world, id)?;
            Ok(mint(world, now))
        }
        (&Method::GET, ["hook", "deliveries"]) => Ok(deliveries(world, now, call)),
        (&Method::GET, ["hook", "deliveries", id]) => one(world, now, number(id)?),
        (&Method::POST, ["hook", "deliveries", id, "attempts"]) => attempt(world, now, number(id)?),
        _ => Err(Refused::not_found()),
    }
}

pub(super) fn installation(world: &World) -> Value {
    let id = world.options.installation_id;
    json!({
        "id": id, "app_id": world.options.app_id, "app_slug": world.options.app_slug, "target_type": "Organization",
        "repository_selection": "all", "permissions": permissions(),
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", world.options.api_base),
    })
}

fn identity(world: &World) -> Value {
    json!({
        "id": world.options.app_id, "client_id": world.options.client_id, "slug": world.options.app_slug,
        "name": world.options.app_slug, "permissions": permissions(),
        "events": ["deployment", "deployment_protection_rule", "deployment_status", "workflow_run"],
    })
}

fn permissions() -> Value {
    json!({ "actions": "write", "deployments": "write", "metadata": "read" })
}

fn known_installation(world: &World, id: &str) -> Result<(), Refused> {
    let known = world.knobs.installed && id == world.options.installation_id.to_string();
    if known { Ok(()) } else { Err(Refused::not_found()) }
}

fn mint(world: &mut World, now: DateTime<Utc>) -> Reply {
    let (token, ends) = world.tokens.mint(&world.options, world.knobs.token_ttl_seconds, now);
    let body = json!({
        "token": token, "expires_at": time(ends), "permissions": permissions(), "repository_selection": "all",
    });
    Reply::json(201, &body)
}

fn is_kept(delivery: &Delivery, now: DateTime<Utc>) -> bool {
    delivery.answer.is_some() && delivery.at > now - Duration::days(KEPT_DAYS)
}

fn deliveries(world: &World, now: DateTime<Utc>, call: &Call) -> Reply {
    let size = call.asked_number("per_page").unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let below = call.asked("cursor").and_then(|cursor| cursor.strip_prefix("v1_")?.parse::<u64>().ok());
    let wanted = call.asked("status");
    let mut found: Vec<&Delivery> = world
        .hooks
        .newest()
        .filter(|one| is_kept(one, now) && below.is_none_or(|below| one.id < below))
        .filter(|one| has_status(one, wanted.as_deref()))
        .take(size + 1)
        .collect();
    let more = found.len() > size;
    found.truncate(size);
    let items: Vec<Value> = found.iter().map(|one| item(world, one)).collect();
    let reply = Reply::json(200, &json!(items));
    match found.last().filter(|_| more) {
        Some(last) => {
            let base = format!("{}{}", world.options.api_base, call.path);
            let status = wanted.map(|status| format!("&status={status}")).unwrap_or_default();
            reply
                .with("link", format!("<{base}?per_page={size}{status}&cursor=v1_{}>; rel=\"next\"", last.id))
        }
        None => reply,
    }
}

fn has_status(delivery: &Delivery, wanted: Option<&str>) -> bool {
    let success = delivery.answer.is_some_and(super::super::hooks::Answer::is_success);
    match wanted {
        Some("success") => success,
        Some("failure") => !success,
        _ => true,
    }
}

fn item(world: &World, delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id, "guid": delivery.guid.to_string(), "delivered_at": time(delivery.at), "redelivery": delivery.redelivery,
        "duration": 0.1, "status": delivery.answer.map(|answer| answer.text()),
        "status_code": delivery.answer.map(|answer| answer.code()), "event": delivery.event, "action": delivery.action,
        "installation_id": delivery.repository.map(|_| world.options.installation_id),
        "repository_id": delivery.repository, "throttled_at": null,
    })
}

fn one(world: &World, now: DateTime<Utc>, id: u64) -> Answered {
    let delivery = world.hooks.delivery(id).filter(|one| is_kept(one, now)).ok_or_else(Refused::not_found)?;
    let mut value = item(world, delivery);
    let payload: Value = serde_json::from_slice(&delivery.body).unwrap_or(Value::Null);
    let headers = json!({
        "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/51mu1a7",
        "X-GitHub-Event": delivery.event, "X-GitHub-Delivery": delivery.guid.to_string(),
    });
    value["request"] = json!({ "headers": headers, "payload": payload });
    Ok(Reply::json(200, &value))
}

fn attempt(world: &mut World, now: DateTime<Utc>, id: u64) -> Answered {
    world.hooks.delivery(id).filter(|one| is_kept(one, now)).ok_or_else(Refused::not_found)?;
    world.hooks.redeliver(id, &mut world.knobs, world.options.app_id, now);
    Ok(Reply::json(202, &json!({})))
}
