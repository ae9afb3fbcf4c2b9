//! Facts about deployments, as their platform told them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DeploymentKey, EventData, GateHandle};

/// A project or repository at its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Project {
    /// The platform's id; stands in the key.
    pub id: String,
    /// Full name, for policies and people (`acme/payments-api`).
    pub name: String,
    /// Page of the project, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A pipeline's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The platform's id of the run; a re-run keeps it.
    pub id: String,
    /// The attempt, from 1; absent where the event does not carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Page of the run, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What is deployed, where, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The project.
    pub project: Project,
    /// The commit that is deployed, in full.
    pub sha: String,
    /// Branch or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The run that deploys; absent where no pipeline is behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Login of who triggered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl Deployment {
    fn partition(&self) -> String {
        format!("{}:{}", self.key.connection, self.key.project)
    }
}

/// How a deployment or run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It failed, timed out or broke.
    Failed,
    /// A person or a newer run stopped it.
    Canceled,
    /// It was not run at all.
    Skipped,
}

impl Outcome {
    /// The word in events and notes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
        }
    }
}

/// A pipeline wants to deploy; with a gate it waits for our answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentRequested {
    /// What is to be deployed.
    pub deployment: Deployment,
    /// Where the answer goes; absent for a deployment that nothing holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateHandle>,
    /// Where the platform is asked about a deployment that nothing holds, where the event says enough for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<GateHandle>,
    /// When it was asked for, by the platform's clock where it says; deadlines count from here.
    pub requested_at: DateTime<Utc>,
}

impl EventData for DeploymentRequested {
    const TYPE: &'static str = "io.interlock.deployment.requested.v1";
    fn subject(&self) -> String {
        self.deployment.key.hash().to_string()
    }
    /// A platform tells of a held deployment twice, with and without its gate. Those are two
    /// facts: the second must not pass for a repeat of the first.
    fn discriminator(&self) -> String {
        if self.gate.is_some() { String::new() } else { "ungated".into() }
    }
    fn partition(&self) -> Option<String> {
        Some(self.deployment.partition())
    }
}

/// The deployment's job runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentStarted {
    /// What is deployed.
    pub deployment: Deployment,
    /// Since when, by the platform's clock.
    pub at: DateTime<Utc>,
}

impl EventData for DeploymentStarted {
    const TYPE: &'static str = "io.interlock.deployment.started.v1";
    fn subject(&self) -> String {
        self.deployment.key.hash().to_string()
    }
    fn discriminator(&self) -> String {
        String::new()
    }
    fn partition(&self) -> Option<String> {
        Some(self.deployment.partition())
    }
}

/// The deployment's job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentFinished {
    /// What was deployed.
    pub deployment: Deployment,
    /// How it ended.
    pub outcome: Outcome,
    /// When, by the platform's clock.
    pub at: DateTime<Utc>,
}

impl EventData for DeploymentFinished {
    const TYPE: &'static str = "io.interlock.deployment.finished.v1";
    fn subject(&self) -> String {
        self.deployment.key.hash().to_string()
    }
    fn discriminator(&self) -> String {
        self.outcome.as_str().into()
    }
    fn partition(&self) -> Option<String> {
        Some(self.deployment.partition())
    }
}

/// A whole run ended; its deployments are found by run and attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFinished {
    /// Who owns the connection.
    pub tenant: String,
    /// Name of the connection.
    pub connection: String,
    /// The project.
    pub project: Project,
    /// The run, with its attempt.
    pub run: Run,
    /// The commit it ran on.
    pub sha: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When, by the platform's clock.
    pub at: DateTime<Utc>,
}

impl EventData for RunFinished {
    const TYPE: &'static str = "io.interlock.run.finished.v1";
    fn subject(&self) -> String {
        let attempt = self.run.attempt.unwrap_or(1);
        format!("{}:{}:run:{}:{attempt}", self.connection, self.project.id, self.run.id)
    }
    fn discriminator(&self) -> String {
        self.outcome.as_str().into()
    }
    fn partition(&self) -> Option<String> {
        Some(format!("{}:{}", self.connection, self.project.id))
    }
}
