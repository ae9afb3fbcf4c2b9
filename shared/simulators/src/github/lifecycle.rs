//! The life of a gated deployment once it waits: decided, queued, running, ended; cancels and bypasses.

use chrono::{DateTime, Duration, Utc};

use super::model::{Gate, Job, Outcome, Refused, Review, Status};
use super::schedule::Later;
use super::world::World;

/// Actor of what the platform does by itself.
pub(super) const PLATFORM: &str = "github";

impl World {
    /// The end of a job, as its last step decided it.
    pub fn finish(&mut self, id: u64, outcome: Outcome, at: DateTime<Utc>) -> Result<(), Refused> {
        match self.deployment(id)?.job {
            Job::Queued | Job::InProgress => {}
            Job::Waiting => return Err(Refused::new(409, "the deployment waits at its gate")),
            Job::Completed(_) => return Err(Refused::new(409, "the deployment has ended already")),
        }
        self.end_job(id, outcome, at)?;
        let actor = self.deployment(id)?.creator.clone();
        self.note(at, &actor, "job.finished", self.deployment(id)?, outcome.conclusion());
        self.refresh_run(self.deployment(id)?.run, at);
        Ok(())
    }

    /// A person or our App cancels what has not ended. GitHub sends no deployment status for it.
    pub fn cancel(&mut self, id: u64, actor: &str, at: DateTime<Utc>) -> Result<(), Refused> {
        let run = self.run(id)?;
        if run.status == "completed" {
            return Err(Refused::new(409, "Cannot cancel a workflow run that is completed."));
        }
        self.note_run(at, actor, "run.canceled", run);
        let live: Vec<u64> =
            self.present(run).iter().filter(|one| one.job.conclusion().is_none()).map(|one| one.id).collect();
        for deployment in live {
            let one = self.deployment_mut(deployment)?;
            if one.gate == Gate::Open {
                one.gate = Gate::Canceled;
            }
            self.end_job(deployment, Outcome::Cancelled, at)?;
            self.note(at, actor, "job.canceled", self.deployment(deployment)?, "");
        }
        self.refresh_run(id, at);
        Ok(())
    }

    /// A person with the right to do so starts the waiting job past all protection rules.
    pub fn bypass(&mut self, id: u64, person: &str, at: DateTime<Utc>) -> Result<(), Refused> {
        let deployment = self.deployment(id)?;
        if deployment.gate != Gate::Open {
            return Err(Refused::new(409, "the deployment does not wait at its gate"));
        }
        self.note(at, person, "gate.bypassed", deployment, "");
        let (run, environment) = (deployment.run, deployment.environment.clone());
        self.review(run, "approved", "started by force", person, environment)?;
        self.deployment_mut(id)?.reviewer = None;
        self.open_gate(id, Gate::Bypassed, at)?;
        self.refresh_run(run, at);
        Ok(())
    }

    /// The required reviewer lets a job through; our own rule counts beside it.
    pub fn approve_as_reviewer(&mut self, id: u64, at: DateTime<Utc>) -> Result<(), Refused> {
        let deployment = self.deployment_mut(id)?;
        let Some(person) = deployment.reviewer.take().filter(|_| deployment.job == Job::Waiting) else {
            return Err(Refused::new(409, "the deployment waits for no reviewer"));
        };
        let (run, gate, environment) = (deployment.run, deployment.gate, deployment.environment.clone());
        self.review(run, "approved", "", &person, environment)?;
        self.note(at, &person, "job.reviewed", self.deployment(id)?, "");
        if gate != Gate::Open {
            self.queue_job(id, at)?;
            self.refresh_run(run, at);
        }
        Ok(())
    }

    /// The answer of our protection rule, for all that waits of this run and environment **now**.
    pub fn decide(
        &mut self,
        waiting: &[u64],
        approve: bool,
        comment: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let Some(first) = waiting.first() else { return Err(Refused::new(422, "nothing waits")) };
        let bot = self.bot();
        let (run, environment) = {
            let deployment = self.deployment(*first)?;
            (deployment.run, deployment.environment.clone())
        };
        self.review(run, if approve { "approved" } else { "rejected" }, comment, &bot, environment)?;
        for id in waiting {
            let what = if approve { "gate.released" } else { "gate.rejected" };
            self.note(at, &bot, what, self.deployment(*id)?, comment);
            if approve {
                self.open_gate(*id, Gate::Approved, at)?;
            } else {
                self.deployment_mut(*id)?.gate = Gate::Rejected;
                self.end_job(*id, Outcome::Failure, at)?;
            }
        }
        self.refresh_run(run, at);
        Ok(())
    }

    /// A runner has taken the job.
    pub fn start_job(&mut self, id: u64, at: DateTime<Utc>) {
        let knob = (self.knobs.run_for_ms, self.knobs.run_outcome);
        let Some(deployment) = self.deployments.get_mut(&id).filter(|one| one.job == Job::Queued) else {
            return;
        };
        deployment.job = Job::InProgress;
        deployment.started_at = Some(at);
        let run = deployment.run;
        if let Some(run_for_ms) = deployment.run_for_ms.or(knob.0) {
            self.schedule.push(at + millis(run_for_ms), Later::FinishJob(id, knob.1));
        }
        self.note(at, PLATFORM, "job.started", &self.deployments[&id], "");
        self.platform_status(id, "in_progress", at);
        self.tell_job("in_progress", id, at);
        self.refresh_run(run, at);
    }

    /// The platform's own limit for a gate has passed.
    pub fn expire_gate(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get_mut(&id).filter(|one| one.gate == Gate::Open) else {
            return;
        };
        deployment.gate = Gate::Expired;
        let run = deployment.run;
        self.note(at, PLATFORM, "gate.expired", &self.deployments[&id], "");
        if self.end_job(id, Outcome::Failure, at).is_ok() {
            self.refresh_run(run, at);
        }
    }

    /// Adds a status and tells it.
    pub fn add_status(&mut self, id: u64, mut status: Status, at: DateTime<Utc>) -> Result<(), Refused> {
        status.id = self.new_status_id();
        let deployment = self.deployment_mut(id)?;
        deployment.updated_at = at;
        deployment.statuses.push(status);
        self.tell_status(id, at);
        Ok(())
    }

    pub fn open_gate(&mut self, id: u64, gate: Gate, at: DateTime<Utc>) -> Result<(), Refused> {
        let deployment = self.deployment_mut(id)?;
        deployment.gate = gate;
        // Every rule of an environment must let the job through before a runner takes it.
        if deployment.reviewer.is_none() { self.queue_job(id, at) } else { Ok(()) }
    }

    fn queue_job(&mut self, id: u64, at: DateTime<Utc>) -> Result<(), Refused> {
        let due = at + millis(self.knobs.queue_delay_ms);
        self.deployment_mut(id)?.job = Job::Queued;
        self.platform_status(id, "queued", at);
        self.tell_job("queued", id, at);
        if due > at {
            self.schedule.push(due, Later::StartJob(id));
        } else {
            self.start_job(id, at);
        }
        Ok(())
    }

    fn end_job(&mut self, id: u64, outcome: Outcome, at: DateTime<Utc>) -> Result<(), Refused> {
        self.deployment_mut(id)?.job = Job::Completed(outcome);
        if let Some(state) = outcome.deployment_state() {
            self.platform_status(id, state, at);
        }
        self.tell_job("completed", id, at);
        if outcome == Outcome::Success {
            self.retire_older(id, at);
        }
        Ok(())
    }

    fn review(
        &mut self,
        run: u64,
        state: &'static str,
        comment: &str,
        user: &str,
        environment: String,
    ) -> Result<(), Refused> {
        let review = Review { state, comment: comment.to_owned(), user: user.to_owned(), environment };
        self.run_mut(run)?.reviews.push(review);
        Ok(())
    }

    /// A status as Actions itself writes it.
    pub fn platform_status_of(&self, id: u64, state: &str, at: DateTime<Utc>) -> Status {
        Status {
            id: 0,
            state: state.to_owned(),
            description: String::new(),
            creator: "github-actions[bot]".into(),
            log_url: self.job_html_url(id),
            environment_url: String::new(),
            at,
        }
    }

    pub fn platform_status(&mut self, id: u64, state: &str, at: DateTime<Utc>) {
        let status = self.platform_status_of(id, state, at);
        // The deployment exists: every caller has just touched it.
        let _known = self.add_status(id, status, at);
    }
}

fn millis(value: u64) -> Duration {
    // Beyond a century nothing is waited for.
    Duration::milliseconds(i64::try_from(value).unwrap_or(i64::MAX).min(100 * 365 * 86_400_000))
}
