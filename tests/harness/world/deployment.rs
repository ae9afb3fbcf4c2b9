//! One deployment of the story, and what the story does with it and its change.

use chrono::TimeDelta;
use interlock_events::{CorrelationId, DeploymentKey, KeyHash};
use interlock_simulators::github::{DeploymentView, Outcome, StartDeployment, Started};
use serde_json::Value;

use super::{SOON, World, until};

/// A deployment that waits, or waited, at its gate.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// GitHub's id of it.
    pub id: u64,
    /// Its workflow run.
    pub run: u64,
    /// Its commit.
    pub sha: String,
    /// What its change and events are found by.
    pub key: KeyHash,
    /// What its change must have as correlation id.
    pub correlation_id: String,
}

impl World {
    /// A pipeline reaches its gate for `production`.
    pub fn deploy(&self, repository: &str) -> Deployment {
        let wish = StartDeployment::new(repository, "production");
        let started = self.github.start_deployment(&wish).expect("the simulator takes it");
        self.deployment_of(&started)
    }

    /// A pipeline deploys without a gate: nothing holds it.
    pub fn deploy_ungated(&self, repository: &str) {
        let wish = StartDeployment { gated: Some(false), ..StartDeployment::new(repository, "production") };
        self.github.start_deployment(&wish).expect("the simulator takes it");
    }

    /// As [`World::deploy`], as if it had been asked for so long ago: its deadline is so much nearer.
    pub fn deploy_ago(&self, repository: &str, ago: TimeDelta) -> Deployment {
        self.github.clock().set_skew(-ago);
        let deployment = self.deploy(repository);
        self.github.clock().set_skew(TimeDelta::zero());
        deployment
    }

    /// So many jobs of one run reach the gate of `production`.
    pub fn deploy_matrix(&self, repository: &str, jobs: u32) -> Vec<Deployment> {
        let wish = StartDeployment { matrix: Some(jobs), ..StartDeployment::new(repository, "production") };
        self.deployments_of(&self.github.start_deployment(&wish).expect("the simulator takes it"))
    }

    /// One more job of a run reaches the gate of `production`.
    pub fn deploy_in(&self, repository: &str, run: u64) -> Deployment {
        let wish = StartDeployment { run_id: Some(run), ..StartDeployment::new(repository, "production") };
        self.deployment_of(&self.github.start_deployment(&wish).expect("the run has not ended"))
    }

    /// What a start or a re-run made.
    pub fn deployment_of(&self, started: &Started) -> Deployment {
        self.deployments_of(started).remove(0)
    }

    /// All that a start or a re-run made.
    pub fn deployments_of(&self, started: &Started) -> Vec<Deployment> {
        started.deployments.iter().map(|id| self.deployment_with(started.run_id, *id)).collect()
    }

    fn deployment_with(&self, run: u64, id: u64) -> Deployment {
        let view = self.github.deployment(id).expect("it was just made");
        let key = DeploymentKey {
            tenant: "default".into(),
            connection: "github".into(),
            project: view.repository_id.to_string(),
            environment: view.environment.clone(),
            occurrence: id.to_string(),
        };
        let correlation_id = CorrelationId::new(&key, &view.sha, &view.repository).as_str().to_owned();
        Deployment { id, run, sha: view.sha, key: key.hash(), correlation_id }
    }

    /// How it stands at GitHub.
    pub fn at_github(&self, deployment: &Deployment) -> DeploymentView {
        self.github.deployment(deployment.id).expect("deployments are not deleted")
    }

    /// Waits until a change of the deployment waits for approval; its number.
    pub async fn until_asked(&self, deployment: &Deployment) -> String {
        let what = format!("a change of deployment {} waits for approval", deployment.id);
        until(&what, SOON, async || {
            let asked = self.changes_of(deployment).into_iter().find(|change| change["state"] == "-4");
            asked.and_then(|change| change["number"].as_str().map(ToOwned::to_owned))
        })
        .await
    }

    /// Waits until the gate stands so: `approved`, `rejected`, `canceled`, `bypassed`.
    pub async fn until_gate(&self, deployment: &Deployment, gate: &str) {
        self.until_gate_within(deployment, gate, SOON).await;
    }

    /// The same, with a deadline of the story's own.
    pub async fn until_gate_within(&self, deployment: &Deployment, gate: &str, within: std::time::Duration) {
        let what = format!("the gate of deployment {} is {gate}", deployment.id);
        until(&what, within, async || (self.at_github(deployment).gate == gate).then_some(())).await;
    }

    /// Waits until a change is in a state, by its number in the record.
    pub async fn until_state(&self, number: &str, state: &str) -> Value {
        until(&format!("{number} is in state {state}"), SOON, async || {
            self.service_now.change(number).filter(|change| change["state"] == state)
        })
        .await
    }

    /// Everybody who is asked says yes.
    pub fn approve(&self, number: &str) {
        self.service_now
            .approve_all(number)
            .unwrap_or_else(|error| panic!("cannot approve {number}: {error}"));
    }

    /// The job of a released deployment ends well.
    pub async fn succeed(&self, deployment: &Deployment) {
        until("the job runs", SOON, async || (self.at_github(deployment).job == "in_progress").then_some(()))
            .await;
        self.github.finish(deployment.id, Outcome::Success).expect("a running job can end");
    }
}
