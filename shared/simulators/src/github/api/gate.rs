//! Answers to our protection rule (docs: "Review custom deployment protection rules for a workflow run").
//! The call names run and environment only, so it takes effect on whatever waits there **now**.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::{Call, Reply};
use super::super::model::{Gate, Refused};
use super::super::world::World;
use super::Answered;

/// Docs, "Creating custom deployment protection rules": reports a deployment, and characters a report.
const REPORTS_MAX: usize = 10;
const COMMENT_CHARS_MAX: usize = 1_024;

#[derive(Deserialize)]
struct Review {
    environment_name: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    comment: Option<String>,
}

pub(super) fn answer_gate(
    world: &mut World,
    now: DateTime<Utc>,
    call: &Call,
    repository: usize,
    run: u64,
) -> Answered {
    let review: Review = call.json()?;
    let waiting = waiting(world, repository, run, &review.environment_name)?;
    let comment = review.comment.unwrap_or_default();
    if comment.chars().count() > COMMENT_CHARS_MAX {
        return Err(Refused::new(422, "Comment is too long (maximum is 1024 characters)"));
    }
    match review.state.as_deref() {
        Some("approved") => world.decide(&waiting, true, &comment, now)?,
        Some("rejected") => world.decide(&waiting, false, &comment, now)?,
        Some(_) => return Err(Refused::new(422, "state must be approved or rejected")),
        None => report(world, &waiting, &comment, now)?,
    }
    Ok(Reply::empty(204))
}

/// The rules of an environment: ours alone.
pub(super) fn rules(world: &World, environment: &str) -> Value {
    let app = json!({
        "id": world.options.app_id, "slug": world.options.app_slug,
        "integration_url": format!("{}/apps/{}", world.options.api_base, world.options.app_slug),
    });
    let rule = json!({ "id": 1, "node_id": format!("GR_{environment}"), "enabled": true, "app": app });
    json!({ "total_count": 1, "custom_deployment_protection_rules": [rule] })
}

fn waiting(world: &World, repository: usize, run: u64, environment: &str) -> Result<Vec<u64>, Refused> {
    let run = world.run(run)?;
    if run.repository != repository {
        return Err(Refused::not_found());
    }
    let waiting: Vec<u64> = world
        .present(run)
        .iter()
        .filter(|one| one.gate == Gate::Open && one.environment.eq_ignore_ascii_case(environment))
        .map(|one| one.id)
        .collect();
    if waiting.is_empty() {
        return Err(Refused::new(422, "No pending deployment requests to approve or reject"));
    }
    Ok(waiting)
}

fn report(world: &mut World, waiting: &[u64], comment: &str, now: DateTime<Utc>) -> Result<(), Refused> {
    if comment.is_empty() {
        return Err(Refused::new(422, "comment is required without a state"));
    }
    if waiting.iter().any(|id| world.deployments[id].reports.len() >= REPORTS_MAX) {
        return Err(Refused::new(422, "Too many status reports for this deployment (maximum is 10)"));
    }
    let bot = world.bot();
    for id in waiting {
        world.deployment_mut(*id)?.reports.push(comment.to_owned());
        world.note(now, &bot, "gate.reported", world.deployment(*id)?, comment);
    }
    Ok(())
}
