//! What holds of jobs at one gate, and what breaks without each rule.

use super::{FIRST, Matrix, PERMITTED, Rule};
use crate::check::{breaks, holds};

/// Trace 20: two jobs of one run and environment.
#[test]
fn jobs_at_one_gate_begin_by_one_approved_change() {
    holds(Matrix { without: None, hidden: false, approvals: 2 });
}

/// The lower id comes to light after the other has opened its change: what stands does not move.
#[test]
fn a_job_that_comes_to_light_late_goes_by_the_change_that_stands() {
    holds(Matrix { without: None, hidden: true, approvals: 2 });
}

#[test]
fn with_a_change_each_approving_one_lets_the_other_begin_unapproved() {
    breaks(Matrix { without: Some(Rule::ReadAll), hidden: false, approvals: 1 }, PERMITTED);
}

#[test]
fn who_opens_under_its_own_key_opens_a_second_change() {
    breaks(Matrix { without: Some(Rule::FirstKey), hidden: false, approvals: 0 }, FIRST);
}
