//! How far the instance's clock is from ours, by the `Date` of each answer (RFC 9110, section 6.6.1).

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
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

    /// Seconds by which the instance is ahead of us; `None` where it does not say.
    pub(crate) fn note(
        &self,
        headers: &HeaderMap,
        sent: DateTime<Utc>,
        received: DateTime<Utc>,
    ) -> Option<i64> {
        let seconds = seconds_ahead(headers, sent, received)?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge takes floats; seconds of skew are few")]
        metrics::gauge!("interlock_servicenow_clock_skew_seconds", "connection" => self.connection.clone())
            .set(seconds as f64);
        let is_off = seconds.abs() > TOLERATED_SECONDS;
        if is_off && !self.told.load(Ordering::Relaxed) {
            let connection = &self.connection;
            tracing::warn!(connection, seconds, "the clocks of the instance and of this machine differ");
        }
        self.told.store(is_off, Ordering::Relaxed);
        Some(seconds)
    }
}

/// Seconds by which the sender of `headers` is ahead of us; `None` where it does not say.
pub(crate) fn seconds_ahead(
    headers: &HeaderMap,
    sent: DateTime<Utc>,
    received: DateTime<Utc>,
) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(date).ok()?.with_timezone(&Utc);
    Some(ahead(date, sent, received))
}

/// The answer was dated at some moment between sending and receiving, cut to the second: within that
/// there is no telling, so that a slow instance does not look like one with a wrong clock.
fn ahead(date: DateTime<Utc>, sent: DateTime<Utc>, received: DateTime<Utc>) -> i64 {
    let earliest = sent - TimeDelta::seconds(1);
    let nearest = date.clamp(earliest, received.max(earliest));
    (date - nearest).num_seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_768_209_302 + seconds, 0).unwrap()
    }

    #[test]
    fn a_slow_answer_is_no_skew_but_a_date_before_or_after_the_call_is() {
        for (date, skew) in [(0, 0), (10, 0), (20, 0), (-1, 0), (-11, -10), (27, 7), (3_620, 3_600)] {
            assert_eq!(ahead(at(date), at(0), at(20)), skew, "{date}");
        }
    }

    #[test]
    fn an_answer_without_a_readable_date_says_nothing() {
        let skew = Skew::new("acme");
        let mut headers = HeaderMap::new();
        assert_eq!(skew.note(&headers, at(0), at(1)), None);
        headers.insert(header::DATE, "yesterday".parse().unwrap());
        assert_eq!(skew.note(&headers, at(0), at(1)), None);
        headers.insert(header::DATE, "Mon, 12 Jan 2026 09:16:02 GMT".parse().unwrap());
        let date = DateTime::parse_from_rfc2822("Mon, 12 Jan 2026 09:16:02 GMT").unwrap();
        assert_eq!(skew.note(&headers, at(0), at(1)), Some(ahead(date.to_utc(), at(0), at(1))));
    }
}
