//! The whole state behind one lock, and the look-ups that everything else starts from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::artifacts::Artifacts;
use super::faults::Faults;
use super::hooks::Hooks;
use super::model::{Deployment, Refused, Repository, Run};
use super::options::{Knobs, Options};
use super::schedule::Schedule;
use super::tokens::Tokens;
use crate::journal::Journal;

/// More deployments than this want a reset first.
const DEPLOYMENTS_MAX: usize = 500_000;

pub(super) struct World {
    pub options: Options,
    pub knobs: Knobs,
    pub repositories: Vec<Repository>,
    pub runs: BTreeMap<u64, Run>,
    pub deployments: BTreeMap<u64, Deployment>,
    pub artifacts: Artifacts,
    pub schedule: Schedule,
    pub hooks: Hooks,
    pub tokens: Tokens,
    pub faults: Faults,
    pub journal: Journal,
    next: Next,
}

/// The next free ids; each kind counts alone, so that a fault in one test moves no id of another kind.
struct Next {
    run: u64,
    deployment: u64,
    status: u64,
    job: u64,
    artifact: u64,
    request: u64,
}

impl Next {
    /// Another seed begins elsewhere, so that a restarted simulator need not repeat itself.
    fn of(seed: u64) -> Self {
        let shift = seed.saturating_sub(1) % 1_000_000 * 100_000;
        Self {
            run: 9_120_045_512 + shift,
            deployment: 2_210_045 + shift,
            status: 31_400_001 + shift,
            job: 27_800_001 + shift,
            artifact: 41_500_001 + shift,
            request: 0,
        }
    }
}

impl World {
    pub fn new(options: Options, journal: Journal) -> Self {
        Self {
            knobs: options.knobs.clone(),
            repositories: Vec::new(),
            runs: BTreeMap::new(),
            deployments: BTreeMap::new(),
            artifacts: Artifacts::default(),
            schedule: Schedule::default(),
            hooks: Hooks::new(options.webhook.clone(), options.seed),
            tokens: Tokens::default(),
            faults: Faults::default(),
            journal,
            next: Next::of(options.seed),
            options,
        }
    }

    /// Forgets everything but the counters, the webhook target and the options.
    pub fn clear(&mut self) {
        self.knobs = self.options.knobs.clone();
        self.repositories.clear();
        self.runs.clear();
        self.deployments.clear();
        self.artifacts = Artifacts::default();
        self.schedule = Schedule::default();
        self.hooks.clear();
        self.tokens.clear();
        self.faults.clear();
    }

    pub fn new_run_id(&mut self) -> u64 {
        take(&mut self.next.run)
    }

    pub fn new_deployment_id(&mut self) -> u64 {
        take(&mut self.next.deployment)
    }

    pub fn new_status_id(&mut self) -> u64 {
        take(&mut self.next.status)
    }

    pub fn new_job_id(&mut self) -> u64 {
        take(&mut self.next.job)
    }

    pub fn new_artifact_id(&mut self) -> u64 {
        take(&mut self.next.artifact)
    }

    pub fn new_request_number(&mut self) -> u64 {
        take(&mut self.next.request)
    }

    /// A commit id that differs for every run and seed, and is the same in every repetition.
    pub fn made_up_sha(&self, run: u64) -> String {
        let digest = Sha256::digest(format!("{}:{run}", self.options.seed));
        hex::encode(&digest[..20])
    }

    pub fn bot(&self) -> String {
        format!("{}[bot]", self.options.app_slug)
    }

    /// Index of a repository that is made when it is new.
    pub fn repository_or_new(&mut self, full_name: &str) -> Result<usize, Refused> {
        if self.deployments.len() >= DEPLOYMENTS_MAX {
            return Err(Refused::new(422, "too many deployments: reset the simulator"));
        }
        let (owner, name) = full_name
            .split_once('/')
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
            .ok_or_else(|| Refused::new(422, "repo must be owner/name"))?;
        if let Some(index) = self.repository_index(owner, name) {
            return Ok(index);
        }
        let index = self.repositories.len();
        self.repositories.push(Repository {
            id: 70_012 + index as u64,
            owner: owner.to_owned(),
            name: name.to_owned(),
            runs: Vec::new(),
            deployments: Vec::new(),
            active: BTreeMap::new(),
        });
        Ok(index)
    }

    /// Names of owners and repositories are compared without case, as GitHub does.
    pub fn repository_index(&self, owner: &str, name: &str) -> Option<usize> {
        self.repositories.iter().position(|repository| {
            repository.owner.eq_ignore_ascii_case(owner) && repository.name.eq_ignore_ascii_case(name)
        })
    }

    pub fn run(&self, id: u64) -> Result<&Run, Refused> {
        self.runs.get(&id).ok_or_else(Refused::not_found)
    }

    pub fn run_mut(&mut self, id: u64) -> Result<&mut Run, Refused> {
        self.runs.get_mut(&id).ok_or_else(Refused::not_found)
    }

    pub fn deployment(&self, id: u64) -> Result<&Deployment, Refused> {
        self.deployments.get(&id).ok_or_else(Refused::not_found)
    }

    pub fn deployment_mut(&mut self, id: u64) -> Result<&mut Deployment, Refused> {
        self.deployments.get_mut(&id).ok_or_else(Refused::not_found)
    }

    /// The deployments of the run's present attempt.
    pub fn present(&self, run: &Run) -> Vec<&Deployment> {
        self.of_all_attempts(run).filter(|deployment| deployment.attempt == run.attempt).collect()
    }

    /// The deployments of all the run's attempts.
    pub fn of_all_attempts(&self, run: &Run) -> impl Iterator<Item = &Deployment> {
        run.deployments.iter().filter_map(|id| self.deployments.get(id))
    }

    /// Notes an effect on a deployment.
    pub fn note(&self, at: DateTime<Utc>, actor: &str, what: &str, deployment: &Deployment, detail: &str) {
        let id = deployment.id.to_string();
        let more = [
            ("deployment_id", id.as_str()),
            ("environment", deployment.environment.as_str()),
            ("detail", detail),
        ];
        self.write(at, actor, what, deployment.run, deployment.attempt, &more);
    }

    /// Notes an effect on a whole run.
    pub fn note_run(&self, at: DateTime<Utc>, actor: &str, what: &str, run: &Run) {
        self.write(at, actor, what, run.id, run.attempt, &[]);
    }

    fn write(
        &self,
        at: DateTime<Utc>,
        actor: &str,
        what: &str,
        run: u64,
        attempt: u32,
        more: &[(&str, &str)],
    ) {
        let Some(of) = self.runs.get(&run) else { return };
        let repository = self.repositories[of.repository].full_name();
        let (run, attempt) = (run.to_string(), attempt.to_string());
        let mut ids = vec![
            ("repository", repository.as_str()),
            ("run_id", run.as_str()),
            ("run_attempt", attempt.as_str()),
            ("sha", of.head_sha.as_str()),
        ];
        ids.extend_from_slice(more);
        self.journal.record(at, actor, what, &ids);
    }
}

fn take(next: &mut u64) -> u64 {
    let id = *next;
    *next += 1;
    id
}
