//! How runs and deployments begin: a job with an environment is reached, for the first time or in a re-run.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::lifecycle::PLATFORM;
use super::model::{Deployment, Gate, Job, Refused, Run, StartDeployment, Started};
use super::schedule::Later;
use super::world::World;

const MATRIX_MAX: u32 = 256;

impl World {
    /// A run reaches a job with an environment.
    pub fn start(&mut self, wish: &StartDeployment, at: DateTime<Utc>) -> Result<Started, Refused> {
        let jobs = wish.matrix.unwrap_or(1);
        if wish.environment.is_empty() || !(1..=MATRIX_MAX).contains(&jobs) {
            return Err(Refused::new(422, "environment must be given and matrix lie in 1..=256"));
        }
        let repository = self.repository_or_new(&wish.repo)?;
        let run = match wish.run_id {
            Some(id) => self.joinable_run(id, repository)?,
            None => self.new_run(wish, repository, at),
        };
        let deployments = (0..jobs).map(|_| self.new_deployment(wish, run, at)).collect::<Result<_, _>>()?;
        self.refresh_run(run, at);
        self.started(run, deployments)
    }

    /// The jobs of the last attempt again, or those that did not succeed, as new deployments under the same run id.
    pub fn rerun(&mut self, id: u64, only_failed: bool, at: DateTime<Utc>) -> Result<Started, Refused> {
        let last = self.run(id)?;
        if last.status != "completed" {
            return Err(Refused::new(403, "This workflow is already running"));
        }
        let repeats = |one: &&Deployment| !only_failed || one.job.conclusion() != Some("success");
        let wishes: Vec<StartDeployment> =
            self.present(last).into_iter().filter(repeats).map(|one| self.same_again(one)).collect();
        if wishes.is_empty() {
            return Err(Refused::new(403, "The workflow run has no failed jobs to retry"));
        }
        let run = self.run_mut(id)?;
        run.attempt += 1;
        run.status = "waiting";
        run.conclusion = None;
        run.progress_told = false;
        run.started_at = at;
        run.updated_at = at;
        self.note_run(at, PLATFORM, "run.rerun", self.run(id)?);
        self.tell_run("requested", id, at);
        let deployments =
            wishes.iter().map(|wish| self.new_deployment(wish, id, at)).collect::<Result<_, _>>()?;
        self.refresh_run(id, at);
        self.started(id, deployments)
    }

    fn joinable_run(&mut self, id: u64, repository: usize) -> Result<u64, Refused> {
        let run = self.run(id)?;
        if run.repository != repository {
            return Err(Refused::not_found());
        }
        if run.status == "completed" {
            return Err(Refused::new(409, "the run has ended: re-run it"));
        }
        Ok(id)
    }

    fn new_run(&mut self, wish: &StartDeployment, repository: usize, at: DateTime<Utc>) -> u64 {
        let id = self.new_run_id();
        let sha = wish.sha.clone().unwrap_or_else(|| self.made_up_sha(id));
        let of = &mut self.repositories[repository];
        of.runs.push(id);
        let actor = wish.actor.clone().unwrap_or_else(|| "dana-dev".into());
        let run = Run {
            id,
            repository,
            number: of.runs.len() as u64,
            attempt: 1,
            head_sha: sha,
            head_branch: wish.git_ref.clone().unwrap_or_else(|| "main".into()),
            author: wish.author.clone().unwrap_or_else(|| actor.clone()),
            actor,
            status: "waiting",
            conclusion: None,
            created_at: at,
            started_at: at,
            updated_at: at,
            progress_told: false,
            deployments: Vec::new(),
            reviews: Vec::new(),
        };
        self.runs.insert(id, run);
        self.tell_run("requested", id, at);
        id
    }

    fn new_deployment(
        &mut self,
        wish: &StartDeployment,
        run_id: u64,
        at: DateTime<Utc>,
    ) -> Result<u64, Refused> {
        let (id, job_id) = (self.new_deployment_id(), self.new_job_id());
        let gated = wish.gated.unwrap_or(true);
        let run = self.run_mut(run_id)?;
        run.deployments.push(id);
        let deployment = Deployment {
            id,
            run: run_id,
            attempt: run.attempt,
            repository: run.repository,
            environment: wish.environment.clone(),
            sha: run.head_sha.clone(),
            git_ref: run.head_branch.clone(),
            creator: run.actor.clone(),
            payload: wish.payload.clone().unwrap_or_else(|| json!({})),
            job_id,
            job: Job::Waiting,
            gate: if gated { Gate::Open } else { Gate::None },
            reviewer: wish.reviewer.clone(),
            asked_reviewer: wish.reviewer.clone(),
            run_for_ms: wish.run_for_ms,
            created_at: at,
            updated_at: at,
            started_at: None,
            statuses: Vec::new(),
            reports: Vec::new(),
        };
        self.repositories[deployment.repository].deployments.push(id);
        self.deployments.insert(id, deployment);
        self.tell_deployment(id, at);
        if gated {
            self.ask_gate(id, at);
        } else {
            self.open_gate(id, Gate::None, at)?;
        }
        Ok(id)
    }

    fn ask_gate(&mut self, id: u64, at: DateTime<Utc>) {
        self.platform_status(id, "waiting", at);
        self.tell_job("waiting", id, at);
        self.tell_gate(id, at);
        self.note(at, PLATFORM, "gate.asked", &self.deployments[&id], "");
        let limit = i64::try_from(self.knobs.gate_limit_seconds).unwrap_or(i64::MAX / 1_000);
        if let Some(due) = Duration::try_seconds(limit).and_then(|limit| at.checked_add_signed(limit)) {
            self.schedule.push(due, Later::ExpireGate(id));
        }
    }

    fn same_again(&self, deployment: &Deployment) -> StartDeployment {
        StartDeployment {
            repo: self.repositories[deployment.repository].full_name(),
            environment: deployment.environment.clone(),
            gated: Some(deployment.gate != Gate::None),
            reviewer: deployment.asked_reviewer.clone(),
            run_for_ms: deployment.run_for_ms,
            payload: Some(deployment.payload.clone()),
            ..StartDeployment::default()
        }
    }

    fn started(&self, run: u64, deployments: Vec<u64>) -> Result<Started, Refused> {
        let run = self.run(run)?;
        Ok(Started { run_id: run.id, run_attempt: run.attempt, sha: run.head_sha.clone(), deployments })
    }
}
