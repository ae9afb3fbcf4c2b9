//! The JSON of users, repositories, runs, deployments and statuses: one shape for REST answers and webhooks.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::model::{Deployment, Repository, Review, Run, Status};
use super::world::World;

const WORKFLOW_ID: u64 = 68_811_230;
const WORKFLOW_PATH: &str = ".github/workflows/deploy.yml";

/// GitHub writes times in whole seconds.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl World {
    pub fn user_json(&self, login: &str) -> Value {
        let (api, web) = (&self.options.api_base, &self.options.web_base);
        json!({
            "login": login, "id": stable_id(login), "node_id": format!("U_{}", stable_id(login)),
            "type": if login.ends_with("[bot]") { "Bot" } else { "User" }, "site_admin": false,
            "url": format!("{api}/users/{login}"), "html_url": format!("{web}/{login}"),
        })
    }

    pub fn organization_json(&self, login: &str) -> Value {
        let id = stable_id(login);
        json!({ "login": login, "id": id, "node_id": format!("O_{id}"), "url": format!("{}/orgs/{login}", self.options.api_base) })
    }

    pub fn repository_json(&self, repository: &Repository) -> Value {
        let full_name = repository.full_name();
        let mut owner = self.user_json(&repository.owner);
        owner["type"] = json!("Organization");
        json!({
            "id": repository.id, "node_id": format!("R_{}", repository.id), "name": repository.name,
            "full_name": full_name, "private": true, "owner": owner, "fork": false, "description": null,
            "html_url": format!("{}/{full_name}", self.options.web_base), "url": self.repository_url(repository),
            "deployments_url": format!("{}/deployments", self.repository_url(repository)),
            "default_branch": "main",
        })
    }

    pub fn run_json(&self, run: &Run) -> Value {
        let repository = &self.repositories[run.repository];
        let url = format!("{}/actions/runs/{}", self.repository_url(repository), run.id);
        let user = self.user_json(&run.actor);
        json!({
            "id": run.id, "node_id": format!("WFR_{}", run.id), "name": "Deploy", "display_title": "Deploy",
            "path": WORKFLOW_PATH, "workflow_id": WORKFLOW_ID, "check_suite_id": run.id + 1,
            "head_branch": run.head_branch, "head_sha": run.head_sha, "event": "push", "pull_requests": [],
            "run_number": run.number, "run_attempt": run.attempt, "status": run.status, "conclusion": run.conclusion,
            "created_at": time(run.created_at), "run_started_at": time(run.started_at), "updated_at": time(run.updated_at),
            "actor": user, "triggering_actor": user, "referenced_workflows": [], "head_commit": self.commit_json(run),
            "url": url, "html_url": self.run_html_url(run),
            "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"), "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"), "rerun_url": format!("{url}/rerun"),
            "previous_attempt_url": (run.attempt > 1).then(|| format!("{url}/attempts/{}", run.attempt - 1)),
            "workflow_url": format!("{}/actions/workflows/{WORKFLOW_ID}", self.repository_url(repository)),
            "repository": self.repository_json(repository), "head_repository": self.repository_json(repository),
        })
    }

    /// A commit names its author by name and e-mail, not by a login.
    fn commit_json(&self, run: &Run) -> Value {
        let author = json!({ "name": run.author, "email": format!("{}@example.com", run.author) });
        json!({
            "id": run.head_sha, "message": "Deploy", "timestamp": time(run.created_at), "author": author,
            "committer": author,
        })
    }

    pub fn workflow_json(&self, run: &Run) -> Value {
        let url = self.repository_url(&self.repositories[run.repository]);
        json!({
            "id": WORKFLOW_ID, "node_id": format!("W_{WORKFLOW_ID}"), "name": "Deploy", "path": WORKFLOW_PATH,
            "state": "active", "url": format!("{url}/actions/workflows/{WORKFLOW_ID}"),
        })
    }

    pub fn job_json(&self, deployment: &Deployment) -> Value {
        let url = self.repository_url(&self.repositories[deployment.repository]);
        json!({
            "id": deployment.job_id, "run_id": deployment.run, "run_attempt": deployment.attempt,
            "name": format!("deploy ({})", deployment.environment), "head_sha": deployment.sha,
            "status": deployment.job.status(), "conclusion": deployment.job.conclusion(),
            "created_at": time(deployment.created_at), "started_at": deployment.started_at.map(time),
            "completed_at": deployment.job.conclusion().map(|_| time(deployment.updated_at)),
            "url": format!("{url}/actions/jobs/{}", deployment.job_id), "html_url": self.job_html_url(deployment.id),
            "run_url": format!("{url}/actions/runs/{}", deployment.run),
        })
    }

    pub fn deployment_json(&self, deployment: &Deployment) -> Value {
        let repository_url = self.repository_url(&self.repositories[deployment.repository]);
        let url = format!("{repository_url}/deployments/{}", deployment.id);
        json!({
            "id": deployment.id, "node_id": format!("DE_{}", deployment.id), "url": url,
            "sha": deployment.sha, "ref": deployment.git_ref, "task": "deploy", "payload": deployment.payload,
            "environment": deployment.environment, "original_environment": deployment.environment,
            "production_environment": deployment.environment == "production", "transient_environment": false,
            "description": null, "creator": self.user_json(&deployment.creator),
            "created_at": time(deployment.created_at), "updated_at": time(deployment.updated_at),
            "statuses_url": format!("{url}/statuses"), "repository_url": repository_url,
        })
    }

    pub fn status_json(&self, deployment: &Deployment, status: &Status) -> Value {
        let repository_url = self.repository_url(&self.repositories[deployment.repository]);
        let url = format!("{repository_url}/deployments/{}", deployment.id);
        json!({
            "id": status.id, "node_id": format!("DES_{}", status.id), "url": format!("{url}/statuses/{}", status.id),
            "state": status.state, "description": status.description, "environment": deployment.environment,
            "environment_url": status.environment_url, "log_url": status.log_url, "target_url": status.log_url,
            "creator": self.user_json(&status.creator), "created_at": time(status.at), "updated_at": time(status.at),
            "deployment_url": url, "repository_url": repository_url,
        })
    }

    pub fn environment_json(&self, repository: &Repository, environment: &str) -> Value {
        let id = stable_id(&format!("{}:{environment}", repository.id));
        json!({
            "id": id, "node_id": format!("EN_{id}"), "name": environment,
            "url": format!("{}/environments/{environment}", self.repository_url(repository)),
            "html_url": format!("{}/{}/deployments/activity_log?environments_filter={environment}", self.options.web_base, repository.full_name()),
        })
    }

    pub fn review_json(&self, repository: &Repository, review: &Review) -> Value {
        json!({
            "state": review.state, "comment": review.comment, "user": self.user_json(&review.user),
            "environments": [self.environment_json(repository, &review.environment)],
        })
    }

    pub fn repository_url(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.options.api_base, repository.full_name())
    }

    pub fn job_html_url(&self, deployment: u64) -> String {
        let Some(deployment) = self.deployments.get(&deployment) else { return String::new() };
        let run = self.runs.get(&deployment.run).map(|run| self.run_html_url(run)).unwrap_or_default();
        format!("{run}/job/{}", deployment.job_id)
    }

    fn run_html_url(&self, run: &Run) -> String {
        let full_name = self.repositories[run.repository].full_name();
        format!("{}/{full_name}/actions/runs/{}", self.options.web_base, run.id)
    }
}

/// An id that belongs to a name for ever, without a table.
fn stable_id(name: &str) -> u32 {
    let digest = Sha256::digest(name.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> 4
}
