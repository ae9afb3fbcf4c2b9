//! HTTP around the simulated API: reads a request, plays the faults that hit it, and has it answered
//! at the simulator's date.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;

use super::answers::{self, Played};
use super::api::{Actor, ApiError, ApiRequest, ApiResponse, Rights};
use super::faults::{Effect, Plan, Target};
use super::input::{self, Input};
use super::world::{Later, World};
use super::{ServiceNow, auth, changes, conditions, limits, routes, select};
use crate::request_log::{LoggedRequest, RequestLog};
use crate::serve::{Peer, RESET_HEADER};

/// The default limit of a REST body.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The largest file that the simulator takes, whatever the instance's own limit.
const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;
const TOKEN_PATH: &str = "/oauth_token.do";

/// A request, and the connection that it came by.
struct Arrived {
    parts: Parts,
    peer: Peer,
}

/// Answers every request that is not for the control plane.
pub(super) async fn api(State(sim): State<ServiceNow>, request: Request) -> Response {
    let peer = Peer::of(&request);
    let (parts, body) = request.into_parts();
    let arrived = Arrived { parts, peer };
    let limit =
        if arrived.parts.uri.path().contains("/attachment") { FILE_BYTES_MAX } else { BODY_BYTES_MAX };
    let Ok(body) = to_bytes(body, limit).await else {
        return answers::dated(answers::write(ApiError::too_large().into()), sim.clock().now());
    };
    sim.settle_due(sim.clock().now());
    let asked = asked(&sim, &arrived, body);
    let knobs = sim.knobs();
    let Ok(_thread) = sim.inner.pool.enter(knobs.semaphore).await else {
        let played = Played::now(answers::too_busy());
        note(&sim, &arrived, &asked, &played);
        return answers::dated(played.response, sim.clock().now());
    };
    let plan = sim.inner.faults.take(&Target {
        method: &asked.method,
        path: &asked.path,
        table: asked.table(),
        body: &asked.body,
    });
    // A transaction that takes longer than its quota is cancelled before it commits.
    let quota = knobs.quota_ms.map(Duration::from_millis).filter(|quota| plan.latency > *quota);
    let latency = quota.unwrap_or(plan.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let played = play(&sim, &arrived, asked, plan, quota.is_some());
    if !played.hang.is_zero() {
        tokio::time::sleep(played.hang).await;
    }
    answers::dated(played.response, sim.clock().now())
}

fn asked(sim: &ServiceNow, arrived: &Arrived, body: Bytes) -> ApiRequest {
    let parts = &arrived.parts;
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").unwrap_or("localhost");
    let scheme = if arrived.peer.tls { "https" } else { "http" };
    let base = sim.inner.options.base_url.clone();
    let query = parts.uri.query().unwrap_or_default();
    let method = header("x-http-method-override").filter(|_| parts.method == "POST");
    let method = method.unwrap_or(parts.method.as_str()).to_ascii_uppercase();
    ApiRequest {
        method: if method == "HEAD" { "GET".to_owned() } else { method },
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body,
        content_type: header("content-type").map(str::to_owned),
        actor: Actor::system(),
        base_url: base.unwrap_or_else(|| format!("{scheme}://{host}")),
        rights: Rights::default(),
    }
}

/// Everything between reading and writing, in one go: a request that is dropped while it hangs has
/// already had its effects, or has them on the schedule.
fn play(sim: &ServiceNow, arrived: &Arrived, asked: ApiRequest, plan: Plan, over_quota: bool) -> Played {
    let now = sim.clock().now();
    if let Some(effect) = &plan.effect {
        let ids = [("fault", effect.name()), ("method", asked.method.clone()), ("path", asked.path.clone())];
        let ids: Vec<_> = ids.iter().map(|(key, value)| (*key, value.as_str())).collect();
        sim.journal().record(now, "simulator", "fault.played", &ids);
    }
    let refusal = if over_quota {
        Some(answers::write(ApiError::transaction_cancelled().into()))
    } else {
        answers::refusal(plan.effect.as_ref(), now)
    };
    let played = match refusal {
        Some(response) => Played::now(response),
        None => sim.with_world(|world| carry_out(sim, world, arrived, asked.clone(), &plan)),
    };
    note(sim, arrived, &asked, &played);
    played
}

fn note(sim: &ServiceNow, arrived: &Arrived, asked: &ApiRequest, played: &Played) {
    let cut = played.response.headers().contains_key(RESET_HEADER);
    let seen = !played.withheld && !cut;
    // The token request's body holds the client secret.
    let body = if asked.path == TOKEN_PATH { String::new() } else { RequestLog::excerpt(&asked.body) };
    let query = arrived.parts.uri.query().unwrap_or_default();
    sim.requests().push(LoggedRequest {
        at: sim.clock().now(),
        method: asked.method.clone(),
        path: asked.path.clone(),
        query: if query.contains("x-sn-apikey") { String::new() } else { query.to_owned() },
        status: if seen { played.response.status().as_u16() } else { 0 },
        user: played.user.clone(),
        body,
    });
}

fn carry_out(
    sim: &ServiceNow,
    world: &mut World,
    arrived: &Arrived,
    mut asked: ApiRequest,
    plan: &Plan,
) -> Played {
    let headers = &arrived.parts.headers;
    if let Some(Effect::TimeoutBeforeCommit { hang_ms }) = plan.effect {
        return Played::hanging(hang_ms);
    }
    if let Some(page) = conditions::too_long(world, &arrived.parts.uri) {
        return Played::now(page);
    }
    if asked.path == TOKEN_PATH {
        let (status, body) = auth::token(world, &sim.inner.options, headers, &asked.body);
        return Played::now(answers::json(status, &body));
    }
    let certificate = arrived.peer.certificate.as_deref();
    let shown = auth::Shown { headers, query: &asked.query, certificate };
    let Some(actor) = auth::actor(world, &sim.inner.options, &shown) else {
        return Played::now(answers::unauthenticated());
    };
    asked.actor = actor.clone();
    if world.knobs.rest_api_role.as_deref().is_some_and(|role| !actor.has_role(role)) {
        return Played::now(answers::write(ApiError::no_api_access().into())).by(&actor);
    }
    if plan.effect == Some(Effect::AclRefuse) {
        return Played::now(answers::write(ApiError::denied(&asked.method).into())).by(&actor);
    }
    if let Err(error) = conditions::headers(world, &asked, headers) {
        return Played::now(answers::write(error.into())).by(&actor);
    }
    let limited = limits::count(world, &asked);
    if let Some(limited) = limited.as_ref().filter(|limited| limited.refused.is_some()) {
        let mut response = answers::write(ApiError::rate_limited(limited.per_hour).into());
        answers::tell_limit(&mut response, limited);
        return Played::now(response).by(&actor);
    }
    prepare(world, &mut asked, plan);
    if let Some(Effect::LateCommit { after_ms, hang_ms }) = plan.effect {
        world.later(after_ms, Later::Commit(Box::new(asked)));
        return Played::hanging(hang_ms).by(&actor);
    }
    let mut answer = answered(world, &asked);
    let silent = headers.get("x-no-response-body").is_some_and(|value| value == "true");
    if silent && answer.status < 300 && asked.method != "GET" {
        answer = answer.without_body();
    }
    answers::shape(&mut answer, plan);
    let mut played = answers::after_commit(answer, plan.effect.as_ref()).by(&actor);
    if let Some(limited) = &limited {
        answers::tell_limit(&mut played.response, limited);
    }
    played
}

/// What faults do to the request before it is carried out.
fn prepare(world: &mut World, asked: &mut ApiRequest, plan: &Plan) {
    asked.rights.unwritable.clone_from(&plan.unwritable);
    for query in &plan.hidden_records {
        let table = asked.table().unwrap_or_default();
        let rows = select::find(world, table, query, &world.asker(&Actor::system())).unwrap_or_default();
        let hidden: Vec<String> = rows.iter().map(|(_, row)| row.get("sys_id").to_owned()).collect();
        asked.rights.hidden.extend(hidden);
    }
    if let Some(display) = &plan.duplicate {
        somebody_elses(world, asked, display);
    }
}

/// Another product has used the correlation id already.
fn somebody_elses(world: &mut World, asked: &ApiRequest, display: &str) {
    let body = input::object(&asked.body).unwrap_or_default();
    let Some(key) = body.get("correlation_id").map(input::text).filter(|key| !key.is_empty()) else {
        return;
    };
    let mut input = Input::default();
    for (field, value) in
        [("correlation_id", key.as_str()), ("correlation_display", display), ("short_description", display)]
    {
        input.fields.set(field, value);
    }
    let other = Actor { user_name: "other.integration".to_owned(), ..Actor::system() };
    // A rule that refuses it leaves the key free, which is no matter.
    let _ = changes::create(world, input, None, &other);
}

/// Readers may see an older state than writers.
fn answered(world: &mut World, asked: &ApiRequest) -> ApiResponse {
    if asked.method != "GET" {
        return routes::dispatch(world, asked);
    }
    let of_list = routes::is_table_list(&asked.path);
    let lag = world.webhooks.early_ms().max(if of_list { world.knobs.list_lag_ms } else { 0 });
    world.reading(lag, |world| routes::dispatch(world, asked))
}
