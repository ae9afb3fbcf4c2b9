use super::*;
use crate::canonical::{canonical, extras};
use crate::policy::tests::deployment;
use crate::record::tests::{approver, at, row};
use proptest::prelude::*;

const PHASES: [RunPhase; 6] = [
    RunPhase::Waiting,
    RunPhase::Queued,
    RunPhase::Started,
    RunPhase::Ended(Outcome::Succeeded),
    RunPhase::NeverStarted(Outcome::Failed),
    RunPhase::Gone,
];

fn key(occurrence: &str) -> DeploymentKey {
    DeploymentKey { occurrence: occurrence.into(), ..deployment().key }
}

fn sibling(occurrence: &str, phase: RunPhase) -> Sibling {
    Sibling { occurrence: occurrence.into(), phase }
}

fn waiting(occurrences: &[&str]) -> Vec<Sibling> {
    occurrences.iter().map(|one| sibling(one, RunPhase::Waiting)).collect()
}

/// A change under the key of an occurrence.
fn row_of(occurrence: &str, number: &str, state: ChangeState) -> ChangeRow {
    let deployment = deployment();
    let id = CorrelationId::new(&key(occurrence), &deployment.sha, &deployment.project.name);
    ChangeRow { correlation_id: id.to_string(), ..row(number, state) }
}

fn numbers(rows: &[ChangeRow]) -> Vec<&str> {
    rows.iter().map(|row| row.number.as_str()).collect()
}

#[test]
fn all_who_wait_open_their_change_under_the_same_key_in_the_order_of_numbers() {
    let all = waiting(&["100", "9", "99"]);
    for own in ["100", "9", "99"] {
        assert_eq!(SharedGate::of(&key(own), &all).first(), &key("9"));
    }
    assert_eq!(SharedGate::of(&key("9"), &[]).first(), &key("9"));
    let decided = [sibling("9", RunPhase::Started), sibling("99", RunPhase::Waiting)];
    assert_eq!(SharedGate::of(&key("99"), &decided).first(), &key("99"), "an older wave has its own");
}

#[test]
fn who_waits_beside_another_sees_all_of_its_changes_even_one_that_people_canceled() {
    let rows = vec![row_of("9", "CHG1", ChangeState::Canceled), row_of("11", "CHG9", ChangeState::New)];
    let gate = SharedGate::of(&key("10"), &waiting(&["9", "10"]));
    let counting = gate.counting(rows);
    assert_eq!(numbers(&counting), ["CHG1"], "and none of a deployment that does not share the gate");
    assert_eq!(gate.owner_of(&counting[0]), Some(&key("9")));
}

#[test]
fn a_job_that_comes_later_goes_on_with_an_open_change_and_never_with_a_closed_one() {
    let siblings = [sibling("9", RunPhase::Started), sibling("10", RunPhase::Waiting)];
    let gate = SharedGate::of(&key("10"), &siblings);
    for state in ChangeState::ALL {
        let counting = gate.counting(vec![row_of("9", "CHG1", state)]);
        assert_eq!(!counting.is_empty(), state <= ChangeState::Implement, "{state:?}");
    }
}

#[test]
fn one_that_does_not_wait_takes_anothers_change_only_where_none_of_its_own_was_decided() {
    let siblings = [sibling("9", RunPhase::Started), sibling("10", RunPhase::Started)];
    let gate = SharedGate::of(&key("10"), &siblings);
    let first = row_of("9", "CHG1", ChangeState::Closed);
    assert_eq!(numbers(&gate.counting(vec![first.clone()])), ["CHG1"], "its request came late");
    let own = |state| row_of("10", "CHG2", state);
    assert_eq!(numbers(&gate.counting(vec![first.clone(), own(ChangeState::Scheduled)])), ["CHG2"]);
    let undecided = own(ChangeState::Assess);
    assert_eq!(
        numbers(&gate.counting(vec![first.clone(), undecided])),
        ["CHG1", "CHG2"],
        "it came to light late"
    );
    let mut extra = row_of("10", "CHG2", ChangeState::Canceled);
    extra.close_notes = crate::record::CANCELED_MARK.into();
    assert_eq!(numbers(&gate.counting(vec![first, extra])), ["CHG1", "CHG2"]);
}

#[test]
fn of_two_changes_of_one_gate_all_pick_the_same_and_the_other_is_one_too_many() {
    let mut approved = row_of("10", "CHG2", ChangeState::Scheduled);
    approved.approvers = vec![approver("approved", 30)];
    approved.created = at(12);
    let rows = vec![row_of("9", "CHG1", ChangeState::Assess), approved];
    for own in ["9", "10"] {
        let gate = SharedGate::of(&key(own), &waiting(&["9", "10"]));
        let counting = gate.counting(rows.clone());
        assert_eq!(canonical(&counting, &gate).unwrap().canonical.number, "CHG2", "approved before older");
        assert_eq!(extras(&counting, &gate).len(), 1);
    }
}

#[test]
fn who_has_a_decided_change_of_its_own_does_not_go_by_anothers() {
    let gate = SharedGate::of(&key("10"), &waiting(&["9", "10", "11"]));
    let mut extra = row_of("11", "CHG3", ChangeState::Canceled);
    extra.close_notes = crate::record::CANCELED_MARK.into();
    let own = row_of("10", "CHG2", ChangeState::Scheduled);
    let rows = [row_of("9", "CHG1", ChangeState::Implement), own, extra];
    let sharers = |row| gate.sharers(row, &rows).into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(sharers(&rows[0]), [key("9"), key("11")]);
    assert_eq!(sharers(&rows[1]), [key("10"), key("11")]);
}

#[test]
fn together_they_are_over_when_the_last_is_with_the_worst_result() {
    use Outcome::{Canceled, Failed, Skipped, Succeeded};
    use RunPhase::{Ended, Gone, NeverStarted, Queued, Started, Waiting};
    let cases = [
        (vec![Waiting, Waiting], Waiting),
        (vec![Waiting, Queued], Queued),
        (vec![Waiting, Started], Started),
        (vec![Ended(Failed), Started], Started),
        (vec![Ended(Succeeded), Waiting], Started),
        (vec![Ended(Succeeded), Ended(Failed), Ended(Canceled)], Ended(Failed)),
        (vec![Ended(Succeeded), NeverStarted(Canceled)], Ended(Canceled)),
        (vec![Ended(Succeeded), Ended(Skipped)], Ended(Succeeded)),
        (vec![NeverStarted(Failed), NeverStarted(Skipped)], NeverStarted(Failed)),
        (vec![Gone, Ended(Succeeded)], Ended(Succeeded)),
        (vec![], Gone),
    ];
    for (phases, expected) in cases {
        assert_eq!(together(phases.clone()), expected, "{phases:?}");
    }
}

fn any_phase() -> impl Strategy<Value = RunPhase> {
    prop::sample::select(PHASES.to_vec())
}

proptest! {
    #[test]
    fn the_order_of_siblings_does_not_matter(phases in prop::collection::vec(any_phase(), 1..5), turn in 0..5_usize) {
        let siblings: Vec<Sibling> =
            phases.iter().enumerate().map(|(nth, phase)| sibling(&(8 + nth).to_string(), *phase)).collect();
        let mut turned = siblings.clone();
        turned.rotate_left(turn % siblings.len());
        prop_assert_eq!(SharedGate::of(&key("9"), &siblings), SharedGate::of(&key("9"), &turned));
        prop_assert_eq!(together(phases.iter().copied()), together(turned.iter().map(|one| one.phase)));
    }

    #[test]
    fn while_one_is_not_over_the_change_is_not(phases in prop::collection::vec(any_phase(), 1..5)) {
        let open = phases.iter().any(|phase| matches!(phase, RunPhase::Waiting | RunPhase::Queued | RunPhase::Started));
        prop_assert_eq!(together(phases).outcome().is_some() && open, false);
    }
}
