//! Times as people write them, in a zone whose clocks may skip or repeat an hour.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

const DATE_TIME: [&str; 4] = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
/// Far enough from where calendars end.
const YEARS: std::ops::Range<i32> = 1970..10_000;
const TIME: &str = "%H:%M";
/// No clock skips more than a day (Pacific/Apia did in 2011).
const STEP: TimeDelta = TimeDelta::minutes(15);
const STEPS_MAX: usize = 4 * 25;

/// A date and time on the clocks of some zone: `2026-12-18 18:00`; a date alone is its midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime(NaiveDateTime);

impl TryFrom<String> for LocalTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let at = DATE_TIME.iter().find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok());
        let midnight =
            || NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
        let plain = |at: &NaiveDateTime| YEARS.contains(&at.year());
        at.or_else(midnight)
            .filter(plain)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no local time; write 2026-12-18 18:00"))
    }
}

impl From<LocalTime> for String {
    fn from(at: LocalTime) -> Self {
        at.0.format(DATE_TIME[0]).to_string()
    }
}

impl LocalTime {
    /// The first moment that these clocks show it, or the last before they skip it.
    pub(super) fn earliest(self, zone: Tz) -> DateTime<Utc> {
        self.moment(zone, -STEP, |moments| moments.earliest())
    }

    /// The last moment that they show it, or the first after they skipped it.
    pub(super) fn latest(self, zone: Tz) -> DateTime<Utc> {
        self.moment(zone, STEP, |moments| moments.latest())
    }

    fn moment(
        self,
        zone: Tz,
        step: TimeDelta,
        pick: fn(chrono::MappedLocalTime<DateTime<Tz>>) -> Option<DateTime<Tz>>,
    ) -> DateTime<Utc> {
        let mut local = self.0;
        for _ in 0..STEPS_MAX {
            if let Some(moment) = pick(zone.from_local_datetime(&local)) {
                return moment.to_utc();
            }
            local += step;
        }
        // Out of the calendar's range, where no zone is known.
        self.0.and_utc()
    }
}

/// A time of the week: `Fri 16:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WeekTime {
    day: Weekday,
    time: NaiveTime,
}

impl TryFrom<String> for WeekTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = text.trim().split_once(' ').and_then(|(day, time)| {
            Some(Self { day: day.parse().ok()?, time: NaiveTime::parse_from_str(time.trim(), TIME).ok()? })
        });
        read.ok_or_else(|| format!("`{text}` is no time of the week; write Fri 16:00"))
    }
}

impl From<WeekTime> for String {
    fn from(time: WeekTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for WeekTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day, self.time.format(TIME))
    }
}

impl WeekTime {
    /// Its last occurrence in the week that ends with a day.
    fn in_week_to(self, day: NaiveDate) -> NaiveDateTime {
        let back = u64::from(day.weekday().days_since(self.day));
        (day - Days::new(back)).and_time(self.time)
    }

    /// Its first occurrence after a moment.
    fn after(self, moment: NaiveDateTime) -> NaiveDateTime {
        let first = self.in_week_to(moment.date());
        if first > moment { first } else { first + Days::new(7) }
    }
}

/// From one time of the week to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// Begin.
    pub from: WeekTime,
    /// End.
    pub until: WeekTime,
}

impl Weekly {
    /// Where it holds: when it ends.
    pub(super) fn holds(self, zone: Tz, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = at.with_timezone(&zone).date_naive();
        // Today's may lie ahead; then the one of the week before counts.
        let begins = [0, 7].map(|back| self.from.in_week_to(today - Days::new(back)));
        let spans = begins.map(|begin| (LocalTime(begin), LocalTime(self.until.after(begin))));
        let held = spans.iter().find(|(from, until)| from.earliest(zone) <= at && at < until.latest(zone));
        held.map(|(_, until)| until.latest(zone))
    }
}
