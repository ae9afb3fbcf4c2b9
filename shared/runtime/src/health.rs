//! What this process says of itself: named checks that its roles set, and whether all of them pass.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

/// The checks of one process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
}

#[derive(Debug, Clone)]
struct Check {
    state: Result<(), String>,
    since: Instant,
}

/// A check that does not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// The check.
    pub name: &'static str,
    /// What is wrong.
    pub reason: String,
    /// For how long it has not passed.
    pub age_seconds: u64,
}

impl Health {
    /// No checks: ready at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names a check that must pass before the process is ready, and does not yet.
    pub fn expect(&self, name: &'static str) {
        self.set(name, Err("not yet known".to_owned()));
    }

    /// Says how a check stands. Its age counts from when it last began to pass or to fail.
    pub fn set(&self, name: &'static str, state: Result<(), String>) {
        let mut checks = self.checks();
        match checks.get_mut(name) {
            Some(check) if check.state.is_ok() == state.is_ok() => check.state = state,
            _ => {
                checks.insert(name, Check { state, since: Instant::now() });
            }
        }
    }

    /// The checks that do not pass, by name. Empty: ready.
    #[must_use]
    pub fn not_ready(&self) -> Vec<NotReady> {
        let failing = |(name, check): (&&'static str, &Check)| {
            let reason = check.state.clone().err()?;
            Some(NotReady { name, reason, age_seconds: check.since.elapsed().as_secs() })
        };
        self.checks().iter().filter_map(failing).collect()
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_is_ready_when_every_check_passes() {
        let health = Health::new();
        assert!(health.not_ready().is_empty());
        health.expect("broker");
        health.set("store", Ok(()));
        assert_eq!(health.not_ready()[0].name, "broker");
        health.set("broker", Ok(()));
        assert!(health.not_ready().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_of_a_failure_counts_from_its_beginning() {
        let health = Health::new();
        health.set("broker", Ok(()));
        tokio::time::advance(Duration::from_secs(60)).await;
        health.set("broker", Err("connection refused".to_owned()));
        tokio::time::advance(Duration::from_secs(7)).await;
        health.set("broker", Err("still refused".to_owned()));
        let expected = NotReady { name: "broker", reason: "still refused".to_owned(), age_seconds: 7 };
        assert_eq!(health.not_ready(), [expected]);
    }
}
