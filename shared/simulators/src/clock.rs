//! The simulator's own time: it can be frozen, advanced and skewed, and whoever waits for it is woken.
//! The real time is read in `SimClock::real` alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// A clock that a test or a person can set. Clones share one setting.
#[derive(Clone)]
pub struct SimClock {
    source: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    setting: Arc<Mutex<Setting>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Setting {
    advanced: chrono::Duration,
    frozen: Option<DateTime<Utc>>,
    skew: chrono::Duration,
}

impl SimClock {
    /// Follows the machine's clock.
    pub fn real() -> Self {
        Self::from_fn(Utc::now)
    }

    /// Follows another clock, such as the virtual one of a simulation.
    pub fn from_fn(source: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(source), setting: Arc::default(), changed: watch::Sender::new(0) }
    }

    /// The time that the simulated system believes it is.
    pub fn now(&self) -> DateTime<Utc> {
        let setting = *self.lock();
        let base = setting.frozen.unwrap_or_else(|| (self.source)() + setting.advanced);
        base + setting.skew
    }

    /// Moves the clock forward, also while it is frozen.
    pub fn advance(&self, by: Duration) {
        let by = chrono::Duration::from_std(by).unwrap_or(chrono::Duration::MAX);
        self.set(|setting| match &mut setting.frozen {
            Some(at) => *at += by,
            None => setting.advanced += by,
        });
    }

    /// Makes every reading wrong by this much, as an instance with a bad clock would be.
    pub fn set_skew(&self, skew: chrono::Duration) {
        self.set(|setting| setting.skew = skew);
    }

    /// Stops the clock at an instant, or with `None` lets it run again.
    pub fn freeze(&self, at: Option<DateTime<Utc>>) {
        self.set(|setting| setting.frozen = at);
    }

    /// Whether the clock stands still.
    pub fn is_frozen(&self) -> bool {
        self.lock().frozen.is_some()
    }

    /// Wakes whenever somebody sets the clock.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn set(&self, change: impl FnOnce(&mut Setting)) {
        change(&mut self.lock());
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Setting> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimClock").field("setting", &*self.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn clock() -> SimClock {
        SimClock::from_fn(|| at("2026-03-01T10:00:00Z"))
    }

    #[test]
    fn advancing_moves_every_clone() {
        let clock = clock();
        let other = clock.clone();
        clock.advance(Duration::from_secs(90));
        assert_eq!(other.now(), at("2026-03-01T10:01:30Z"));
    }

    #[test]
    fn a_frozen_clock_stands_still_until_it_is_advanced() {
        let clock = clock();
        clock.freeze(Some(at("2026-01-01T00:00:00Z")));
        assert_eq!(clock.now(), at("2026-01-01T00:00:00Z"));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), at("2026-01-01T00:00:01Z"));
        clock.freeze(None);
        assert_eq!(clock.now(), at("2026-03-01T10:00:00Z"));
    }

    #[test]
    fn skew_makes_every_reading_wrong() {
        let clock = clock();
        clock.set_skew(chrono::Duration::seconds(-7));
        assert_eq!(clock.now(), at("2026-03-01T09:59:53Z"));
    }

    #[tokio::test]
    async fn setting_the_clock_wakes_whoever_waits() {
        let clock = clock();
        let mut watch = clock.watch();
        clock.advance(Duration::from_secs(1));
        assert!(watch.changed().await.is_ok());
    }
}
