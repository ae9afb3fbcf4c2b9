//! Reads a run and one of its gates. Four calls; two more where a re-run leaves the attempt open; one for a glance.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_events::Deployment;
use interlock_rules::{Part, Person, RunPhase, RunReading};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::client::{Call, Client};
use super::gate::Gate;
use super::payload::{DeploymentPart, RunPart, StatusPart};
use super::reading::{Jobs, Pending, Review, answer, answered, job_of, phase, waits_for};
use crate::PlatformError;

/// A reading that takes longer is of no use: the release would come too late.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A page; no run has more statuses or pending environments, and few more jobs.
pub(super) const PAGE: usize = 100;

/// So many answers to older deployments are looked into.
const OLDER_MAX: usize = 3;

/// One reading in the making.
pub(super) struct Look<'a> {
    pub client: &'a Client,
    pub gate: &'a Gate,
    deadline: Instant,
    /// GitHub's own clock, as its last answer showed it.
    pub date: Option<DateTime<Utc>>,
}

/// How the run and its gate stand now.
pub(super) async fn read(
    client: &Client,
    gate: &Gate,
    deployment: &Deployment,
) -> Result<RunReading, PlatformError> {
    let mut look = Look::new(client, gate);
    let run: RunPart = match look.get("reading the run", &gate.run()).await {
        Err(PlatformError::Gone) => return Ok(gone(client.now(), deployment)),
        run => run?,
    };
    let (Some(sha), Some(attempt)) = (run.head_sha.owned(), run.run_attempt.number()) else {
        return Err(PlatformError::Transient("the run at GitHub has no commit or no attempt".into()));
    };
    let pending: Vec<Pending> =
        look.get("reading what waits", &format!("{}/pending_deployments", gate.run())).await?;
    let statuses = look.statuses(&gate.deployment_id).await?;
    let reviews: Vec<Review> = look.get("reading the answers", &format!("{}/approvals", gate.run())).await?;
    let bound = deployment.run.as_ref().and_then(|run| run.attempt);
    let current = match bound {
        Some(bound) => bound == attempt,
        None => look.is_current(&run, attempt, &gate.deployment_id, &statuses).await?,
    };
    let phase = phase(&run, waits_for(&pending, &gate.environment), &statuses, current);
    let ours = look.of_this_gate(&run, attempt, &reviews, phase).await?;
    Ok(RunReading {
        at: look.date.unwrap_or_else(|| client.now()),
        dated: look.date.is_some(),
        attempt: Some(attempt),
        sha,
        phase,
        superseded: bound.is_none() && !current,
        answer: answer(&reviews, &gate.environment, &ours),
        mark: Some(mark_of(&run)),
        people: people(&run),
    })
}

/// Who pushed or started it, who had it run again, and who wrote its commit (GitHub docs, "REST API endpoints for
/// workflow runs").
fn people(run: &RunPart) -> Vec<Person> {
    let person = |part| Person { part, login: String::new(), name: String::new(), email: String::new() };
    let triggers =
        [&run.actor, &run.triggering_actor].into_iter().filter_map(|user| user.get()?.login.owned());
    let triggers = triggers.map(|login| Person { login, ..person(Part::Trigger) });
    let author = run.head_commit.get().and_then(|commit| commit.author.get()).map(|author| Person {
        name: author.name.owned().unwrap_or_default(),
        email: author.email.owned().unwrap_or_default(),
        ..person(Part::Author)
    });
    let mut people: Vec<Person> = triggers.chain(author).collect();
    people.sort();
    people.dedup();
    people
}

/// One call: how the run looks as a whole.
pub(super) async fn mark(client: &Client, gate: &Gate) -> Result<Option<String>, PlatformError> {
    match Look::new(client, gate).get::<RunPart>("glancing at the run", &gate.run()).await {
        Ok(run) => Ok(Some(mark_of(&run))),
        Err(PlatformError::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}

fn mark_of(run: &RunPart) -> String {
    let parts = [&run.run_attempt, &run.status, &run.conclusion, &run.updated_at];
    parts.map(|part| part.raw()).join(" ")
}

impl<'a> Look<'a> {
    pub fn new(client: &'a Client, gate: &'a Gate) -> Self {
        Self { client, gate, deadline: client.clock.instant() + TIMEOUT, date: None }
    }

    pub async fn get<T: DeserializeOwned>(&mut self, what: &str, path: &str) -> Result<T, PlatformError> {
        let installation = &self.gate.installation_id;
        let reply = self.client.get(Call { installation, path, what, deadline: self.deadline }).await?;
        self.date = reply.date;
        reply.json(what)
    }

    /// A deployment's statuses, newest first. A deployment that was deleted has none.
    pub async fn statuses(&mut self, id: &str) -> Result<Vec<StatusPart>, PlatformError> {
        let path = format!("{}/statuses?per_page={PAGE}", self.gate.deployment_of(id));
        match self.get("reading the deployment's statuses", &path).await {
            Err(PlatformError::Gone) => Ok(Vec::new()),
            statuses => statuses,
        }
    }

    /// The deployments whose answers of ours are answers to this gate, as their comments name them. In a run's
    /// first attempt that is each of the environment; later those of this attempt: newer ones are, older
    /// ones are asked for.
    async fn of_this_gate(
        &mut self,
        run: &RunPart,
        attempt: u32,
        reviews: &[Review],
        phase: RunPhase,
    ) -> Result<BTreeSet<String>, PlatformError> {
        let number = |id: &str| id.parse::<u64>().unwrap_or(0);
        let named = answered(reviews, &self.gate.environment);
        let own = number(&self.gate.deployment_id);
        let (mut of_this, older): (BTreeSet<String>, BTreeSet<String>) =
            named.into_iter().partition(|id| attempt == 1 || number(id) >= own);
        if of_this.is_empty() && phase != RunPhase::Waiting {
            let mut older: Vec<String> = older.into_iter().collect();
            older.sort_by_key(|id| std::cmp::Reverse(number(id)));
            for id in older.into_iter().take(OLDER_MAX) {
                let statuses = self.statuses(&id).await?;
                if self.is_current(run, attempt, &id, &statuses).await? {
                    of_this.insert(id);
                }
            }
        }
        Ok(of_this)
    }

    /// Whether a deployment is of the run's present attempt. Its event did not say, and GitHub's
    /// deployments do not name their run: those made before the attempt began are of an earlier one.
    async fn is_current(
        &mut self,
        run: &RunPart,
        attempt: u32,
        id: &str,
        statuses: &[StatusPart],
    ) -> Result<bool, PlatformError> {
        if attempt == 1 {
            return Ok(true);
        }
        let path = self.gate.deployment_of(id);
        let deployment: DeploymentPart = match self.get("reading the deployment", &path).await {
            Err(PlatformError::Gone) => return Ok(false),
            deployment => deployment?,
        };
        match (deployment.created_at.time(), run.run_started_at.time()) {
            (Some(created), Some(started)) if created != started => Ok(created > started),
            _ => self.has_current_job(statuses).await,
        }
    }

    /// Times are whole seconds: where they do not tell, the job does.
    async fn has_current_job(&mut self, statuses: &[StatusPart]) -> Result<bool, PlatformError> {
        let open =
            || PlatformError::Transient("GitHub does not show which attempt the deployment is of".into());
        let job = job_of(statuses).ok_or_else(open)?;
        let path = format!("{}/jobs?filter=latest&per_page={PAGE}", self.gate.run());
        let jobs: Jobs = self.get("reading the run's jobs", &path).await?;
        if jobs.jobs.iter().any(|one| one.id.raw() == job) {
            return Ok(true);
        }
        let all =
            jobs.total_count.number().is_some_and(|total| usize::try_from(total) == Ok(jobs.jobs.len()));
        if all { Ok(false) } else { Err(open()) }
    }
}

/// GitHub answers 404 for what is not there and for what we may not see.
fn gone(now: DateTime<Utc>, deployment: &Deployment) -> RunReading {
    RunReading {
        at: now,
        dated: false,
        attempt: None,
        sha: deployment.sha.clone(),
        phase: RunPhase::Gone,
        superseded: false,
        answer: None,
        mark: None,
        people: Vec::new(),
    }
}
