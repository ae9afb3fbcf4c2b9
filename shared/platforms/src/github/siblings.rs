//! Who shares a gate: the deployments of one attempt of a run in one environment. GitHub answers an
//! environment of a run, whatever waits there, and its deployments do not name their run; their jobs do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use interlock_events::Deployment;
use interlock_rules::{RunPhase, Sibling};

use super::client::Client;
use super::gate::Gate;
use super::payload::DeploymentPart;
use super::reading::{JobPart, Jobs, began, job_in_run, job_phase};
use super::run::{Look, PAGE};
use crate::PlatformError;

/// A run has at most 256 jobs a matrix; more deployments of one commit and environment are not looked through.
const DEPLOYMENT_PAGES_MAX: usize = 3;
const JOB_PAGES_MAX: usize = 10;
/// A deployment gets its first status, which names its job, in this time.
const STATUS_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// More jobs than this are forgotten, and read again.
const LINKS_MAX: usize = 50_000;

/// The jobs of deployments, which never change.
#[derive(Default)]
pub(super) struct Links(Mutex<HashMap<String, String>>);

impl Links {
    fn known(&self, path: &str) -> Option<String> {
        self.lock().get(path).cloned()
    }

    fn keep(&self, path: String, job: &str) {
        let mut links = self.lock();
        if links.len() >= LINKS_MAX {
            links.clear();
        }
        links.insert(path, job.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that share the gate, in the order of their ids; nobody where it is the deployment's alone. One call
/// then; else two, and one for each job that was not met before or did not end well. Of an attempt that is over
/// one more: who shared its gate is still to be told, for their change ends with the last of them.
pub(super) async fn read(
    client: &Client,
    links: &Links,
    gate: &Gate,
    deployment: &Deployment,
) -> Result<Vec<Sibling>, PlatformError> {
    let mut look = Look::new(client, gate);
    let candidates = candidates(&mut look, &deployment.sha).await?;
    if candidates.iter().all(|one| one.id.raw() == gate.deployment_id) {
        return Ok(Vec::new());
    }
    let mut siblings = among(&mut look, links, &candidates, Attempt::Present).await?;
    let is_there = |siblings: &[Sibling]| siblings.iter().any(|one| one.occurrence == gate.deployment_id);
    if !is_there(&siblings) {
        siblings = among(&mut look, links, &candidates, Attempt::Of(&gate.deployment_id)).await?;
    }
    Ok(if is_there(&siblings) && siblings.len() > 1 { siblings } else { Vec::new() })
}

/// Which attempt of a run is meant.
#[derive(Clone, Copy)]
enum Attempt<'a> {
    Present,
    /// That of this deployment.
    Of(&'a str),
}

/// Those of `candidates` whose jobs are of that attempt of the run.
async fn among(
    look: &mut Look<'_>,
    links: &Links,
    candidates: &[DeploymentPart],
    attempt: Attempt<'_>,
) -> Result<Vec<Sibling>, PlatformError> {
    let jobs = jobs(look, attempt).await?;
    let mut found = BTreeMap::new();
    for one in candidates.iter().filter(|one| super::payload::is_id(one.id.raw())) {
        if let Some(job) = job_of(look, links, one).await?.and_then(|job| jobs.get(&job)) {
            found.insert(one.id.raw(), job);
        }
    }
    if let Attempt::Of(deployment) = attempt {
        let meant = found.get(deployment).map(|job| job.run_attempt.raw().to_owned());
        found.retain(|_, job| meant.as_deref() == Some(job.run_attempt.raw()));
    }
    let mut siblings = Vec::new();
    for (id, job) in found {
        siblings.push(Sibling { occurrence: id.to_owned(), phase: phase_of(look, id, job).await? });
    }
    siblings.sort_by_key(|sibling| sibling.occurrence.parse::<u64>().unwrap_or(u64::MAX));
    Ok(siblings)
}

/// The deployments of this commit and environment, the newest first; of whatever run.
async fn candidates(look: &mut Look<'_>, sha: &str) -> Result<Vec<DeploymentPart>, PlatformError> {
    let environment: String =
        url::form_urlencoded::byte_serialize(look.gate.environment.as_bytes()).collect();
    let mut all = Vec::new();
    for page in 1..=DEPLOYMENT_PAGES_MAX {
        let path = format!(
            "{}/deployments?sha={sha}&environment={environment}&per_page={PAGE}&page={page}",
            look.gate.repository()
        );
        let some: Vec<DeploymentPart> = look.get("reading the deployments of the commit", &path).await?;
        let is_last = some.len() < PAGE;
        all.extend(some);
        if is_last {
            break;
        }
    }
    Ok(all)
}

/// The jobs of the run's present attempt, or of all its attempts, by their ids.
async fn jobs(look: &mut Look<'_>, attempt: Attempt<'_>) -> Result<BTreeMap<String, JobPart>, PlatformError> {
    let filter = if matches!(attempt, Attempt::Present) { "latest" } else { "all" };
    let mut all = BTreeMap::new();
    for page in 1..=JOB_PAGES_MAX {
        let path = format!("{}/jobs?filter={filter}&per_page={PAGE}&page={page}", look.gate.run());
        let some: Jobs = look.get("reading the run's jobs", &path).await?;
        let is_last = some.jobs.len() < PAGE;
        all.extend(some.jobs.into_iter().map(|job| (job.id.raw().to_owned(), job)));
        if is_last {
            break;
        }
    }
    Ok(all)
}

/// The job of a deployment, if it is one of this run.
async fn job_of(
    look: &mut Look<'_>,
    links: &Links,
    deployment: &DeploymentPart,
) -> Result<Option<String>, PlatformError> {
    let id = deployment.id.raw();
    let place = format!("{}/{id}", look.gate.run());
    if let Some(job) = links.known(&place) {
        return Ok(Some(job));
    }
    let statuses = look.statuses(id).await?;
    let now = look.date.unwrap_or_else(|| look.client.now());
    let is_young = deployment.created_at.time().is_none_or(|created| now - created < STATUS_WITHIN);
    if statuses.is_empty() && is_young {
        let text = format!("GitHub does not show yet which job deployment {id} is of");
        return Err(PlatformError::Transient(text));
    }
    let job = job_in_run(&statuses, &look.gate.run_id).map(str::to_owned);
    if let Some(job) = &job {
        links.keep(place, job);
    }
    Ok(job)
}

async fn phase_of(look: &mut Look<'_>, id: &str, job: &JobPart) -> Result<RunPhase, PlatformError> {
    match job_phase(job) {
        // Whether it had begun stands in its deployment's statuses alone.
        RunPhase::Ended(outcome) if outcome != interlock_events::Outcome::Succeeded => {
            let has_begun = began(&look.statuses(id).await?);
            Ok(if has_begun { RunPhase::Ended(outcome) } else { RunPhase::NeverStarted(outcome) })
        }
        phase => Ok(phase),
    }
}
