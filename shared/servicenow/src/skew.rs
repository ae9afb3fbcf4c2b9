//! How far the instance's clock is from ours, by the `Date` of each answer (RFC 9110, section 6.6.1).

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};

/// Told above this.
const TOLERATED_SECONDS: i64 = 5;

pub(crate) struct Skew {
    connection: String,
    told: AtomicBool,
}

impl Skew {
    pub(crate) fn new(connection: &str) -> Self {
        Self { connection: connection.to_owned(), told: AtomicBool::new(false) }
    }

    /// Seconds by which the instance is ahead of `now`; `None` where it does not say.
    pub(crate) fn note(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<i64> {
        let date = headers.get(header::DATE)?.to_str().ok()?;
        let date = DateTime::parse_from_rfc2822(date).ok()?.with_timezone(&Utc);
        let seconds = (date - now).num_seconds();
        #[expect(clippy::cast_precision_loss, reason = "a gauge takes floats; seconds of skew are few")]
        metrics::gauge!("interlock_servicenow_clock_skew_seconds", "connection" => self.connection.clone())
            .set(seconds as f64);
        let is_off = seconds.abs() > TOLERATED_SECONDS;
        if is_off && !self.told.swap(is_off, Ordering::Relaxed) {
            tracing::warn!(
                connection = self.connection,
                seconds,
                "the clocks of the instance and of this machine differ"
            );
        }
        self.told.store(is_off, Ordering::Relaxed);
        Some(seconds)
    }
}
