//! What holds of creating, and what breaks without each rule.

use super::{COMMIT, Creating, Faults, ONE, Rule, SEND, SETTLE};
use crate::check::{breaks, holds};

const NONE: Faults = Faults { crashes: 0, freezes: 0, flushes: 0, lost: 0 };
const SOME: Faults = Faults { crashes: 1, freezes: 1, flushes: 1, lost: 1 };
const DYING: Faults = Faults { crashes: 2, freezes: 0, flushes: 0, lost: 2 };

fn two_copies(faults: Faults) -> Creating {
    Creating {
        without: None,
        faults,
        doubled: true,
        store: true,
        settle: SETTLE,
        from_beginning: false,
        chosen: false,
    }
}

fn one_copy_without_store(faults: Faults) -> Creating {
    Creating { doubled: false, store: false, ..two_copies(faults) }
}

/// Traces 23, 25, 26 and 27: two copies, a marker whose winner died, a flush.
#[test]
fn two_copies_of_a_request_open_one_change_whatever_dies_freezes_or_is_flushed() {
    holds(two_copies(SOME));
}

/// Trace 24: answers get lost, and the creates commit late.
#[test]
fn two_copies_open_one_change_through_crashes_and_lost_answers() {
    holds(two_copies(DYING));
}

#[test]
fn one_copy_opens_one_change_without_the_store_too() {
    holds(one_copy_without_store(Faults { crashes: 2, freezes: 1, flushes: 0, lost: 2 }));
}

#[test]
fn without_the_look_up_a_redelivered_request_opens_a_second_change() {
    breaks(Creating { without: Some(Rule::LookUp), ..two_copies(DYING) }, ONE);
}

#[test]
fn without_settling_a_redelivered_request_does_not_wait_for_a_late_commit() {
    breaks(Creating { without: Some(Rule::Settle), ..one_copy_without_store(DYING) }, ONE);
}

#[test]
fn without_settling_again_a_settled_create_whose_process_died_is_posted_twice() {
    breaks(Creating { without: Some(Rule::SettleAgain), ..one_copy_without_store(DYING) }, ONE);
}

/// Trace 23: two copies of one request, both first deliveries, both look-ups empty.
#[test]
fn without_the_marker_a_doubled_webhook_opens_two_changes() {
    breaks(Creating { without: Some(Rule::Marker), ..two_copies(NONE) }, ONE);
}

/// Trace 27: a flush just before.
#[test]
fn without_the_epoch_a_flushed_store_seems_to_remember_that_nobody_creates() {
    let flush = Faults { flushes: 1, lost: 1, ..NONE };
    breaks(Creating { without: Some(Rule::Epoch), ..two_copies(flush) }, ONE);
}

/// Trace 25: one settles, another wins the marker meanwhile and posts.
#[test]
fn a_settled_create_that_does_not_win_the_marker_too_posts_beside_the_one_that_did() {
    breaks(Creating { without: Some(Rule::SettledWinsToo), ..two_copies(SOME) }, ONE);
}

#[test]
fn without_a_send_deadline_a_process_that_froze_posts_after_it_was_replaced() {
    breaks(Creating { without: Some(Rule::SendDeadline), ..two_copies(SOME) }, ONE);
}

/// A look-up may be as old as the send deadline allows when its decision is made: where ages are judged as
/// of that decision, the settle time must cover the send window twice.
#[test]
fn a_settle_time_of_a_commit_and_one_send_window_is_too_short_when_judged_after_the_look_up() {
    breaks(Creating { settle: COMMIT + SEND + 1, ..two_copies(SOME) }, ONE);
}

#[test]
fn a_settle_time_of_a_commit_and_one_send_window_is_enough_when_judged_from_the_beginning_of_the_tick() {
    let faults = Faults { freezes: 0, ..SOME };
    holds(Creating { settle: COMMIT + SEND + 1, from_beginning: true, ..two_copies(faults) });
}

/// What an instance that honours a chosen sys_id adds: where a rule fails and a second change would be created,
/// there is none.
#[test]
fn with_a_chosen_sys_id_no_second_change_is_created_whichever_rule_fails() {
    let faults = Faults { freezes: 1, lost: 1, ..NONE };
    for (rule, model) in [
        (Rule::LookUp, one_copy_without_store(DYING)),
        (Rule::Settle, one_copy_without_store(DYING)),
        (Rule::SettleAgain, one_copy_without_store(DYING)),
        (Rule::Marker, two_copies(NONE)),
        (Rule::Epoch, two_copies(Faults { flushes: 1, lost: 1, ..NONE })),
        (Rule::SettledWinsToo, two_copies(faults)),
        (Rule::SendDeadline, two_copies(faults)),
    ] {
        let without = Creating { without: Some(rule), ..model };
        breaks(Creating { ..without }, ONE);
        holds(Creating { chosen: true, ..without });
    }
}
