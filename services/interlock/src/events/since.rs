//! `--since`: a time, or how long ago.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};

/// The moment that `text` means, seen from `now`.
pub fn moment(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let wrong = || format!("`{text}` is no time: write 30m, 2h, 7d, or 2026-03-01T10:00:00Z");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    ensure!(seconds > 0, wrong());
    let ago = number.parse::<i64>().ok().and_then(|number| number.checked_mul(seconds));
    let ago = ago.and_then(TimeDelta::try_seconds).with_context(wrong)?;
    now.checked_sub_signed(ago).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_how_long_ago_are_understood() {
        let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        for (text, at) in [
            ("30m", "2026-03-01T09:30:00Z"),
            ("2h", "2026-03-01T08:00:00Z"),
            ("7d", "2026-02-22T10:00:00Z"),
            ("2026-02-01T00:00:00+01:00", "2026-01-31T23:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap(), at.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for text in ["", "h", "10", "2w", "yesterday", "-1h", "99999999999999999999d", "9999999999999d"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
