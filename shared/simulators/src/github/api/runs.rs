//! Workflow runs: how they stand, what waits in them, who answered, and how to stop or repeat them.

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::{Value, json};

use super::super::call::{Call, Reply};
use super::super::model::{Deployment, Job, Refused, Run};
use super::super::world::World;
use super::{Answered, number, page};

pub(super) fn route(
    world: &mut World,
    now: DateTime<Utc>,
    call: &Call,
    repository: usize,
    rest: &[&str],
) -> Answered {
    let [id, what @ ..] = rest else { return list(world, call, repository) };
    let id = number(id)?;
    let run = world.run(id)?;
    if run.repository != repository {
        return Err(Refused::not_found());
    }
    match (&call.method, what) {
        (&Method::GET, []) => Ok(Reply::json(200, &world.run_json(run))),
        (&Method::GET, ["jobs"]) => {
            let all = call.asked("filter").as_deref() == Some("all");
            Ok(jobs(
                world,
                call,
                &if all { world.of_all_attempts(run).collect() } else { world.present(run) },
            ))
        }
        (&Method::GET, ["attempts", attempt, "jobs"]) => {
            let attempt = number(attempt)?;
            let of_attempt: Vec<&Deployment> =
                world.of_all_attempts(run).filter(|one| u64::from(one.attempt) == attempt).collect();
            Ok(jobs(world, call, &of_attempt))
        }
        (&Method::GET, ["pending_deployments"]) => Ok(Reply::json(200, &pending(world, run))),
        // An App's installation token cannot act as a required reviewer.
        (&Method::POST, ["pending_deployments"]) => {
            Err(Refused::new(403, "Resource not accessible by integration"))
        }
        (&Method::GET, ["approvals"]) => Ok(Reply::json(200, &reviews(world, run))),
        (&Method::POST, ["cancel" | "force-cancel"]) => {
            let bot = world.bot();
            world.cancel(id, &bot, now)?;
            Ok(Reply::json(202, &json!({})))
        }
        (&Method::POST, [which @ ("rerun" | "rerun-failed-jobs")]) => {
            world.rerun(id, *which != "rerun", now)?;
            Ok(Reply::json(201, &json!({})))
        }
        _ => Err(Refused::not_found()),
    }
}

/// Newest first, of one status or commit when asked so.
fn list(world: &World, call: &Call, repository: usize) -> Answered {
    if call.method != Method::GET {
        return Err(Refused::not_found());
    }
    let (status, sha) = (call.asked("status"), call.asked("head_sha"));
    let fits = |run: &&Run| {
        status.as_deref().is_none_or(|wanted| run.status == wanted || run.conclusion == Some(wanted))
            && sha.as_deref().is_none_or(|wanted| run.head_sha == wanted)
    };
    let ids = world.repositories[repository].runs.iter().rev();
    let runs: Vec<&Run> = ids.filter_map(|id| world.runs.get(id)).filter(fits).collect();
    let total = runs.len();
    let wrap = |runs| json!({ "total_count": total, "workflow_runs": runs });
    Ok(page(world, call, &runs, |run| world.run_json(run), wrap))
}

fn jobs(world: &World, call: &Call, deployments: &[&Deployment]) -> Reply {
    let wrap = |jobs| json!({ "total_count": deployments.len(), "jobs": jobs });
    page(world, call, deployments, |one| world.job_json(one), wrap)
}

/// One entry an environment, however many jobs of it wait, and whether for us or for a person.
fn pending(world: &World, run: &Run) -> Value {
    let mut shown: Vec<&Deployment> = Vec::new();
    for deployment in world.present(run).into_iter().filter(|one| one.job == Job::Waiting) {
        if !shown.iter().any(|one| one.environment == deployment.environment) {
            shown.push(deployment);
        }
    }
    shown.into_iter().map(|deployment| pending_json(world, deployment)).collect()
}

fn pending_json(world: &World, deployment: &Deployment) -> Value {
    let repository = &world.repositories[deployment.repository];
    let reviewer = deployment.reviewer.as_deref();
    let reviewers: Vec<Value> = reviewer
        .map(|login| json!({ "type": "User", "reviewer": world.user_json(login) }))
        .into_iter()
        .collect();
    json!({
        "environment": world.environment_json(repository, &deployment.environment), "wait_timer": 0,
        "wait_timer_started_at": null, "current_user_can_approve": false, "reviewers": reviewers,
    })
}

fn reviews(world: &World, run: &Run) -> Value {
    let repository = &world.repositories[run.repository];
    run.reviews.iter().map(|review| world.review_json(repository, review)).collect()
}
