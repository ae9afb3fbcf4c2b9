//! GitHub's webhooks in our events (docs: "Webhook events and payloads"). Pure.

use chrono::{DateTime, Utc};
use interlock_events::{
    Deployment, DeploymentFinished, DeploymentKey, DeploymentRequested, DeploymentStarted, Event, GateHandle,
    Outcome, Project, Run, RunFinished, event,
};
use interlock_runtime::webhook::{Parsed, Unreadable};
use url::Url;

use super::gate::{Callback, Gate, callback, is_name};
use super::payload::{DeploymentPart, Payload, RunPart, unreadable};

/// Events that are counted by name; all others are `other`, so that a sender cannot name metrics.
const NAMES: [&str; 13] = [
    "check_run",
    "check_suite",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "installation",
    "installation_repositories",
    "ping",
    "pull_request",
    "push",
    "workflow_job",
    "workflow_run",
];

/// Whose webhooks these are.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub tenant: String,
    /// Name of the connection in keys: the first that it ever had.
    pub key_name: String,
    /// Name of the connection now.
    pub name: String,
    pub source: String,
    pub base: Url,
}

/// Translates the body of the event `name`. What we do not act on has no events.
pub(super) fn translate(
    origin: &Origin,
    name: &str,
    body: &[u8],
    received_at: DateTime<Utc>,
) -> Result<Parsed, Unreadable> {
    let payload: Payload = serde_json::from_slice(body)?;
    let said = Said { origin, payload: &payload, received_at };
    let event = match (name, payload.action.raw()) {
        ("deployment_protection_rule", "requested") => Some(said.gate_requested()?),
        ("deployment", "created") => said.created()?,
        ("deployment_status", "created") => said.status()?,
        ("workflow_run", "completed") => said.run_finished()?,
        _ => None,
    };
    let kind = NAMES.iter().find(|known| **known == name).copied().unwrap_or("other");
    Ok(Parsed { kind: kind.to_owned(), events: event.into_iter().collect() })
}

struct Said<'a> {
    origin: &'a Origin,
    payload: &'a Payload,
    received_at: DateTime<Utc>,
}

impl Said<'_> {
    /// The event has no run of its own: the run id stands in the callback URL alone.
    fn gate_requested(&self) -> Result<Event, Unreadable> {
        let said = self.payload;
        let of = said.deployment.must("/deployment")?;
        let callback = callback(said.deployment_callback_url.raw(), &self.origin.base)?;
        self.check_repository(&callback)?;
        let url = self.run_page(&callback.run_id);
        let run = Run { id: callback.run_id.clone(), attempt: None, url };
        let deployment = self.deployment(of, Some(run))?;
        let gate = Gate {
            owner: callback.owner,
            repo: callback.repo,
            run_id: callback.run_id,
            environment: said.environment.owned().unwrap_or_else(|| deployment.key.environment.clone()),
            deployment_id: deployment.key.occurrence.clone(),
            installation_id: said.installation.must("/installation")?.id.must_id("/installation/id")?,
        };
        let requested_at = of.created_at.time().unwrap_or(self.received_at);
        let gate = Some(gate.handle(&self.origin.name));
        Ok(self.event(requested_at, &DeploymentRequested { deployment, gate, place: None, requested_at }))
    }

    /// A deployment that no workflow made is not a pipeline's, and is left alone.
    fn created(&self) -> Result<Option<Event>, Unreadable> {
        let Some(run) = self.payload.workflow_run.get() else { return Ok(None) };
        let of = self.payload.deployment.must("/deployment")?;
        let deployment = self.deployment(of, Some(run_of(run)?))?;
        let requested_at = of.created_at.time().unwrap_or(self.received_at);
        let place = self.place(&deployment);
        let request = DeploymentRequested { deployment, gate: None, place, requested_at };
        Ok(Some(self.event(requested_at, &request)))
    }

    /// Where GitHub is asked about a deployment of a workflow: by the same ids as about one that is held.
    fn place(&self, deployment: &Deployment) -> Option<GateHandle> {
        let (owner, repo) =
            deployment.project.name.split_once('/').filter(|(a, b)| is_name(a) && is_name(b))?;
        let place = Gate {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            run_id: deployment.run.as_ref()?.id.clone(),
            environment: deployment.key.environment.clone(),
            deployment_id: deployment.key.occurrence.clone(),
            installation_id: self.payload.installation.get()?.id.must_id("/installation/id").ok()?,
        };
        Some(place.handle(&self.origin.name))
    }

    fn status(&self) -> Result<Option<Event>, Unreadable> {
        let Some(run) = self.payload.workflow_run.get() else { return Ok(None) };
        let status = self.payload.deployment_status.must("/deployment_status")?;
        let state = status.state.raw();
        let outcome = status_outcome(state);
        if outcome.is_none() && state != "in_progress" {
            return Ok(None);
        }
        let deployment = self.deployment(self.payload.deployment.must("/deployment")?, Some(run_of(run)?))?;
        let at = status.created_at.time().unwrap_or(self.received_at);
        Ok(Some(match outcome {
            Some(outcome) => self.event(at, &DeploymentFinished { deployment, outcome, at }),
            None => self.event(at, &DeploymentStarted { deployment, at }),
        }))
    }

    fn run_finished(&self) -> Result<Option<Event>, Unreadable> {
        let run = self.payload.workflow_run.must("/workflow_run")?;
        let Some(outcome) = conclusion_outcome(run.conclusion.raw()) else { return Ok(None) };
        let at = run.updated_at.time().unwrap_or(self.received_at);
        let finished = RunFinished {
            tenant: self.origin.tenant.clone(),
            connection: self.origin.key_name.clone(),
            project: self.project()?,
            run: run_of(run)?,
            sha: run.head_sha.must("/workflow_run/head_sha")?,
            outcome,
            at,
        };
        Ok(Some(self.event(at, &finished)))
    }

    fn deployment(&self, of: &DeploymentPart, run: Option<Run>) -> Result<Deployment, Unreadable> {
        let project = self.project()?;
        let key = DeploymentKey {
            tenant: self.origin.tenant.clone(),
            connection: self.origin.key_name.clone(),
            project: project.id.clone(),
            environment: of.environment.must("/deployment/environment")?,
            occurrence: of.id.must_id("/deployment/id")?,
        };
        let sender = || self.payload.sender.get().and_then(|sender| sender.login.owned());
        Ok(Deployment {
            key,
            project,
            sha: of.sha.must("/deployment/sha")?,
            reference: of.r#ref.owned(),
            run,
            actor: of.creator.get().and_then(|creator| creator.login.owned()).or_else(sender),
        })
    }

    fn project(&self) -> Result<Project, Unreadable> {
        let of = self.payload.repository.must("/repository")?;
        let name = of.full_name.must("/repository/full_name")?;
        Ok(Project { id: of.id.must_id("/repository/id")?, name, url: of.html_url.link() })
    }

    /// The answer goes to the callback's repository: it must be the one that the webhook is about.
    fn check_repository(&self, callback: &Callback) -> Result<(), Unreadable> {
        let named = format!("{}/{}", callback.owner, callback.repo);
        if self.project()?.name.eq_ignore_ascii_case(&named) {
            return Ok(());
        }
        Err(unreadable("/deployment_callback_url", "of another repository than /repository/full_name"))
    }

    fn run_page(&self, run_id: &str) -> Option<String> {
        let page = self.payload.repository.get()?.html_url.link()?;
        Some(format!("{}/actions/runs/{run_id}", page.trim_end_matches('/')))
    }

    fn event<T: interlock_events::EventData>(&self, time: DateTime<Utc>, data: &T) -> Event {
        event(&self.origin.source, time, data)
    }
}

fn run_of(run: &RunPart) -> Result<Run, Unreadable> {
    Ok(Run {
        id: run.id.must_id("/workflow_run/id")?,
        attempt: run.run_attempt.number(),
        url: run.html_url.link(),
    })
}

/// How a deployment's state ends it. `inactive` comes when a newer one took its place: no end.
pub(super) fn status_outcome(state: &str) -> Option<Outcome> {
    match state {
        "success" => Some(Outcome::Succeeded),
        "failure" | "error" => Some(Outcome::Failed),
        _ => None,
    }
}

/// How a run's conclusion ends it. `action_required` waits for a person: no end.
pub(super) fn conclusion_outcome(conclusion: &str) -> Option<Outcome> {
    match conclusion {
        "success" => Some(Outcome::Succeeded),
        "failure" | "timed_out" | "startup_failure" => Some(Outcome::Failed),
        "cancelled" => Some(Outcome::Canceled),
        "skipped" | "neutral" | "stale" => Some(Outcome::Skipped),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
