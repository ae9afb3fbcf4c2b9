//! A script: everything that people, pipelines and faults do in one simulation, each at its time. A step
//! can be taken out without changing the others, so that a failing script can be shrunk.

use std::fmt;
use std::time::Duration;

use crate::broker::Trouble;
use crate::http::Weather;

/// A whole story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The seed that it was made from; latencies come from it too.
    pub seed: u64,
    /// What happens, in the order of time.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// After the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens. Deployments are named by their place in the script. What cannot be done yet (an approval
/// before anybody is asked) is tried again for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A pipeline reaches its gate.
    Start {
        /// Its place.
        deployment: usize,
        /// Number of its repository.
        repository: usize,
    },
    /// Jobs of one run reach the same gate at once.
    Matrix {
        /// Their place.
        deployment: usize,
        /// Number of their repository.
        repository: usize,
        /// How many.
        jobs: u32,
    },
    /// Everybody who is asked approves its change.
    Approve(usize),
    /// Somebody who is asked rejects its change.
    Reject(usize),
    /// Its change's approval is taken back.
    Revoke(usize),
    /// Its change is put on hold.
    Hold(usize),
    /// Its change's hold ends.
    Unhold(usize),
    /// Its change gets a planned window, in seconds from now.
    Window(usize, i64, i64),
    /// A person cancels its run.
    CancelRun(usize),
    /// A person starts its job past the gate.
    Bypass(usize),
    /// A person runs its run again; the new deployment takes this place.
    Rerun(usize, usize),
    /// Its job ends: well, or not.
    Finish(usize, bool),
    /// A fault.
    Fault(Fault),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, after so many more calls, and starts again after a while.
    Crash(usize, u64, Duration),
    /// A process stands still for a while.
    Freeze(usize, Duration),
    /// The Store forgets everything.
    Flush,
    /// The Store is gone for a while.
    StoreAway(Duration),
    /// The broker is in trouble for a while.
    Broker(Trouble, Duration),
    /// A process loses its connection to the broker.
    Disconnect(usize),
    /// The network is bad for a while.
    Network(Weather, Duration),
    /// Webhooks travel badly for a while.
    Webhooks(Post, Duration),
    /// ServiceNow fails so many times, at calls of one kind.
    ServiceNow(ServiceNowFault, ServiceNowCall, u32),
    /// ServiceNow is down for a while.
    ServiceNowDown(Duration),
    /// GitHub fails so many times, at answers to gates alone or at any call.
    GitHub(GitHubFault, bool, u32),
    /// GitHub is down for a while.
    GitHubDown(Duration),
}

/// How webhooks travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// Each twice or thrice.
    Duplicated,
    /// Half of them never arrive.
    Dropped,
    /// Each takes up to a minute, and so overtakes others.
    Delayed,
}

/// How ServiceNow fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the simulator's effects are")]
pub enum ServiceNowFault {
    TimeoutAfterCommit,
    TimeoutBeforeCommit,
    LateCommit,
    VeryLateCommit,
    ResetAfterCommit,
    CreateThen403,
    CreateThenEmpty201,
    Html200,
    RateLimit,
    ServerError,
    BrokenList,
}

/// Which calls of ServiceNow fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as what they do")]
pub enum ServiceNowCall {
    Any,
    LookUp,
    Create,
    Move,
}

/// How GitHub fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the simulator's faults are")]
pub enum GitHubFault {
    TimeoutAfterCommit,
    ResetAfterCommit,
    ErrorAfterCommit,
    ResetBeforeCommit,
    ServerError,
    Html200,
    RateLimit,
    SecondaryLimit,
}

impl Fault {
    /// Its kind in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Crash(..) => "crash",
            Self::Freeze(..) => "freeze",
            Self::Flush => "flush",
            Self::StoreAway(_) => "store away",
            Self::Broker(..) => "broker",
            Self::Disconnect(_) => "disconnect",
            Self::Network(..) => "network",
            Self::Webhooks(..) => "webhooks",
            Self::ServiceNow(..) => "servicenow",
            Self::ServiceNowDown(_) => "servicenow down",
            Self::GitHub(..) => "github",
            Self::GitHubDown(_) => "github down",
        }
    }

    /// How long it goes on by itself.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        match self {
            Self::Crash(_, _, how_long)
            | Self::Freeze(_, how_long)
            | Self::StoreAway(how_long)
            | Self::Broker(_, how_long)
            | Self::Network(_, how_long)
            | Self::Webhooks(_, how_long)
            | Self::ServiceNowDown(how_long)
            | Self::GitHubDown(how_long) => *how_long,
            Self::Flush | Self::Disconnect(_) | Self::ServiceNow(..) | Self::GitHub(..) => Duration::ZERO,
        }
    }

    /// ServiceNow and the Store may fail, and gates are still decided by their deadlines.
    #[must_use]
    pub fn spares_the_gates(&self) -> bool {
        matches!(self, Self::Flush | Self::StoreAway(_) | Self::ServiceNow(..) | Self::ServiceNowDown(_))
    }
}

impl Script {
    /// Faults of the script and when each begins.
    pub fn faults(&self) -> impl Iterator<Item = (Duration, &Fault)> {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Fault(fault) => Some((step.at, fault)),
            _ => None,
        })
    }

    /// A second change of one deployment may come to be, and must be found and canceled.
    #[must_use]
    pub fn may_double(&self) -> bool {
        self.faults().any(|(_, fault)| {
            let late = matches!(fault, Fault::ServiceNow(ServiceNowFault::VeryLateCommit, ..));
            late || matches!(fault, Fault::Flush | Fault::StoreAway(_))
        })
    }

    /// How many kinds of faults there are.
    #[must_use]
    pub fn kinds(&self) -> usize {
        let mut kinds: Vec<_> = self.faults().map(|(_, fault)| fault.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.len()
    }

    /// How many places deployments have.
    #[must_use]
    pub fn places(&self) -> usize {
        let places = self.steps.iter().filter_map(|step| match step.what {
            What::Start { deployment, .. } | What::Matrix { deployment, .. } => Some(deployment + 1),
            What::Rerun(_, deployment) => Some(deployment + 1),
            _ => None,
        });
        places.max().unwrap_or(0)
    }

    /// The same without one step.
    #[must_use]
    pub fn without(&self, place: usize) -> Self {
        let mut less = self.clone();
        less.steps.remove(place);
        less
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for step in &self.steps {
            writeln!(f, "  {:>8.1} s  {:?}", step.at.as_secs_f64(), step.what)?;
        }
        Ok(())
    }
}
