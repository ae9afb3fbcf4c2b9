//! What holds of answering, and what breaks without each rule.

use super::{Answering, Faults, ONE_DECISION, PERMITTED, Rule, TOLD, TRUE};
use crate::check::{breaks, holds};

const PEOPLE: Faults = Faults { approvals: 2, withdrawals: 1, rejections: 1, ..NONE };
const NONE: Faults = Faults {
    slow: 2,
    approvals: 0,
    withdrawals: 0,
    rejections: 0,
    crashes: 0,
    lost: 0,
    unreadable: 0,
    flushes: 0,
    reruns: 0,
    cancels: 0,
    bypasses: 0,
};
const APPROVED: Faults = Faults { approvals: 1, ..NONE };
const REPEATED: Faults = Faults { unreadable: 2, lost: 1, ..APPROVED };

/// The first answer wins, as on GitHub.
fn first_wins(faults: Faults) -> Answering {
    Answering { without: &[], faults, processes: 1, names: true, first_wins: true }
}

/// A reject cancels a started job, as with a manual job of GitLab.
fn later_counts(faults: Faults) -> Answering {
    Answering { processes: 2, first_wins: false, ..first_wins(faults) }
}

fn without(rules: &'static [Rule], model: Answering) -> Answering {
    Answering { without: rules, ..model }
}

/// Traces 14, 15 and 16: queued is not lost, a crash after the answer, a person cancels the run.
#[test]
fn a_gate_ends_as_told_through_crashes_and_lost_answers() {
    holds(first_wins(Faults { crashes: 1, lost: 1, cancels: 1, bypasses: 1, ..APPROVED }));
}

/// What was sent is all that tells, and whether it arrived is not known.
#[test]
fn a_platform_that_names_nobody_is_concluded_from_what_was_sent() {
    holds(Answering { names: false, ..first_wins(Faults { lost: 1, cancels: 1, ..APPROVED }) });
}

/// Trace 18: approved, taken back, approved again near the deadline, with ServiceNow unreadable in between.
#[test]
fn no_gate_is_released_without_approval_and_each_is_decided_by_its_deadline() {
    holds(first_wins(Faults { lost: 1, unreadable: 1, ..PEOPLE }));
}

#[test]
fn two_processes_without_a_lease_tell_the_same_of_a_gate() {
    let two = |faults| Answering { processes: 2, ..first_wins(faults) };
    holds(two(Faults { slow: 1, withdrawals: 1, unreadable: 1, ..APPROVED }));
    holds(two(Faults { slow: 0, crashes: 1, lost: 1, ..APPROVED }));
}

/// Trace 19: a re-run between read and answer.
#[test]
fn a_release_that_opened_another_attempt_is_told() {
    holds(first_wins(Faults { slow: 1, reruns: 1, crashes: 1, ..APPROVED }));
    holds(first_wins(Faults { slow: 0, reruns: 1, lost: 1, ..APPROVED }));
}

/// Traces 17 and 18: one process cannot read ServiceNow and keeps the deadline that the other has moved.
#[test]
fn release_and_deadline_do_not_cross_where_a_reject_cancels_a_started_job() {
    holds(later_counts(Faults { slow: 1, unreadable: 1, withdrawals: 1, ..APPROVED }));
}

#[test]
fn a_persons_rejection_and_a_release_do_not_cross_where_a_reject_cancels_a_started_job() {
    holds(later_counts(Faults { slow: 1, rejections: 1, ..APPROVED }));
}

#[test]
fn a_lost_answer_and_its_repeat_let_no_second_decision_through() {
    holds(later_counts(REPEATED));
    holds(later_counts(Faults { slow: 1, rejections: 1, lost: 1, ..APPROVED }));
}

#[test]
fn a_crash_between_two_decisions_lets_no_second_one_through() {
    holds(later_counts(Faults { slow: 1, rejections: 1, crashes: 1, ..APPROVED }));
}

#[test]
fn a_flush_of_the_store_lets_no_second_decision_through() {
    holds(later_counts(Faults { slow: 1, unreadable: 1, flushes: 1, ..APPROVED }));
}

#[test]
fn unbound_from_its_attempt_a_gate_releases_another() {
    let faults = Faults { reruns: 1, ..APPROVED };
    breaks(without(&[Rule::BindToAttempt], first_wins(faults)), PERMITTED);
}

#[test]
fn without_the_read_before_an_answer_a_reject_cancels_a_job_that_was_released() {
    breaks(without(&[Rule::ReadBefore], later_counts(APPROVED)), ONE_DECISION);
}

/// Trace 16: an answer that never arrived is told as if it had.
#[test]
fn without_the_read_after_an_answer_a_lost_one_is_told_as_given() {
    let faults = Faults { lost: 1, ..APPROVED };
    breaks(without(&[Rule::ReadAfter], first_wins(faults)), TRUE);
}

/// Trace 14: approve lands, the run is queued.
#[test]
fn concluding_from_no_longer_waiting_calls_a_queued_run_lost() {
    breaks(without(&[Rule::Conclude], first_wins(APPROVED)), TRUE);
}

#[test]
fn without_a_fresh_record_a_release_leaves_after_the_approval_was_taken_back() {
    let faults = Faults { withdrawals: 1, ..APPROVED };
    breaks(without(&[Rule::FreshRecord], first_wins(faults)), PERMITTED);
}

#[test]
fn without_the_look_after_a_release_an_approval_taken_back_is_never_told() {
    let faults = Faults { withdrawals: 1, ..APPROVED };
    breaks(without(&[Rule::PostCheck], first_wins(faults)), TOLD);
}

/// Trace 17 again: without the margin, and without a decision key to mend it.
#[test]
fn without_the_margin_before_the_deadline_a_release_and_the_deadlines_reject_cross() {
    holds(without(&[Rule::DecisionKey], later_counts(APPROVED)));
    breaks(without(&[Rule::DecisionKey, Rule::DeadlineGuard], later_counts(APPROVED)), ONE_DECISION);
}

/// Trace 18: one process cannot read ServiceNow and keeps the deadline that the other has moved.
#[test]
fn without_the_decision_key_a_process_that_cannot_read_rejects_what_another_releases() {
    let faults = Faults { unreadable: 1, ..APPROVED };
    breaks(without(&[Rule::DecisionKey], later_counts(faults)), ONE_DECISION);
}

/// A release is lost and sent again under the first claim, which ends before the second call does.
#[test]
fn a_repeat_that_does_not_claim_anew_is_crossed_by_the_opposite_decision() {
    breaks(without(&[Rule::ClaimAnew], later_counts(REPEATED)), ONE_DECISION);
}
