//! Time and chance: the only source of either for all crates above.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// Wall clock, monotonic clock and random numbers.
///
/// Sleeping is `tokio::time`'s, so that paused time governs it in a simulation.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> DateTime<Utc>;
    /// The monotonic clock: for send deadlines and ages.
    fn instant(&self) -> Instant;
    /// A fresh random number: tags, tokens, jitter.
    fn random(&self) -> u64;

    /// A fresh tag of 16 hexadecimal characters.
    fn tag(&self) -> String {
        format!("{:016x}", self.random())
    }

    /// `base` plus up to a quarter of it, so that many do not come at once.
    fn jittered(&self, base: Duration) -> Duration {
        let quarter = u64::try_from(base.as_millis() / 4).unwrap_or(u64::MAX).max(1);
        base + Duration::from_millis(self.random() % quarter)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1 ^ uuid::Uuid::new_v4().as_u64_pair().0
    }
}
