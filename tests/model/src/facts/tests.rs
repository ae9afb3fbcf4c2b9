//! What holds of facts, and what breaks without each rule.

use super::{ENDED, Facts, Faults, RUNNING, Rule};
use crate::check::{breaks, holds};

const FAULTS: Faults = Faults { crashes: 2, lost: 2, flushes: 1 };

fn ran() -> Facts {
    Facts { without: None, faults: FAULTS, ran: true, lost_told: false }
}

fn ran_and_told_lost() -> Facts {
    Facts { lost_told: true, ..ran() }
}

/// Trace 33: finished before released, before the change exists, and then a flush.
#[test]
fn a_change_closes_as_its_deployment_ended_in_whatever_order_the_facts_come() {
    holds(ran());
}

/// Trace 15: a second look told the gate lost although it was released.
#[test]
fn a_gate_told_lost_beside_its_release_does_not_cancel_the_change() {
    holds(ran_and_told_lost());
}

#[test]
fn the_change_of_a_deployment_that_never_began_is_canceled() {
    holds(Facts { ran: false, ..ran() });
}

#[test]
fn if_released_does_not_absorb_a_later_lost_cancels_the_change_of_a_running_deployment() {
    breaks(Facts { without: Some(Rule::ReleasedAbsorbs), ..ran_and_told_lost() }, RUNNING);
}

/// The Store was flushed: where to ask is not known for a moment.
#[test]
fn taking_a_platform_that_cannot_be_asked_for_a_no_cancels_the_change_of_a_running_deployment() {
    breaks(Facts { without: Some(Rule::AskPlatform), ..ran_and_told_lost() }, RUNNING);
}

#[test]
fn a_fact_acked_before_the_record_shows_it_leaves_the_change_open() {
    breaks(Facts { without: Some(Rule::AckedWhenShown), ..ran() }, ENDED);
}

/// Trace 33 again.
#[test]
fn a_finish_that_does_not_wait_for_its_release_cancels_the_change_of_a_deployment_that_ran() {
    breaks(Facts { without: Some(Rule::FinishWaits), ..ran() }, RUNNING);
}

#[test]
fn steps_that_are_not_legal_ones_never_close_the_change() {
    breaks(Facts { without: Some(Rule::OneLegalStep), ..ran() }, ENDED);
}
