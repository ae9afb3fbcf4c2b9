//! The time zone and the date format in which a user reads and writes; what is stored is UTC.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};

use super::record::Record;

/// Zones by name. Summer time is not simulated.
const ZONES: &[(&str, i32)] = &[
    ("America/Los_Angeles", -480),
    ("America/New_York", -300),
    ("Asia/Kolkata", 330),
    ("Asia/Tokyo", 540),
    ("Australia/Sydney", 600),
    ("Europe/Amsterdam", 60),
    ("Europe/Berlin", 60),
    ("Europe/Paris", 60),
    ("US/Central", -360),
    ("US/Eastern", -300),
    ("US/Mountain", -420),
    ("US/Pacific", -480),
];
const STORED: &str = "%Y-%m-%d %H:%M:%S";

/// How a user sees a date-time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    offset: FixedOffset,
    /// In chrono's letters.
    format: String,
}

impl Default for Zone {
    fn default() -> Self {
        Self { offset: Utc.fix(), format: STORED.to_owned() }
    }
}

impl Zone {
    /// That of a user's record; an unknown zone is GMT.
    pub(super) fn of(user: &Record) -> Self {
        let name = user.get("time_zone");
        let known = ZONES.iter().find(|(known, _)| *known == name).map(|(_, minutes)| *minutes);
        let offset = known.and_then(|minutes| FixedOffset::east_opt(minutes * 60));
        let format = match user.get("date_format") {
            "" => STORED.to_owned(),
            letters => {
                let date = letters.replace("yyyy", "%Y").replace("MM", "%m").replace("dd", "%d");
                format!("{date} %H:%M:%S")
            }
        };
        Self { offset: offset.unwrap_or_else(|| Utc.fix()), format }
    }

    /// A stored date-time as the user sees it; what is none stays as it is.
    pub(super) fn show(&self, stored: &str) -> String {
        match NaiveDateTime::parse_from_str(stored, STORED) {
            Ok(at) => self.offset.from_utc_datetime(&at).format(&self.format).to_string(),
            Err(_) => stored.to_owned(),
        }
    }

    /// A stored date-time in the user's zone, in the platform's own format.
    pub(super) fn internal(&self, stored: &str) -> String {
        Self { format: STORED.to_owned(), ..self.clone() }.show(stored)
    }

    /// What the user wrote, as it is stored; what is no date-time stays as it is.
    pub(super) fn read(&self, written: &str) -> String {
        let formats = [self.format.as_str(), STORED];
        let read = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(written, format).ok());
        read.and_then(|local| self.utc(local)).map_or_else(|| written.to_owned(), stored)
    }

    /// The date that it is for the user.
    pub(super) fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.offset).date_naive()
    }

    /// The instant of a local date and time.
    pub(super) fn instant(&self, date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        self.utc(date.and_time(time))
    }

    fn utc(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        self.offset.from_local_datetime(&local).single().map(|at| at.with_timezone(&Utc))
    }
}

/// A date-time as the instance stores it.
pub(super) fn stored(at: DateTime<Utc>) -> String {
    at.format(STORED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reads_and_writes_in_the_zone_and_format_of_the_user() {
        let user = Record::of(&[("time_zone", "US/Pacific"), ("date_format", "dd.MM.yyyy")]);
        let zone = Zone::of(&user);
        assert_eq!(zone.show("2026-03-01 10:00:00"), "01.03.2026 02:00:00");
        assert_eq!(zone.read("01.03.2026 02:00:00"), "2026-03-01 10:00:00");
        assert_eq!(zone.show("soon"), "soon");
        assert_eq!(Zone::of(&Record::of(&[("time_zone", "Mars/Base")])), Zone::default());
    }
}
