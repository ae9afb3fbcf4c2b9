//! Freezes: times in which no gate is released, whatever is approved.

mod local;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use interlock_events::Deployment;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::policy::ChangeType;
use crate::record::ChangeRow;
use crate::when::When;

pub use local::{LocalTime, WeekTime, Weekly};

/// A freeze of the configuration: it holds while all that it says of time fits. One that says nothing holds
/// until it is taken out of the file.
///
/// It is judged at every look by the file as it is now, not as it was at the request: who stops everything
/// means the gates that are open too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its name, in reasons.
    pub name: String,
    /// What it applies to; empty: everything.
    #[serde(default)]
    pub when: When,
    /// Zone of its times, by its IANA name; UTC if absent.
    #[serde(default = "utc", deserialize_with = "zone")]
    pub time_zone: Tz,
    /// From then on.
    #[serde(default)]
    pub from: Option<LocalTime>,
    /// Until then.
    #[serde(default)]
    pub until: Option<LocalTime>,
    /// Every week.
    #[serde(default)]
    pub weekly: Option<Weekly>,
    /// Types of change that it does not stop. The record must be of such a type; what the policy says is no proof.
    #[serde(default = "emergencies")]
    pub except: Vec<ChangeType>,
    /// Why, for people.
    #[serde(default)]
    pub reason: Option<String>,
}

fn utc() -> Tz {
    Tz::UTC
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| D::Error::custom(format!("`{name}` is no time zone; write Europe/Berlin")))
}

fn emergencies() -> Vec<ChangeType> {
    vec![ChangeType::Emergency]
}

impl Freeze {
    /// It is about this deployment.
    #[must_use]
    pub fn concerns(&self, deployment: &Deployment) -> bool {
        self.when.fits(deployment)
    }

    /// It stops a change like this one, while it holds.
    #[must_use]
    pub fn stops(&self, row: &ChangeRow) -> bool {
        row.change_type.is_none_or(|change_type| !self.except.contains(&change_type))
    }

    /// Whether it holds at a moment, and when it will end, if it says so.
    #[must_use]
    pub fn holds(&self, at: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
        let until = self.until.map(|until| until.latest(self.time_zone));
        let has_begun = self.from.is_none_or(|from| from.earliest(self.time_zone) <= at);
        if !has_begun || until.is_some_and(|until| until <= at) {
            return None;
        }
        let Some(weekly) = self.weekly else { return Some(until) };
        let end = weekly.holds(self.time_zone, at)?;
        Some(Some(until.map_or(end, |until| until.min(end))))
    }

    /// What people are told while it holds.
    #[must_use]
    pub fn told(&self, until: Option<DateTime<Utc>>) -> String {
        let why = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let until = until.map_or_else(
            || "until it is lifted".to_owned(),
            |until| format!("until {}", until.with_timezone(&self.time_zone).format("%Y-%m-%d %H:%M %Z")),
        );
        format!("the freeze `{}`{why} holds {until}", self.name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::policy::tests::deployment;
    use crate::record::ChangeState;
    use crate::record::tests::row;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    pub(crate) fn freeze(more: &Value) -> Freeze {
        let mut all = json!({ "name": "year-end" });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn end(freeze: &Freeze, moment: &str) -> Option<Option<String>> {
        freeze.holds(at(moment)).map(|end| end.map(|end| end.format("%dT%H:%M").to_string()))
    }

    #[test]
    fn a_freeze_counts_in_its_own_zone() {
        let berlin =
            json!({ "time_zone": "Europe/Berlin", "from": "2026-12-18 18:00", "until": "2027-01-04 06:00" });
        let berlin = freeze(&berlin);
        assert_eq!(end(&berlin, "2026-12-18T16:59:59Z"), None);
        assert_eq!(end(&berlin, "2026-12-18T17:00:00Z"), Some(Some("04T05:00".into())));
        assert_eq!(end(&berlin, "2027-01-04T05:00:00Z"), None);
        let told = berlin.told(berlin.holds(at("2026-12-24T12:00:00Z")).unwrap());
        assert_eq!(told, "the freeze `year-end` holds until 2027-01-04 06:00 CET");
    }

    #[test]
    fn a_weekend_begins_and_ends_by_local_time_on_both_sides_of_a_change_of_the_clocks() {
        let zone =
            json!({ "time_zone": "Europe/Berlin", "weekly": { "from": "Fri 16:00", "until": "Mon 06:00" } });
        let weekend = freeze(&zone);
        // The clocks go forward on Sunday, 29 March 2026.
        assert_eq!(end(&weekend, "2026-03-27T14:59:00Z"), None);
        assert_eq!(end(&weekend, "2026-03-27T15:00:00Z"), Some(Some("30T04:00".into())));
        assert_eq!(end(&weekend, "2026-03-30T04:00:00Z"), None);
        assert_eq!(end(&weekend, "2026-04-03T14:00:00Z"), Some(Some("06T04:00".into())));
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_repeat_makes_the_freeze_longer() {
        let zone = |from: &str, until: &str| {
            freeze(&json!({ "time_zone": "Europe/Berlin", "from": from, "until": until }))
        };
        let skipped = zone("2026-03-29 02:30", "2026-03-29 02:45");
        assert!(
            skipped.holds(at("2026-03-29T00:59:59Z")).is_some()
                && skipped.holds(at("2026-03-29T01:00:00Z")).is_none()
        );
        let repeated = zone("2026-10-25 02:30", "2026-10-25 02:45");
        assert!(
            repeated.holds(at("2026-10-25T00:30:00Z")).is_some()
                && repeated.holds(at("2026-10-25T01:44:59Z")).is_some()
        );
    }

    #[test]
    fn a_freeze_without_times_holds_until_it_is_lifted() {
        let stop = freeze(&json!({ "reason": "incident 42" }));
        assert_eq!(end(&stop, "2026-06-01T00:00:00Z"), Some(None));
        assert_eq!(stop.told(None), "the freeze `year-end` (incident 42) holds until it is lifted");
    }

    #[test]
    fn it_concerns_what_it_names_and_spares_records_of_the_types_that_it_excepts() {
        let freeze = freeze(&json!({ "when": { "environment": "prod*" } }));
        assert!(freeze.concerns(&deployment()));
        let mut row = row("CHG1", ChangeState::Scheduled);
        for (change_type, stopped) in [
            (Some(ChangeType::Normal), true),
            (Some(ChangeType::Standard), true),
            (Some(ChangeType::Emergency), false),
            (None, true),
        ] {
            row.change_type = change_type;
            assert_eq!(freeze.stops(&row), stopped, "{change_type:?}");
        }
    }

    proptest! {
        #[test]
        fn a_weekly_freeze_holds_exactly_from_one_weekday_to_the_other_where_clocks_never_change(
            from in 0_i64..7 * 24 * 60, length in 1_i64..7 * 24 * 60, moment in 0_i64..4 * 7 * 24 * 60
        ) {
            const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            let week = 7 * 24 * 60;
            let day = |minute: i64| {
                let minute = minute.rem_euclid(week);
                format!("{} {:02}:{:02}", DAYS[(minute / 1440) as usize], minute / 60 % 24, minute % 60)
            };
            let freeze = freeze(&json!({ "weekly": { "from": day(from), "until": day(from + length) } }));
            // A Monday.
            let held = freeze.holds(at("2026-06-01T00:00:00Z") + chrono::TimeDelta::minutes(moment));
            let into = (moment - from).rem_euclid(week);
            prop_assert_eq!(held.is_some(), into < length);
            let left = chrono::TimeDelta::minutes(length - into);
            let end = at("2026-06-01T00:00:00Z") + chrono::TimeDelta::minutes(moment) + left;
            prop_assert_eq!(held.unwrap_or(Some(end)), Some(end));
        }
    }
}
