//! What holds of extras, and what breaks without each rule.

use super::{Extras, PICKED, Rule, SAME, SPARED, TOLD};
use crate::check::{breaks, holds};

fn without(rule: Rule) -> Extras {
    Extras { without: Some(rule), approvals: 2, standard: false }
}

/// Traces 28 and 29: a person approves the younger one, or approves while we cancel.
#[test]
fn of_two_changes_one_is_left_and_nothing_approved_is_canceled_untold() {
    holds(Extras { without: None, approvals: 2, standard: false });
}

#[test]
fn of_two_changes_that_nobody_approves_one_is_left() {
    holds(Extras { without: None, approvals: 0, standard: false });
}

/// Trace 30: both approved by birth, and the second one commits late.
#[test]
fn of_two_standard_changes_one_is_left_and_it_is_the_one_that_permitted() {
    holds(Extras { without: None, approvals: 0, standard: true });
}

/// Trace 28: the younger change was told first.
#[test]
fn a_worker_that_trusts_the_change_it_was_told_releases_on_another_than_the_one_that_counts() {
    breaks(without(Rule::CanonicalPick), PICKED);
}

/// The younger change permits; before it goes to Implement a person approves the older one too.
#[test]
fn a_release_carried_to_the_change_that_counts_by_then_implements_another_than_permitted() {
    breaks(without(Rule::ImplementNamed), SAME);
}

#[test]
fn picking_by_age_alone_cancels_what_a_person_approved() {
    breaks(without(Rule::ApprovedSpared), SPARED);
}

/// Trace 29: an approval between our decision to cancel and the PATCH.
#[test]
fn an_approval_that_our_cancel_crossed_is_lost_unless_it_is_judged_from_the_rows() {
    breaks(without(Rule::CanceledToldApproved), TOLD);
}
