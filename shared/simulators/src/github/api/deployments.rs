//! Deployments and their statuses.

use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;

use super::super::call::{Call, Reply};
use super::super::model::{Deployment, Refused, Status};
use super::super::world::World;
use super::{Answered, number, page, plain};

const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
const DESCRIPTION_CHARS_MAX: usize = 140;

#[derive(Deserialize)]
struct NewStatus {
    state: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    log_url: String,
    #[serde(default)]
    environment_url: String,
}

pub(super) fn route(
    world: &mut World,
    now: DateTime<Utc>,
    call: &Call,
    repository: usize,
    rest: &[&str],
) -> Answered {
    let [id, what @ ..] = rest else { return list(world, call, repository) };
    let id = number(id)?;
    let deployment = world.deployment(id)?;
    if deployment.repository != repository {
        return Err(Refused::not_found());
    }
    match (&call.method, what) {
        (&Method::GET, []) => Ok(Reply::json(200, &world.deployment_json(deployment))),
        (&Method::GET, ["statuses"]) => Ok(statuses(world, call, deployment)),
        (&Method::POST, ["statuses"]) => create_status(world, now, call, id),
        (&Method::GET, ["statuses", status]) => {
            let status = number(status)?;
            let found =
                deployment.statuses.iter().find(|one| one.id == status).ok_or_else(Refused::not_found)?;
            Ok(Reply::json(200, &world.status_json(deployment, found)))
        }
        _ => Err(Refused::not_found()),
    }
}

/// Newest first.
fn list(world: &World, call: &Call, repository: usize) -> Answered {
    if call.method != Method::GET {
        return Err(Refused::not_found());
    }
    let asked = |name: &str| call.asked(name).filter(|value| value != "none");
    let (environment, sha, git_ref) = (asked("environment"), asked("sha"), asked("ref"));
    let fits = |one: &&Deployment| {
        environment.as_ref().is_none_or(|wanted| one.environment == *wanted)
            && sha.as_ref().is_none_or(|wanted| one.sha == *wanted)
            && git_ref.as_ref().is_none_or(|wanted| one.git_ref == *wanted)
    };
    let ids = world.repositories[repository].deployments.iter().rev();
    let found: Vec<&Deployment> = ids.filter_map(|id| world.deployments.get(id)).filter(fits).collect();
    Ok(page(world, call, &found, |one| world.deployment_json(one), plain))
}

/// Newest first.
fn statuses(world: &World, call: &Call, deployment: &Deployment) -> Reply {
    let newest: Vec<&Status> = deployment.statuses.iter().rev().collect();
    page(world, call, &newest, |status| world.status_json(deployment, status), plain)
}

fn create_status(world: &mut World, now: DateTime<Utc>, call: &Call, id: u64) -> Answered {
    let new: NewStatus = call.json()?;
    if !STATES.contains(&new.state.as_str()) {
        return Err(Refused::new(422, "Validation Failed: state is not included in the list"));
    }
    if new.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(Refused::new(
            422,
            "Validation Failed: description is too long (maximum is 140 characters)",
        ));
    }
    let bot = world.bot();
    let status = Status {
        id: 0,
        state: new.state,
        description: new.description,
        creator: bot.clone(),
        log_url: new.log_url,
        environment_url: new.environment_url,
        at: now,
    };
    world.add_status(id, status, now)?;
    let deployment = world.deployment(id)?;
    let newest = deployment.statuses.last().ok_or_else(Refused::not_found)?;
    world.note(now, &bot, "status.created", deployment, &newest.state);
    Ok(Reply::json(201, &world.status_json(deployment, newest)))
}
