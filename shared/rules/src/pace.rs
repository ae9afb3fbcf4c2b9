//! How often the platform is asked about a run for its own sake. What happens there is told by webhooks, and what
//! they lose is swept up: these looks are the last resort, and thousands of open gates share the platform's limit.

use chrono::{DateTime, TimeDelta, Utc};

/// When an open deployment's run is looked at again, `age` after the request: often while it is young.
#[must_use]
pub fn run_look_after(age: TimeDelta) -> TimeDelta {
    match age.num_hours() {
        ..1 => TimeDelta::minutes(10),
        1..6 => TimeDelta::hours(1),
        _ => TimeDelta::hours(6),
    }
}

/// How a run was last seen by a cheap look or a whole reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glances<'a> {
    /// The platform's mark of the run at the last whole reading; it differs once the run has moved.
    pub then: Option<&'a str>,
    /// The mark now.
    pub now: Option<&'a str>,
    /// When the run was last read as a whole.
    pub read: Option<DateTime<Utc>>,
}

/// A cheap look is enough: the run has the mark that it had, and was read as a whole within a day.
#[must_use]
pub fn has_not_moved(glances: Glances<'_>, now: DateTime<Utc>) -> bool {
    let Glances { then, now: mark, read } = glances;
    let same = then.is_some() && then == mark;
    same && read.is_some_and(|read| now - read < TimeDelta::days(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::at;

    /// Looks of one gate in its first hours.
    fn looks(hours: i64) -> usize {
        let (mut age, mut looks) = (TimeDelta::zero(), 0);
        while age < TimeDelta::hours(hours) {
            age += run_look_after(age);
            looks += 1;
        }
        looks
    }

    #[test]
    fn a_young_gate_is_looked_at_every_ten_minutes_and_an_old_one_four_times_a_day() {
        assert_eq!(looks(1), 6);
        assert_eq!(looks(6), 11);
        assert_eq!(looks(54) - looks(30), 4);
    }

    /// GitHub lets an installation make 5,000 to 15,000 calls an hour (docs: "Rate limits for GitHub Apps").
    #[test]
    fn ten_thousand_gates_that_wait_stay_within_an_hours_calls() {
        let (gates, workers, calls_of_a_whole_reading) = (10_000, 2, 5);
        let looks_a_day = looks(54) - looks(30);
        let calls_a_day = gates * workers * (looks_a_day + calls_of_a_whole_reading);
        assert!(calls_a_day / 24 < 7_600, "{}", calls_a_day / 24);
    }

    #[test]
    fn a_run_is_read_as_a_whole_when_its_mark_differs_or_is_unknown_and_once_a_day() {
        let hour = 3600;
        for (then, now, read, expected) in [
            (Some("1 waiting"), Some("1 waiting"), Some(at(0)), true),
            (Some("1 waiting"), Some("1 in_progress"), Some(at(0)), false),
            (None, None, Some(at(0)), false),
            (Some("1 waiting"), None, Some(at(0)), false),
            (Some("1 waiting"), Some("1 waiting"), Some(at(-23 * hour)), false),
            (Some("1 waiting"), Some("1 waiting"), None, false),
        ] {
            let glances = Glances { then, now, read };
            assert_eq!(has_not_moved(glances, at(2 * hour)), expected, "{glances:?}");
        }
    }
}
