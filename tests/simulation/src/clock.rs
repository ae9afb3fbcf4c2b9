//! Simulated time: the wall clock is a fixed day plus tokio's paused monotonic clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_runtime::ports::clock::Clock;
use tokio::time::Instant;

use crate::dice::Dice;

/// When every simulation begins, in seconds since 1970: a Sunday in 2026.
const BEGINNING: i64 = 1_772_359_200;

/// Time and chance of one simulated process.
#[derive(Debug)]
pub struct SimClock {
    began: Instant,
    dice: Dice,
    /// How far this process's wall clock is off.
    off: TimeDelta,
}

impl SimClock {
    /// A clock that began at `began`, with dice of its own.
    #[must_use]
    pub fn new(began: Instant, dice: Dice) -> Self {
        Self { began, dice, off: TimeDelta::zero() }
    }

    /// The same with a wall clock that is off by so much.
    #[must_use]
    pub fn off_by(self, off: TimeDelta) -> Self {
        Self { off, ..self }
    }
}

/// The true wall time, `since` after the beginning.
#[must_use]
pub fn wall(since: Duration) -> DateTime<Utc> {
    DateTime::from_timestamp(BEGINNING, 0).unwrap_or_default()
        + TimeDelta::from_std(since).unwrap_or(TimeDelta::MAX)
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        wall(self.began.elapsed()) + self.off
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn random(&self) -> u64 {
        self.dice.next()
    }
}
