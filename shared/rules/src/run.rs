//! A deployment's run at its platform, as the rules see it.

use chrono::{DateTime, Utc};
use interlock_events::Outcome;
use serde::{Deserialize, Serialize};

use crate::separation::Person;

/// How far the deployment is at its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// Held at the gate.
    Waiting,
    /// Neither held nor begun: says nothing about how the gate ended.
    Queued,
    /// The job runs.
    Started,
    /// The job ended after it had begun.
    Ended(Outcome),
    /// It ended without ever having begun.
    NeverStarted(Outcome),
    /// The platform does not know it.
    Gone,
}

impl RunPhase {
    /// How the deployment ended, if it did.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Ended(outcome) | Self::NeverStarted(outcome) => Some(outcome),
            Self::Waiting | Self::Queued | Self::Started | Self::Gone => None,
        }
    }

    /// The job began at some time.
    #[must_use]
    pub fn has_started(self) -> bool {
        matches!(self, Self::Started | Self::Ended(_))
    }
}

/// An answer to the gate that the platform shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// It let the pipeline go on.
    pub released: bool,
    /// It is ours.
    pub ours: bool,
    /// Who gave it.
    pub by: String,
}

/// The run as read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReading {
    /// When, by the platform's `Date`; by our clock where it sent none.
    pub at: DateTime<Utc>,
    /// `at` is the platform's.
    pub dated: bool,
    /// Attempt that the run is at now, where the platform counts attempts.
    pub attempt: Option<u32>,
    /// Commit of the run.
    pub sha: String,
    /// How far it is.
    pub phase: RunPhase,
    /// A newer occurrence of the same run and environment exists.
    pub superseded: bool,
    /// The answer that the platform shows, if it shows any.
    pub answer: Option<Answer>,
    /// A short text that differs once the run has moved, where the platform has one.
    #[serde(default)]
    pub mark: Option<String>,
    /// Who set it off, and who wrote its commit, as far as the platform shows.
    #[serde(default)]
    pub people: Vec<Person>,
}

impl RunReading {
    /// Why this is not the run that was asked about: another attempt, another commit, a newer occurrence.
    #[must_use]
    pub fn another_than(&self, sha: &str, attempt: Option<u32>) -> Option<String> {
        if self.superseded {
            return Some("a newer deployment of the same run and environment exists".into());
        }
        match (attempt, self.attempt) {
            (Some(bound), Some(now)) if bound != now => {
                return Some(format!("the run is at attempt {now}, the gate is of attempt {bound}"));
            }
            _ => {}
        }
        (self.sha != sha).then(|| format!("the run is of commit {}, the gate of {sha}", self.sha))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::policy::tests::deployment;
    use crate::record::tests::at;

    pub(crate) fn run(phase: RunPhase) -> RunReading {
        RunReading {
            at: at(60),
            dated: true,
            attempt: Some(1),
            sha: deployment().sha,
            phase,
            superseded: false,
            answer: None,
            mark: None,
            people: Vec::new(),
        }
    }

    #[test]
    fn another_attempt_commit_or_occurrence_is_another_run() {
        let sha = deployment().sha;
        let same = run(RunPhase::Waiting);
        assert_eq!(same.another_than(&sha, Some(1)), None);
        assert_eq!(same.another_than(&sha, None), None);
        assert!(same.another_than(&sha, Some(2)).unwrap().contains("attempt"));
        assert!(same.another_than("ffff", Some(1)).unwrap().contains("commit"));
        let superseded = RunReading { superseded: true, ..same };
        assert!(superseded.another_than(&sha, Some(1)).unwrap().contains("newer"));
    }
}
