//! How a run stands follows from how its jobs stand.

use chrono::{DateTime, Utc};

use super::model::{Deployment, Job, Outcome};
use super::world::World;

impl World {
    /// Recomputes status and conclusion of the present attempt and tells what has changed.
    pub fn refresh_run(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(run) = self.runs.get(&id) else { return };
        let (status, conclusion) = stand(&self.present(run));
        let Some(run) = self.runs.get_mut(&id) else { return };
        if (run.status, run.conclusion) == (status, conclusion) {
            return;
        }
        run.status = status;
        run.conclusion = conclusion;
        run.updated_at = at;
        let first_progress = status == "in_progress" && !std::mem::replace(&mut run.progress_told, true);
        if first_progress {
            self.tell_run("in_progress", id, at);
        } else if status == "completed" {
            self.tell_run("completed", id, at);
        }
    }
}

impl World {
    /// A success makes older successes of the same environment `inactive` (docs: "Create a deployment status",
    /// `auto_inactive`). The webhook's states do not include that one, so nothing is sent.
    pub fn retire_older(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let (repository, environment) = (deployment.repository, deployment.environment.clone());
        let active = self.repositories[repository].active.entry(environment).or_default();
        let (older, mut newer): (Vec<u64>, Vec<u64>) = active.drain(..).partition(|one| *one < id);
        newer.push(id);
        *active = newer;
        for one in older {
            let mut status = self.platform_status_of(one, "inactive", at);
            status.id = self.new_status_id();
            if let Some(deployment) = self.deployments.get_mut(&one) {
                deployment.updated_at = at;
                deployment.statuses.push(status);
            }
        }
    }
}

/// A running job hides a waiting one; a run is over once all of its jobs are.
fn stand(jobs: &[&Deployment]) -> (&'static str, Option<&'static str>) {
    let any = |wanted: Job| jobs.iter().any(|one| one.job == wanted);
    let ended = |wanted: &str| jobs.iter().any(|one| one.job.conclusion() == Some(wanted));
    if any(Job::InProgress) {
        ("in_progress", None)
    } else if any(Job::Queued) {
        ("queued", None)
    } else if any(Job::Waiting) {
        ("waiting", None)
    } else if ended(Outcome::Failure.conclusion()) {
        ("completed", Some("failure"))
    } else if ended(Outcome::Cancelled.conclusion()) {
        ("completed", Some("cancelled"))
    } else {
        ("completed", Some("success"))
    }
}
