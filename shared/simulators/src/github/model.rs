//! What GitHub keeps: repositories, workflow runs with attempts, deployments with their statuses.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a job ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Deployment status `success`.
    #[default]
    Success,
    /// Deployment status `failure`.
    Failure,
    /// Deployment status `error`; the run concludes `failure`.
    Error,
    /// No deployment status at all; the run concludes `cancelled`.
    Cancelled,
}

impl Outcome {
    /// The deployment status that the end of the job makes, if any.
    pub(super) fn deployment_state(self) -> Option<&'static str> {
        match self {
            Self::Success => Some("success"),
            Self::Failure => Some("failure"),
            Self::Error => Some("error"),
            Self::Cancelled => None,
        }
    }

    /// The conclusion of the job.
    pub(super) fn conclusion(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure | Self::Error => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Asks for a deployment as a workflow job with an `environment` would.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartDeployment {
    /// `owner/name`; the repository is made when it is new.
    pub repo: String,
    /// The environment of the job.
    pub environment: String,
    /// Head commit; made up when absent.
    #[serde(default)]
    pub sha: Option<String>,
    /// Branch; `main` when absent.
    #[serde(default, rename = "ref")]
    pub git_ref: Option<String>,
    /// Adds the job to this run, in its present attempt, instead of starting one.
    #[serde(default)]
    pub run_id: Option<u64>,
    /// Who pushed; `dana-dev` when absent.
    #[serde(default)]
    pub actor: Option<String>,
    /// Who wrote the head commit; who pushed, when absent.
    #[serde(default)]
    pub author: Option<String>,
    /// So many jobs of the same environment (a matrix); one when absent.
    #[serde(default)]
    pub matrix: Option<u32>,
    /// Whether the environment has our protection rule; true when absent.
    #[serde(default)]
    pub gated: Option<bool>,
    /// A person who must review the environment too, besides our rule.
    #[serde(default)]
    pub reviewer: Option<String>,
    /// Overrides the knob of that name for these jobs.
    #[serde(default)]
    pub run_for_ms: Option<u64>,
    /// The deployment's `payload`.
    #[serde(default)]
    pub payload: Option<Value>,
}

impl StartDeployment {
    /// One gated job with all else made up.
    pub fn new(repo: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { repo: repo.into(), environment: environment.into(), ..Self::default() }
    }
}

/// What a start or a re-run made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The workflow run.
    pub run_id: u64,
    /// Its attempt.
    pub run_attempt: u32,
    /// Head commit.
    pub sha: String,
    /// The new deployments, one a job.
    pub deployments: Vec<u64>,
}

/// Why something was not done: the HTTP status that says it, and the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// 4xx.
    pub status: u16,
    /// For the caller.
    pub message: String,
}

impl Refused {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.status)
    }
}

impl std::error::Error for Refused {}

pub(super) struct Repository {
    pub id: u64,
    pub owner: String,
    pub name: String,
    /// Oldest first.
    pub runs: Vec<u64>,
    pub deployments: Vec<u64>,
    /// By environment, those whose newest status is `success`.
    pub active: BTreeMap<String, Vec<u64>>,
}

impl Repository {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

pub(super) struct Run {
    pub id: u64,
    pub repository: usize,
    pub number: u64,
    pub attempt: u32,
    pub head_sha: String,
    pub head_branch: String,
    pub actor: String,
    pub author: String,
    pub status: &'static str,
    pub conclusion: Option<&'static str>,
    pub created_at: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Whether this attempt's `in_progress` webhook has been sent.
    pub progress_told: bool,
    /// Of all attempts, oldest first.
    pub deployments: Vec<u64>,
    pub reviews: Vec<Review>,
}

/// An answer to a gate, as `GET …/approvals` lists it.
pub(super) struct Review {
    pub state: &'static str,
    pub comment: String,
    pub user: String,
    pub environment: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    None,
    Open,
    Approved,
    Rejected,
    Bypassed,
    Expired,
    Canceled,
}

impl Gate {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Bypassed => "bypassed",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Waiting,
    Queued,
    InProgress,
    Completed(Outcome),
}

impl Job {
    pub fn status(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(_) => "completed",
        }
    }

    pub fn conclusion(self) -> Option<&'static str> {
        match self {
            Self::Completed(outcome) => Some(outcome.conclusion()),
            _ => None,
        }
    }
}

pub(super) struct Deployment {
    pub id: u64,
    pub run: u64,
    pub attempt: u32,
    pub repository: usize,
    pub environment: String,
    pub sha: String,
    pub git_ref: String,
    pub creator: String,
    pub payload: Value,
    pub job_id: u64,
    pub job: Job,
    pub gate: Gate,
    /// Who else must let it through; none once that has happened.
    pub reviewer: Option<String>,
    /// The same, for a re-run.
    pub asked_reviewer: Option<String>,
    pub run_for_ms: Option<u64>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// Oldest first.
    pub statuses: Vec<Status>,
    /// Comments given to the gate without a decision.
    pub reports: Vec<String>,
}

pub(super) struct Status {
    pub id: u64,
    pub state: String,
    pub description: String,
    pub creator: String,
    pub log_url: String,
    pub environment_url: String,
    pub at: DateTime<Utc>,
}
