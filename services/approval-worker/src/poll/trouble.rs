//! An instance that refuses us until somebody acts: it is asked less and less often, and told of once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interlock_events::{Event, FaultRaised};
use interlock_runtime::ports::store::Claim;
use tokio::time::Instant;

use super::PollPendingChanges;
use crate::NAME;

/// A refusal is asked about again after this time at first, and after this at last.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(900);
/// What was told is told again a day later, if it lasts.
const TOLD: Duration = Duration::from_secs(24 * 3600);
const WHAT: &str = "poll";

/// The instances in trouble, by connection.
#[derive(Default)]
pub(super) struct Troubles(Mutex<BTreeMap<String, Trouble>>);

/// What an instance refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Us: its client knows when that is over.
    Credentials,
    /// What the poll asks for: only the poll can find out.
    Rights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trouble {
    of: Of,
    until: Instant,
    pause: Duration,
}

impl Trouble {
    /// One more refusal: twice as long.
    fn after(earlier: Option<Self>, of: Of, now: Instant) -> Self {
        let pause = earlier.map_or(LEAST, |earlier| (earlier.pause * 2).min(MOST));
        Self { of, until: now + pause, pause }
    }
}

impl Troubles {
    /// It refused, and its time is not over.
    pub(super) fn is_left_alone(&self, instance: &str, now: Instant) -> bool {
        self.lock().get(instance).is_some_and(|trouble| trouble.until > now)
    }

    /// It refused our credentials.
    pub(super) fn is_of_credentials(&self, instance: &str) -> bool {
        self.lock().get(instance).is_some_and(|trouble| trouble.of == Of::Credentials)
    }

    /// True if it is news.
    fn add(&self, instance: &str, of: Of, now: Instant) -> bool {
        let mut all = self.lock();
        let earlier = all.get(instance).copied();
        if earlier.is_none_or(|earlier| earlier.until <= now) {
            all.insert(instance.to_owned(), Trouble::after(earlier, of, now));
        }
        earlier.is_none()
    }

    fn remove(&self, instance: &str) -> bool {
        self.lock().remove(instance).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PollPendingChanges {
    /// Warns, and raises the fault unless another process has.
    pub(super) async fn in_trouble(&self, instance: &str, of: Of, reason: &str) -> Vec<Event> {
        if !self.troubles.add(instance, of, self.now()) {
            return Vec::new();
        }
        tracing::warn!(
            instance,
            reason,
            "the instance refuses us: nothing is asked of it until that is cured"
        );
        let told = self.desk.context.store.claim(&told_key(instance), WHAT, TOLD).await;
        if matches!(told, Ok(Claim::Held(_))) {
            return Vec::new();
        }
        let fault = FaultRaised {
            worker: NAME.into(),
            event_id: format!("{instance} {}", self.desk.context.clock.now().timestamp()),
            event_type: String::new(),
            subject: Some(format!("connection:{instance}")),
            reason: reason.to_owned(),
            attempts: 1,
        };
        vec![self.desk.fact(&fault)]
    }

    pub(super) async fn out_of_trouble(&self, instance: &str) {
        if self.troubles.remove(instance) {
            tracing::info!(instance, "the instance does not refuse us any more");
            // Where this fails the next trouble of the day is not told as an event; the log has it.
            let _ = self.desk.context.store.release(&told_key(instance), WHAT).await;
        }
    }
}

fn told_key(instance: &str) -> String {
    format!("told:refused:{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_refuses_is_asked_after_a_minute_and_at_last_four_times_an_hour() {
        let mut now = Instant::now();
        let (troubles, mut turns, mut asked) = (Troubles::default(), 0, Vec::new());
        let began = now;
        while now - began < Duration::from_secs(7_200) {
            if !troubles.is_left_alone("acme", now) {
                asked.push((now - began).as_secs());
                assert_eq!(troubles.add("acme", Of::Rights, now), asked.len() == 1, "told once");
            }
            (now, turns) = (now + Duration::from_secs(15), turns + 1);
        }
        assert_eq!(asked[..5], [0, 60, 180, 420, 900], "of {turns} turns");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 900), "{asked:?}");
        assert!(asked.len() <= 13, "{asked:?}");
        assert!(!troubles.is_left_alone("other", now) && !troubles.is_of_credentials("acme"));
        assert!(troubles.remove("acme") && !troubles.is_left_alone("acme", now));
    }
}
