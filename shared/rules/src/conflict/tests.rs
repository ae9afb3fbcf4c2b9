use proptest::prelude::*;

use super::*;
use crate::record::tests::{at, row};

const RULES: [ConflictRule; 4] =
    [ConflictRule::Ignore, ConflictRule::Wait, ConflictRule::Reject, ConflictRule::NextSlot];

pub(crate) fn planned(status: ConflictStatus, last_run: Option<i64>) -> ChangeRow {
    ChangeRow {
        cmdb_ci: Some("c".repeat(32)),
        start: Some(at(0)),
        end: Some(at(3600)),
        conflict: ConflictCheck { status, last_run: last_run.map(at) },
        ..row("CHG1", ChangeState::Scheduled)
    }
}

fn asked(row: &ChangeRow, seconds: i64) -> CheckAsked {
    CheckAsked::now(Plan::of(row).unwrap(), row, None, at(seconds))
}

#[test]
fn a_check_is_started_once_and_again_for_each_other_plan() {
    let fresh = planned(ConflictStatus::NotRun, None);
    let plan = Plan::of(&fresh).unwrap();
    assert_eq!(next_check(ConflictRule::Wait, &fresh, None, at(10)), CheckStep::Start(plan));
    let begun = asked(&fresh, 10);
    assert_eq!(next_check(ConflictRule::Wait, &fresh, Some(&begun), at(20)), CheckStep::Await);
    let free = planned(ConflictStatus::Free, Some(15));
    assert_eq!(next_check(ConflictRule::Wait, &free, Some(&begun), at(20)), CheckStep::Rest);
    let moved = ChangeRow { end: Some(at(7200)), ..free.clone() };
    let other = ChangeRow { cmdb_ci: Some("d".repeat(32)), ..free };
    for row in [moved, other] {
        let plan = Plan::of(&row).unwrap();
        assert_eq!(next_check(ConflictRule::Wait, &row, Some(&begun), at(20)), CheckStep::Start(plan));
    }
}

#[test]
fn a_check_without_a_result_is_started_again_less_and_less_often() {
    let fresh = planned(ConflictStatus::NotRun, None);
    let mut begun = asked(&fresh, 0);
    let mut now = 0;
    let mut gaps = Vec::new();
    for _ in 0..7 {
        let mut gap = 0;
        while next_check(ConflictRule::Wait, &fresh, Some(&begun), at(now + gap)) == CheckStep::Await {
            gap += 30;
        }
        now += gap;
        gaps.push(gap / 60);
        begun = CheckAsked::now(Plan::of(&fresh).unwrap(), &fresh, Some(&begun), at(now));
    }
    assert_eq!(gaps, [2, 4, 6, 8, 10, 10, 10]);
}

#[test]
fn an_answer_of_before_is_no_answer() {
    let old = planned(ConflictStatus::Free, Some(5));
    let begun = asked(&old, 10);
    assert_eq!(next_check(ConflictRule::Wait, &old, Some(&begun), at(20)), CheckStep::Await);
}

#[test]
fn a_conflict_is_looked_for_again_where_the_gate_waits_and_moved_where_the_policy_says_so() {
    let found = planned(ConflictStatus::Conflict, Some(15));
    let begun = asked(&planned(ConflictStatus::NotRun, None), 10);
    let next = |rule, asked: &CheckAsked, seconds| next_check(rule, &found, Some(asked), at(seconds));
    assert_eq!(next(ConflictRule::Wait, &begun, 20), CheckStep::Stands);
    assert_eq!(next(ConflictRule::Wait, &begun, 610), CheckStep::Start(Plan::of(&found).unwrap()));
    assert_eq!(next(ConflictRule::Reject, &begun, 610), CheckStep::Rest);
    assert_eq!(next(ConflictRule::NextSlot, &begun, 20), CheckStep::AskSlot);
    let waits = CheckAsked { slot_asked: Some(at(20)), ..begun.clone() };
    assert_eq!(next(ConflictRule::NextSlot, &waits, 30), CheckStep::Await);
    assert_eq!(next(ConflictRule::NextSlot, &waits, 80), CheckStep::TakeSlot);
    let spent = CheckAsked { moves: MOVES_MAX, ..begun };
    assert_eq!(next(ConflictRule::NextSlot, &spent, 20), CheckStep::Stands, "moved often enough");
}

#[test]
fn what_was_moved_stays_counted_however_often_it_is_checked() {
    let found = planned(ConflictStatus::Conflict, Some(15));
    let begun = CheckAsked { moves: 2, ..asked(&found, 10) };
    let moved = ChangeRow { start: Some(at(50)), ..found };
    assert_eq!(CheckAsked::now(Plan::of(&moved).unwrap(), &moved, Some(&begun), at(30)).moves, 2);
}

#[test]
fn over_the_whole_grid_only_what_a_gate_waits_for_is_checked_or_moved() {
    let words = ["Not Run", "No Conflict", "Conflict", "Running", ""];
    for rule in RULES {
        for state in ChangeState::ALL.map(Some).into_iter().chain([None]) {
            for word in words {
                let row = ChangeRow { state, ..planned(ConflictStatus::of_word(word), Some(5)) };
                let step = next_check(rule, &row, None, at(10));
                let wanted = rule != ConflictRule::Ignore
                    && state.is_some_and(|state| state <= ChangeState::Scheduled);
                assert_eq!(matches!(step, CheckStep::Start(_)), wanted, "{rule:?} {state:?} {word}");
                assert!(wanted || step == CheckStep::Rest);
            }
        }
    }
}

#[test]
fn a_plan_that_lacks_something_is_not_checked() {
    let whole = planned(ConflictStatus::NotRun, None);
    for row in [
        ChangeRow { cmdb_ci: None, ..whole.clone() },
        ChangeRow { start: None, ..whole.clone() },
        ChangeRow { end: None, ..whole },
    ] {
        assert_eq!(next_check(ConflictRule::Wait, &row, None, at(10)), CheckStep::Rest);
        let said = conflicting(&row, ConflictRule::Wait, None);
        assert!(matches!(said, Some(Conflicting::Unknown(_))), "{said:?}");
    }
}

#[test]
fn the_changes_in_conflict_are_named_where_the_instance_shows_them() {
    let found = planned(ConflictStatus::Conflict, Some(15));
    let mut checked = Checked::seen(None, &found).unwrap();
    let said = |checked: &Checked| match conflicting(&found, ConflictRule::Wait, Some(checked)) {
        Some(Conflicting::Found(said)) => said,
        other => panic!("{other:?}"),
    };
    assert!(said(&checked).contains("its record shows with what"), "{}", said(&checked));
    checked.with = Some(vec!["CHG2".into(), "CHG3".into()]);
    assert_eq!(said(&checked), "CHG1 conflicts with CHG2, CHG3");
}

#[test]
fn a_check_stays_one_of_the_plan_that_it_was_first_seen_with() {
    let free = planned(ConflictStatus::Free, Some(15));
    let checked = Checked::seen(None, &free);
    assert_eq!(conflicting(&free, ConflictRule::Wait, checked.as_ref()), None);
    let moved = ChangeRow { start: Some(at(60)), ..free.clone() };
    let still = Checked::seen(checked.clone(), &moved);
    assert_eq!(still, checked);
    let said = conflicting(&moved, ConflictRule::Wait, still.as_ref());
    assert!(matches!(said, Some(Conflicting::Unknown(_))), "stale: {said:?}");
    let again = ChangeRow { conflict: ConflictCheck { last_run: Some(at(70)), ..free.conflict }, ..moved };
    let checked = Checked::seen(still, &again);
    assert_eq!(conflicting(&again, ConflictRule::Wait, checked.as_ref()), None);
}

#[test]
fn a_check_of_a_change_that_lacked_a_date_says_nothing_once_it_has_one() {
    let bare = ChangeRow { start: None, ..planned(ConflictStatus::Free, Some(15)) };
    let checked = Checked::seen(None, &bare);
    let whole = planned(ConflictStatus::Free, Some(15));
    let checked = Checked::seen(checked, &whole);
    let said = conflicting(&whole, ConflictRule::Wait, checked.as_ref());
    assert!(matches!(said, Some(Conflicting::Unknown(_))), "{said:?}");
}

proptest! {
    #[test]
    fn a_computed_slot_is_free_as_long_as_before_and_never_earlier(
        others in prop::collection::vec((-5_000_i64..20_000, 1_i64..5_000), 0..8), now in -100_i64..8_000
    ) {
        let plan = Plan::of(&planned(ConflictStatus::Conflict, Some(15))).unwrap();
        let others: Vec<_> = others.iter().map(|(from, length)| (at(*from), at(from + length))).collect();
        match next_free(&plan, &others, at(now)) {
            None => {
                let start = plan.start.max(at(now));
                let end = start + (plan.end - plan.start);
                let alone = others.iter().all(|(from, until)| *until < start || *from > end);
                prop_assert!(alone);
            }
            Some((start, end)) => {
                prop_assert_eq!(end - start, plan.end - plan.start);
                prop_assert!(start >= plan.start && start >= at(now));
                prop_assert!(others.iter().all(|(from, until)| *until < start || *from > end));
            }
        }
    }
}
