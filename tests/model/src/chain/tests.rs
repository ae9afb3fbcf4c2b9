//! What holds of the chain, and what breaks without each rule.

use super::{Chains, Faults, GROWN, IDLE, LOST, Rule};
use crate::check::{breaks, holds};

const NONE: Faults = Faults { crashes: 0, freezes: 0, flushes: 0, outages: 0, doubles: 0 };
const CRASHES: Faults = Faults { crashes: 3, ..NONE };
const FROZEN: Faults = Faults { crashes: 1, freezes: 1, flushes: 1, doubles: 1, ..NONE };
const OUTAGE: Faults = Faults { crashes: 1, flushes: 1, outages: 1, doubles: 1, ..NONE };

/// The third trace: a frozen process writes a stale holder after a flush; still one watch is left.
#[test]
fn a_frozen_process_and_a_flush_leave_one_watch_of_two() {
    holds(Chains { without: None, faults: FROZEN });
}

#[test]
fn an_outage_of_the_store_and_a_flush_leave_one_watch_of_two() {
    holds(Chains { without: None, faults: OUTAGE });
}

/// The first trace: a crash between publish and ack, once, twice, three times.
#[test]
fn three_crashes_leave_one_watch_that_acts_in_every_round() {
    holds(Chains { without: None, faults: CRASHES });
}

#[test]
fn without_one_chain_a_key_copies_grow_for_ever() {
    breaks(Chains { without: Some(Rule::OneChain), faults: CRASHES }, GROWN);
}

/// The third trace: a frozen process writes a stale holder after a flush.
#[test]
fn without_the_second_look_a_stale_holder_loses_the_watch() {
    breaks(Chains { without: Some(Rule::TwoLooks), faults: FROZEN }, LOST);
}

/// The second trace: the first delivery dies before its first publish.
#[test]
fn without_the_publishers_tag_a_redelivered_request_waits_for_its_dead_self() {
    breaks(Chains { without: Some(Rule::TagByPublisher), faults: CRASHES }, IDLE);
}

#[test]
fn acked_before_its_successor_is_confirmed_a_watch_is_lost_by_a_crash() {
    breaks(Chains { without: Some(Rule::PublishBeforeAck), faults: CRASHES }, LOST);
}
