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
