//! Faults on demand: which requests they hit, how often, and what they do.

use serde::{Deserialize, Serialize};

use super::call::Call;

const FAULTS_MAX: usize = 1_000;

/// A rule that spoils requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests; an empty match hits all.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// What happens to them.
    pub fault: FaultKind,
    /// How many requests; for ever when absent.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// Hits every request to a path that contains this, for ever.
    pub fn on(path: impl Into<String>, fault: FaultKind) -> Self {
        Self { matches: Match { method: None, path_contains: Some(path.into()) }, fault, times: None }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.matches.method = Some(method.into());
        self
    }

    /// Only so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// HTTP method, in any case.
    pub method: Option<String>,
    /// Part of the path.
    pub path_contains: Option<String>,
}

impl Match {
    fn hits(&self, call: &Call) -> bool {
        let method =
            self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(call.method.as_str()));
        method && self.path_contains.as_ref().is_none_or(|part| call.path.contains(part.as_str()))
    }
}

/// What goes wrong. `before_commit` means that nothing has happened, `after_commit` that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This answer and no effect.
    Status {
        /// HTTP status.
        code: u16,
        /// Body, sent as JSON.
        #[serde(default)]
        body: Option<String>,
    },
    /// The right answer, late.
    Latency {
        /// How late.
        ms: u64,
    },
    /// A web page in place of the API's answer, and no effect.
    #[serde(rename = "html_200")]
    Html200,
    /// The effect, but no answer.
    TimeoutAfterCommit,
    /// No effect and no answer.
    TimeoutBeforeCommit,
    /// No answer, and the effect only later, in simulated time.
    LateCommit {
        /// How much later.
        after_ms: u64,
    },
    /// The effect, then a cut connection.
    ResetAfterCommit,
    /// A cut connection and no effect.
    ResetBeforeCommit,
    /// The effect, then a 500.
    ErrorAfterCommit,
    /// 429 with `retry-after`.
    RateLimit {
        /// Seconds; the header is left out when absent.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The primary limit: 403 and `x-ratelimit-remaining: 0`.
    PrimaryLimit,
    /// The secondary limit: 403 with `retry-after`.
    SecondaryLimit {
        /// Seconds; the header is left out when absent.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 503 to everything that matches.
    Down,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<Fault>,
}

impl Faults {
    /// Adds a rule behind the others; false when there are too many.
    pub fn add(&mut self, fault: Fault) -> bool {
        let fits = self.rules.len() < FAULTS_MAX;
        if fits {
            self.rules.push(fault);
        }
        fits
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    pub fn all(&self) -> &[Fault] {
        &self.rules
    }

    /// The first rule that hits, used up by one.
    pub fn take(&mut self, call: &Call) -> Option<FaultKind> {
        let place = self.rules.iter().position(|rule| rule.times != Some(0) && rule.matches.hits(call))?;
        let rule = &mut self.rules[place];
        let kind = rule.fault.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.rules.remove(place);
            }
        }
        Some(kind)
    }
}
