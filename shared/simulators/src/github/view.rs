//! How runs and deployments look to a test or to the control plane.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::{Deployment, Run};
use super::world::World;

/// A deployment and its gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// Deployment id.
    pub id: u64,
    /// `owner/name`.
    pub repository: String,
    /// Repository id.
    pub repository_id: u64,
    /// Workflow run.
    pub run_id: u64,
    /// Attempt that made it.
    pub run_attempt: u32,
    /// Environment.
    pub environment: String,
    /// Head commit.
    pub sha: String,
    /// `none`, `open`, `approved`, `rejected`, `bypassed`, `expired` or `canceled`.
    pub gate: String,
    /// `waiting`, `queued`, `in_progress` or `completed`.
    pub job: String,
    /// How the job ended.
    pub conclusion: Option<String>,
    /// States of the deployment, oldest first.
    pub statuses: Vec<String>,
    /// Status reports that the gate was given.
    pub reports: Vec<String>,
    /// When the gate was asked.
    pub created_at: DateTime<Utc>,
    /// When the job started.
    pub started_at: Option<DateTime<Utc>>,
}

/// A workflow run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Run id.
    pub id: u64,
    /// `owner/name`.
    pub repository: String,
    /// Present attempt.
    pub run_attempt: u32,
    /// Head commit.
    pub sha: String,
    /// `waiting`, `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Deployments of all attempts, oldest first.
    pub deployments: Vec<u64>,
}

impl World {
    pub(super) fn deployment_view(&self, deployment: &Deployment) -> DeploymentView {
        let repository = &self.repositories[deployment.repository];
        DeploymentView {
            id: deployment.id,
            repository: repository.full_name(),
            repository_id: repository.id,
            run_id: deployment.run,
            run_attempt: deployment.attempt,
            environment: deployment.environment.clone(),
            sha: deployment.sha.clone(),
            gate: deployment.gate.name().to_owned(),
            job: deployment.job.status().to_owned(),
            conclusion: deployment.job.conclusion().map(str::to_owned),
            statuses: deployment.statuses.iter().map(|status| status.state.clone()).collect(),
            reports: deployment.reports.clone(),
            created_at: deployment.created_at,
            started_at: deployment.started_at,
        }
    }

    pub(super) fn run_view(&self, run: &Run) -> RunView {
        RunView {
            id: run.id,
            repository: self.repositories[run.repository].full_name(),
            run_attempt: run.attempt,
            sha: run.head_sha.clone(),
            status: run.status.to_owned(),
            conclusion: run.conclusion.map(str::to_owned),
            deployments: run.deployments.clone(),
        }
    }
}
