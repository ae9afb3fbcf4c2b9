//! Values that depend on when and for whom a query runs: `javascript:` calls and relative dates.

use chrono::{DateTime, Days, Duration, Months, NaiveDate, NaiveTime, Utc};

use super::super::zone::{Zone, stored};
use super::Op;

/// When and for whom a query runs.
#[derive(Debug, Clone)]
pub(in crate::servicenow) struct Asker {
    pub(in crate::servicenow) now: DateTime<Utc>,
    pub(in crate::servicenow) user: String,
    pub(in crate::servicenow) zone: Zone,
}

const LAST_SECOND: NaiveTime = NaiveTime::from_hms_opt(23, 59, 59).expect("this time exists");

impl Asker {
    /// A value as it is compared; `None` when its script is not simulated.
    pub(super) fn value(&self, text: &str) -> Option<String> {
        match text.strip_prefix("javascript:") {
            Some(script) => self.call(script.trim().trim_end_matches(';')),
            None => Some(text.to_owned()),
        }
    }

    fn call(&self, script: &str) -> Option<String> {
        let (name, rest) = script.strip_prefix("gs.")?.split_once('(')?;
        let given: Vec<&str> = rest.strip_suffix(')')?.split(',').map(unquoted).collect();
        let first = given.first().copied().unwrap_or_default();
        let number = || first.parse::<i64>().ok();
        let at = match name {
            "getUserID" => return Some(self.user.clone()),
            "daysAgo" => self.now - Duration::try_days(number()?)?,
            "hoursAgo" => self.now - Duration::try_hours(number()?)?,
            "minutesAgo" => self.now - Duration::try_minutes(number()?)?,
            "daysAgoStart" => self.day(number()?, NaiveTime::MIN)?,
            "daysAgoEnd" => self.day(number()?, LAST_SECOND)?,
            "beginningOfToday" => self.day(0, NaiveTime::MIN)?,
            "endOfToday" => self.day(0, LAST_SECOND)?,
            // Read in the zone of whoever asks, as on an instance.
            "dateGenerate" => {
                let date = NaiveDate::parse_from_str(first, "%Y-%m-%d").ok()?;
                let time = match given.get(1).copied().unwrap_or("start") {
                    "start" => NaiveTime::MIN,
                    "end" => LAST_SECOND,
                    time => NaiveTime::parse_from_str(time, "%H:%M:%S").ok()?,
                };
                self.zone.instant(date, time)?
            }
            _ => return None,
        };
        Some(stored(at))
    }

    fn day(&self, ago: i64, time: NaiveTime) -> Option<DateTime<Utc>> {
        let today = self.zone.today(self.now);
        let days = Days::new(ago.unsigned_abs());
        let date = if ago < 0 { today.checked_add_days(days) } else { today.checked_sub_days(days) };
        self.zone.instant(date?, time)
    }

    /// `<op>@<unit>@ago|ahead@<n>`, as a comparison with an instant.
    pub(super) fn relative(&self, text: &str) -> Option<(Op, String)> {
        let mut parts = text.split('@');
        let (op, unit, way) = (parts.next()?, parts.next()?, parts.next()?);
        let number: u32 = parts.next()?.parse().ok()?;
        let at = self.shifted(unit, way, number)?;
        let op = match op {
            "GT" => Op::More,
            "GE" => Op::AtLeast,
            "LT" => Op::Less,
            "LE" => Op::AtMost,
            "EE" => return Some((Op::StartsWith, beginning(&stored(at), unit)?)),
            _ => return None,
        };
        Some((op, stored(at)))
    }

    fn shifted(&self, unit: &str, way: &str, number: u32) -> Option<DateTime<Utc>> {
        let months = match unit {
            "month" => Some(1),
            "quarter" => Some(3),
            "year" => Some(12),
            _ => None,
        };
        if let Some(each) = months {
            let months = Months::new(each * number.min(10_000));
            return match way {
                "ago" => self.now.checked_sub_months(months),
                "ahead" => self.now.checked_add_months(months),
                _ => None,
            };
        }
        let minutes = match unit {
            "minute" => 1,
            "hour" => 60,
            "dayofweek" | "day" => 24 * 60,
            "week" => 7 * 24 * 60,
            _ => return None,
        };
        let by = Duration::try_minutes(minutes * i64::from(number))?;
        match way {
            "ago" => self.now.checked_sub_signed(by),
            "ahead" => self.now.checked_add_signed(by),
            _ => None,
        }
    }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['\'', '"'])
}

/// The part of a date-time that is the same throughout a unit.
fn beginning(at: &str, unit: &str) -> Option<String> {
    let length = match unit {
        "minute" => 16,
        "hour" => 13,
        "dayofweek" | "day" => 10,
        "month" => 7,
        "year" => 4,
        _ => return None,
    };
    at.get(..length).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::super::record::Record;
    use super::*;

    fn asker(zone: &str) -> Asker {
        Asker {
            now: "2026-03-01T01:30:00Z".parse().unwrap(),
            user: "u1".to_owned(),
            zone: Zone::of(&Record::of(&[("time_zone", zone)])),
        }
    }

    #[test]
    fn each_server_function_is_an_instant_or_the_user() {
        let table = [
            ("gs.getUserID()", "u1"),
            ("gs.daysAgo(1)", "2026-02-28 01:30:00"),
            ("gs.hoursAgo(2)", "2026-02-28 23:30:00"),
            ("gs.minutesAgo(30)", "2026-03-01 01:00:00"),
            ("gs.daysAgoStart(1)", "2026-02-28 00:00:00"),
            ("gs.daysAgoEnd(1)", "2026-02-28 23:59:59"),
            ("gs.beginningOfToday()", "2026-03-01 00:00:00"),
            ("gs.endOfToday();", "2026-03-01 23:59:59"),
            ("gs.dateGenerate('2026-01-01','12:00:00')", "2026-01-01 12:00:00"),
            ("gs.dateGenerate('2026-01-01','end')", "2026-01-01 23:59:59"),
        ];
        for (script, value) in table {
            assert_eq!(
                asker("GMT").value(&format!("javascript:{script}")).as_deref(),
                Some(value),
                "{script}"
            );
        }
        assert_eq!(asker("GMT").value("javascript:gs.unknown()"), None);
        assert_eq!(asker("GMT").value("plain").as_deref(), Some("plain"));
    }

    #[test]
    fn days_and_generated_dates_are_those_of_the_users_zone() {
        let pacific = asker("US/Pacific");
        let value = |script: &str| pacific.value(&format!("javascript:{script}")).unwrap();
        assert_eq!(value("gs.beginningOfToday()"), "2026-02-28 08:00:00");
        assert_eq!(value("gs.dateGenerate('2026-03-01','00:00:00')"), "2026-03-01 08:00:00");
    }

    #[test]
    fn a_relative_date_is_a_comparison_with_an_instant() {
        let table = [
            ("GT@hour@ago@1", Op::More, "2026-03-01 00:30:00"),
            ("LE@dayofweek@ahead@2", Op::AtMost, "2026-03-03 01:30:00"),
            ("GE@month@ago@1", Op::AtLeast, "2026-02-01 01:30:00"),
            ("LT@minute@ago@15", Op::Less, "2026-03-01 01:15:00"),
            ("EE@day@ago@1", Op::StartsWith, "2026-02-28"),
        ];
        for (text, op, value) in table {
            assert_eq!(asker("GMT").relative(text), Some((op, value.to_owned())), "{text}");
        }
        for text in ["GT@fortnight@ago@1", "GT@hour@sideways@1", "XX@hour@ago@1", "GT@hour"] {
            assert_eq!(asker("GMT").relative(text), None, "{text}");
        }
    }
}
