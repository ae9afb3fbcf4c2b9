//! A gate's deadline, its next look, and what the platform's state says about how it ended.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::policy::Terms;
use crate::record::ChangeRow;
use crate::run::{Answer, RunPhase, RunReading};

/// No release is sent later than this before the deadline.
pub const RELEASE_MARGIN: TimeDelta = TimeDelta::seconds(10);
/// A gate is decided before the platform's own limit, less this share.
pub const PLATFORM_MARGIN: f64 = 0.1;
/// An approved change without a planned end permits for so long.
const OPEN_WINDOW: TimeDelta = TimeDelta::hours(24);
const UNDECIDED_LOOK_MAX: Duration = Duration::from_secs(120);
/// So long a run may be hidden after our release before it counts as lost.
const GONE_AFTER_RELEASE: Duration = Duration::from_secs(24 * 3600);
const LOOK_MIN: Duration = Duration::from_secs(1);

/// When the gate must be decided.
///
/// The approval time-out after the request until the change is approved, from then on the end of its
/// window; always before the platform's own limit. An approval given later than the deadline less
/// [`RELEASE_MARGIN`], by the record's own time, does not move it.
#[must_use]
pub fn deadline(
    requested: DateTime<Utc>,
    terms: &Terms,
    platform_limit: Duration,
    change: Option<&ChangeRow>,
) -> DateTime<Utc> {
    let limit = requested + platform_limit.mul_f64(1.0 - PLATFORM_MARGIN);
    let first = (requested + terms.approval.timeout()).min(limit);
    match change.and_then(|row| row.approved_at().map(|at| (row, at))) {
        Some((row, approved)) if approved <= first - RELEASE_MARGIN => row
            .end
            .unwrap_or(row.start.map_or(approved, |start| start.max(approved)) + OPEN_WINDOW)
            .min(limit),
        _ => first,
    }
}

/// How long an undecided gate sleeps: until the next moment that matters, between one second and two minutes.
#[must_use]
pub fn next_look(now: DateTime<Utc>, deadline: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Duration {
    let next = until.map_or(deadline, |until| until.min(deadline));
    (next - now).to_std().unwrap_or(LOOK_MIN).clamp(LOOK_MIN, UNDECIDED_LOOK_MAX)
}

/// An answer that was sent, or may have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// It was a release.
    pub release: bool,
    /// The platform confirmed it.
    pub accepted: bool,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// What was told to people.
    pub reason: String,
    /// The rejection came from the deadline.
    pub expired: bool,
}

/// How a gate stands, by what the platform shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// It still waits.
    StillWaiting,
    /// Neither waiting nor begun nor ended: look again.
    NotYet,
    /// It began without a trace of a decision: look again after the settle time.
    Unexplained,
    /// It went on with our release.
    Released {
        /// The platform does not show who answered.
        unproven: bool,
    },
    /// It stopped by our rejection.
    Rejected,
    /// It ended without an answer of ours that counted.
    Lost {
        /// What the platform shows.
        reason: String,
    },
    /// It went on without our permit.
    Bypassed {
        /// By whom, where the platform says.
        by: Option<String>,
    },
    /// Another attempt, commit or occurrence is there now.
    Superseded {
        /// What is there.
        reason: String,
    },
}

/// Concludes from a reading of the run, never from the mere absence of waiting.
///
/// `unexplained_since` is when the run was first seen started without a trace of a decision.
#[must_use]
pub fn conclude(
    run: &RunReading,
    sha: &str,
    attempt: Option<u32>,
    answered: Option<&Answered>,
    unexplained_since: Option<DateTime<Utc>>,
    settle: Duration,
) -> Conclusion {
    if let Some(reason) = run.another_than(sha, attempt) {
        return Conclusion::Superseded { reason };
    }
    let over = |since: DateTime<Utc>, time: Duration| {
        run.at - since >= TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
    };
    let settled = unexplained_since.is_some_and(|since| over(since, settle));
    match run.phase {
        RunPhase::Waiting if has_answer(run, answered, settle) => Conclusion::NotYet,
        RunPhase::Waiting => Conclusion::StillWaiting,
        RunPhase::Queued => Conclusion::NotYet,
        // Hidden for a moment looks the same, and what we released may be running behind it.
        RunPhase::Gone
            if answered.is_some_and(|by_us| by_us.release && !over(by_us.at, GONE_AFTER_RELEASE)) =>
        {
            Conclusion::NotYet
        }
        RunPhase::Gone if settled => Conclusion::Lost { reason: "the platform does not know the run".into() },
        RunPhase::Gone => Conclusion::Unexplained,
        RunPhase::Started | RunPhase::Ended(_) => how_it_began(run.answer.as_ref(), answered, settled),
        RunPhase::NeverStarted(outcome) => {
            let shown = run.answer.as_ref().is_some_and(|answer| answer.ours && !answer.released);
            let told = answered.is_some_and(|answered| !answered.release && answered.accepted);
            if shown || told {
                Conclusion::Rejected
            } else {
                Conclusion::Lost { reason: format!("the run ended before it began: {}", outcome.as_str()) }
            }
        }
    }
}

/// The platform has our answer, and something else holds the job: another rule, or its own delay. For the
/// settle time only: what is shown may be of another job of the environment, and a repeat is harmless.
fn has_answer(run: &RunReading, answered: Option<&Answered>, settle: Duration) -> bool {
    let shown = run.answer.as_ref().is_some_and(|answer| answer.ours);
    let settle = TimeDelta::from_std(settle).unwrap_or(TimeDelta::MAX);
    answered.is_some_and(|answered| (shown || answered.accepted) && run.at - answered.at < settle)
}

fn how_it_began(shown: Option<&Answer>, answered: Option<&Answered>, settled: bool) -> Conclusion {
    match (shown, answered) {
        (Some(answer), _) if answer.released && answer.ours => Conclusion::Released { unproven: false },
        // A required reviewer's answer may be shown beside ours, and ours later or not at all.
        (_, Some(answered)) if answered.release && answered.accepted => {
            Conclusion::Released { unproven: false }
        }
        (Some(answer), _) => Conclusion::Bypassed { by: answer.released.then(|| answer.by.clone()) },
        (None, Some(answered)) if answered.release => Conclusion::Released { unproven: true },
        (None, _) if settled => Conclusion::Bypassed { by: None },
        (None, _) => Conclusion::Unexplained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{deployment, terms};
    use crate::record::ChangeState;
    use crate::record::tests::{approver, at, row};
    use crate::run::tests::run;
    use interlock_events::Outcome;

    const LIMIT: Duration = Duration::from_secs(30 * 86_400);
    const SETTLE: Duration = Duration::from_secs(75);

    fn answered(release: bool, accepted: bool) -> Answered {
        Answered { release, accepted, at: at(50), reason: "r".into(), expired: false }
    }

    fn judge(run: &RunReading, answered: Option<&Answered>, since: Option<DateTime<Utc>>) -> Conclusion {
        conclude(run, &deployment().sha, Some(1), answered, since, SETTLE)
    }

    #[test]
    fn the_deadline_is_the_time_out_until_the_change_is_approved_and_then_its_window() {
        let day = at(24 * 3600);
        assert_eq!(deadline(at(0), &terms(), LIMIT, None), day);
        assert_eq!(deadline(at(0), &terms(), LIMIT, Some(&row("CHG1", ChangeState::Assess))), day);
        let mut approved = row("CHG1", ChangeState::Scheduled);
        approved.approvers = vec![approver("approved", 3600)];
        assert_eq!(
            deadline(at(0), &terms(), LIMIT, Some(&approved)),
            at(25 * 3600),
            "no end: 24 h after the approval"
        );
        approved.end = Some(at(72 * 3600));
        assert_eq!(
            deadline(at(0), &terms(), LIMIT, Some(&approved)),
            at(72 * 3600),
            "approved today for a window in three days"
        );
    }

    #[test]
    fn an_approval_in_the_last_ten_seconds_does_not_move_the_deadline() {
        let mut approved = row("CHG1", ChangeState::Scheduled);
        let day = 24 * 3600;
        for (given, moved) in [(day - 11, true), (day - 10, true), (day - 9, false), (day + 5, false)] {
            approved.approvers = vec![approver("approved", given)];
            let deadline = deadline(at(0), &terms(), LIMIT, Some(&approved));
            assert_eq!(deadline != at(day), moved, "{given}");
        }
    }

    #[test]
    fn no_deadline_is_later_than_the_platforms_limit_less_a_tenth() {
        let limit = Duration::from_secs(1000);
        assert_eq!(deadline(at(0), &terms(), limit, None), at(900));
        let mut approved = row("CHG1", ChangeState::Scheduled);
        approved.end = Some(at(5000));
        assert_eq!(deadline(at(0), &terms(), limit, Some(&approved)), at(900));
    }

    #[test]
    fn a_gate_sleeps_until_what_matters_next_but_never_past_its_deadline() {
        let seconds =
            |now, deadline, until: Option<i64>| next_look(at(now), at(deadline), until.map(at)).as_secs();
        assert_eq!(seconds(0, 3600, None), 120);
        assert_eq!(seconds(0, 50, None), 50);
        assert_eq!(seconds(0, 3600, Some(30)), 30);
        assert_eq!(seconds(0, 20, Some(30)), 20);
        assert_eq!(seconds(100, 50, None), 1, "a deadline that has passed is looked at within a second");
    }

    #[test]
    fn a_queued_run_says_nothing_about_its_gate() {
        assert_eq!(judge(&run(RunPhase::Queued), Some(&answered(true, true)), None), Conclusion::NotYet);
    }

    #[test]
    fn a_run_that_still_waits_is_decided_afresh_unless_the_platform_has_our_answer() {
        let waiting = run(RunPhase::Waiting);
        assert_eq!(judge(&waiting, None, None), Conclusion::StillWaiting);
        assert_eq!(judge(&waiting, Some(&answered(true, false)), None), Conclusion::StillWaiting);
        assert_eq!(
            judge(&waiting, Some(&answered(true, true)), None),
            Conclusion::NotYet,
            "a moment after its 2xx"
        );
        let long_ago = Answered { at: at(60 - 75), ..answered(true, true) };
        assert_eq!(judge(&waiting, Some(&long_ago), None), Conclusion::StillWaiting);
        let ours = Answer { released: true, ours: true, by: "interlock[bot]".into() };
        let held = RunReading { answer: Some(ours), ..waiting };
        let refused = answered(true, false);
        assert_eq!(judge(&held, Some(&refused), None), Conclusion::NotYet, "another rule holds the job");
        assert_eq!(judge(&held, Some(&long_ago), None), Conclusion::StillWaiting, "asked again by and by");
        assert_eq!(judge(&held, None, None), Conclusion::StillWaiting, "it may be another job's answer");
    }

    #[test]
    fn a_run_that_began_with_our_answer_was_released_even_if_nobody_remembers_sending_it() {
        let ours = RunReading {
            answer: Some(Answer { released: true, ours: true, by: "interlock[bot]".into() }),
            ..run(RunPhase::Started)
        };
        assert_eq!(judge(&ours, None, None), Conclusion::Released { unproven: false });
    }

    #[test]
    fn a_run_that_is_hidden_for_a_moment_is_not_lost() {
        let gone = run(RunPhase::Gone);
        assert_eq!(judge(&gone, None, None), Conclusion::Unexplained);
        assert_eq!(judge(&gone, None, Some(at(30))), Conclusion::Unexplained);
        assert!(matches!(judge(&gone, None, Some(at(60 - 75))), Conclusion::Lost { .. }));
        let released = answered(true, true);
        assert_eq!(judge(&gone, Some(&released), Some(at(60 - 75))), Conclusion::NotYet, "it may be running");
    }

    #[test]
    fn an_open_window_counts_from_its_start() {
        let mut approved = row("CHG1", ChangeState::Scheduled);
        approved.approvers = vec![approver("approved", 3600)];
        approved.start = Some(at(48 * 3600));
        assert_eq!(deadline(at(0), &terms(), LIMIT, Some(&approved)), at(72 * 3600));
    }

    #[test]
    fn a_release_that_never_left_is_not_reported() {
        let canceled = run(RunPhase::NeverStarted(Outcome::Canceled));
        assert!(matches!(judge(&canceled, Some(&answered(true, false)), None), Conclusion::Lost { .. }));
    }

    #[test]
    fn a_run_that_began_without_a_trace_is_bypassed_only_after_the_settle_time() {
        let started = run(RunPhase::Started);
        assert_eq!(judge(&started, None, None), Conclusion::Unexplained);
        assert_eq!(judge(&started, None, Some(at(30))), Conclusion::Unexplained);
        assert_eq!(judge(&started, None, Some(at(60 - 75))), Conclusion::Bypassed { by: None });
        assert_eq!(
            judge(&started, Some(&answered(true, false)), None),
            Conclusion::Released { unproven: true }
        );
    }

    #[test]
    fn an_answer_of_somebody_else_is_a_bypass_with_a_name() {
        let admin = RunReading {
            answer: Some(Answer { released: true, ours: false, by: "root".into() }),
            ..run(RunPhase::Ended(Outcome::Failed))
        };
        assert_eq!(judge(&admin, None, None), Conclusion::Bypassed { by: Some("root".into()) });
        let confirmed = judge(&admin, Some(&answered(true, true)), None);
        assert_eq!(
            confirmed,
            Conclusion::Released { unproven: false },
            "a reviewer's answer beside our confirmed one"
        );
    }

    #[test]
    fn a_rejection_is_concluded_from_the_answer_shown_or_confirmed() {
        let ended = run(RunPhase::NeverStarted(Outcome::Failed));
        assert_eq!(judge(&ended, Some(&answered(false, true)), None), Conclusion::Rejected);
        assert!(matches!(judge(&ended, Some(&answered(false, false)), None), Conclusion::Lost { .. }));
        let shown = RunReading {
            answer: Some(Answer { released: false, ours: true, by: "interlock[bot]".into() }),
            ..ended
        };
        assert_eq!(judge(&shown, None, None), Conclusion::Rejected);
    }

    #[test]
    fn another_attempt_is_told_before_anything_else() {
        let second = RunReading { attempt: Some(2), ..run(RunPhase::Started) };
        assert!(matches!(judge(&second, Some(&answered(true, true)), None), Conclusion::Superseded { .. }));
    }
}
