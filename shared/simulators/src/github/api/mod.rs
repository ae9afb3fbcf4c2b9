//! The REST API: who may call is checked here, then each area answers for itself.

mod app;
mod artifacts;
mod deployments;
mod gate;
mod runs;

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::model::Refused;
use super::tokens;
use super::world::World;

const PAGE: usize = 30;
const PAGE_MAX: usize = 100;

type Answered = Result<Reply, Refused>;

/// Carries a request out. The same for one that is answered and one that commits after its caller has gone.
pub(super) fn answer(world: &mut World, now: DateTime<Utc>, call: &Call) -> Reply {
    route(world, now, call).unwrap_or_else(Reply::from)
}

fn route(world: &mut World, now: DateTime<Utc>, call: &Call) -> Answered {
    // The store of artifacts is another service, which knows no user agents and no tokens.
    if let [super::artifacts::STORE, id] = call.segments()[..] {
        return artifacts::content(world, now, call, number(id)?);
    }
    if !call.has_user_agent {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Err(Refused::new(403, message));
    }
    match call.segments().as_slice() {
        ["app", rest @ ..] => {
            tokens::check_app(&world.options, call.token.as_deref(), now)?;
            app::route(world, now, call, rest)
        }
        ["installation", "repositories"] if call.method == Method::GET => {
            authorise(world, now, call)?;
            let wrap = |repositories| json!({ "total_count": world.repositories.len(), "repositories": repositories });
            Ok(page(world, call, &world.repositories, |one| world.repository_json(one), wrap))
        }
        // Asked with the App's own token, since an installation token presumes the answer.
        ["repos", owner, name, "installation"] => {
            tokens::check_app(&world.options, call.token.as_deref(), now)?;
            repository(world, owner, name)?;
            Ok(Reply::json(200, &app::installation(world)))
        }
        ["repos", owner, name, rest @ ..] => {
            authorise(world, now, call)?;
            let repository = repository(world, owner, name)?;
            in_repository(world, now, call, repository, rest)
        }
        _ => Err(Refused::not_found()),
    }
}

fn in_repository(
    world: &mut World,
    now: DateTime<Utc>,
    call: &Call,
    repository: usize,
    rest: &[&str],
) -> Answered {
    match (&call.method, rest) {
        (&Method::GET, []) => Ok(Reply::json(200, &world.repository_json(&world.repositories[repository]))),
        (_, ["actions", "runs", run, "deployment_protection_rule"]) if call.method == Method::POST => {
            gate::answer_gate(world, now, call, repository, number(run)?)
        }
        (&Method::GET, ["actions", "runs", run, "artifacts"]) => {
            artifacts::list(world, call, repository, number(run)?)
        }
        (&Method::GET, ["actions", "artifacts", id, "zip"]) => {
            artifacts::locate(world, now, repository, number(id)?)
        }
        (_, ["actions", "runs", rest @ ..]) => runs::route(world, now, call, repository, rest),
        (_, ["deployments", rest @ ..]) => deployments::route(world, now, call, repository, rest),
        (&Method::GET, ["environments", environment, "deployment_protection_rules"]) => {
            Ok(Reply::json(200, &gate::rules(world, environment)))
        }
        _ => Err(Refused::not_found()),
    }
}

fn authorise(world: &mut World, now: DateTime<Utc>, call: &Call) -> Result<(), Refused> {
    world.tokens.check(call.token.as_deref(), now)?;
    world.tokens.spend(world.knobs.rate_limit, now)
}

/// To an App that is not installed a repository does not exist.
fn repository(world: &World, owner: &str, name: &str) -> Result<usize, Refused> {
    let index = world.repository_index(owner, name).filter(|_| world.knobs.installed);
    index.ok_or_else(Refused::not_found)
}

fn number(segment: &str) -> Result<u64, Refused> {
    segment.parse().map_err(|_| Refused::not_found())
}

/// One page of a list with the `Link` header to the next one. Only what is shown is turned into JSON.
fn page<T>(
    world: &World,
    call: &Call,
    items: &[T],
    show: impl Fn(&T) -> Value,
    wrap: impl FnOnce(Vec<Value>) -> Value,
) -> Reply {
    let size = call.asked_number("per_page").unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let number = call.asked_number("page").unwrap_or(1).max(1);
    let from = size.saturating_mul(number - 1).min(items.len());
    let to = (from + size).min(items.len());
    let reply = Reply::json(200, &wrap(items[from..to].iter().map(show).collect()));
    if to == items.len() {
        return reply;
    }
    let asked = url::form_urlencoded::parse(call.query.as_bytes());
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asked.filter(|(key, _)| key != "page" && key != "per_page"))
        .append_pair("per_page", &size.to_string())
        .append_pair("page", &(number + 1).to_string())
        .finish();
    reply.with("link", format!("<{}{}?{query}>; rel=\"next\"", world.options.api_base, call.path))
}

/// A list without an envelope.
fn plain(items: Vec<Value>) -> Value {
    json!(items)
}
