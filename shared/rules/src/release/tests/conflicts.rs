//! What conflicts with other changes.

use super::*;
use crate::conflict::{ConflictCheck, ConflictStatus};

const WORDS: [&str; 6] = ["Not Run", "No Conflict", "Conflict", "no conflict", "Running", ""];
const RULES: [ConflictRule; 4] =
    [ConflictRule::Ignore, ConflictRule::Wait, ConflictRule::Reject, ConflictRule::NextSlot];

/// An approved change, planned so, whose check ran then.
fn planned(item: Option<&str>, end: Option<i64>, word: &str, ran: Option<i64>) -> ChangeRow {
    let conflict = ConflictCheck { status: ConflictStatus::of_word(word), last_run: ran.map(at) };
    let (cmdb_ci, end) = (item.map(str::to_owned), end.map(at));
    ChangeRow { cmdb_ci, start: Some(at(0)), end, conflict, ..row("CHG1", ChangeState::Scheduled) }
}

/// Every plan that a record can show beside the one that was checked.
fn plans() -> impl Iterator<Item = (Option<&'static str>, Option<i64>, Option<i64>)> {
    let items = [None, Some("c1"), Some("d2")].into_iter();
    let ends = items.flat_map(|item| [None, Some(100), Some(200)].map(|end| (item, end)));
    ends.flat_map(|(item, end)| [None, Some(5), Some(6)].map(|ran| (item, end, ran)))
}

/// Written down a second time: whoever asks for a check releases on a result of this very plan and of that word alone.
#[test]
fn over_the_whole_grid_only_a_check_of_the_present_plan_that_found_nothing_lets_a_gate_be_released() {
    let mut released = [0, 0];
    for (rule, word) in RULES.into_iter().flat_map(|rule| WORDS.map(|word| (rule, word))) {
        for ((item, end, ran), first) in plans().flat_map(|plan| [None, Some(5)].map(|first| (plan, first))) {
            let checked = Checked::seen(None, &planned(Some("c1"), Some(100), word, first));
            let mut case = Case { rows: Ok(vec![planned(item, end, word, ran)]), checked, ..approved() };
            case.terms.conflict = rule;
            let verdict = judge(&case);
            let is_of_it = (item, end, ran, first) == (Some("c1"), Some(100), Some(5), Some(5));
            let ignored = rule == ConflictRule::Ignore;
            let permitted = ignored || (is_of_it && word == "No Conflict");
            let is_released = matches!(verdict, Verdict::Release(_));
            assert_eq!(is_released, permitted, "{rule:?} {word} {item:?} {end:?} {ran:?}: {verdict:?}");
            released[usize::from(ignored)] += usize::from(is_released);
            let rejected = rule == ConflictRule::Reject && is_of_it && word == "Conflict";
            assert_eq!(matches!(verdict, Verdict::Reject { .. }), rejected, "{rule:?} {word}: {verdict:?}");
        }
    }
    assert!(released.iter().all(|number| *number > 0));
}

#[test]
fn a_conflict_rejects_at_once_where_the_policy_says_so_and_is_told_to_who_approves_elsewhere() {
    let asked = ChangeRow {
        state: Some(ChangeState::Assess),
        approval: Approval::Requested,
        ..planned(Some("c1"), Some(100), "Conflict", Some(5))
    };
    let checked = Checked::seen(None, &asked);
    let checked = checked.map(|checked| Checked { with: Some(vec!["CHG2".into()]), ..checked });
    let mut case = Case { rows: Ok(vec![asked]), checked, highest: None, ..approved() };
    case.terms.conflict = ConflictRule::Reject;
    assert_eq!(judge(&case), Verdict::Reject { reason: "CHG1 conflicts with CHG2".into() });
    case.terms.conflict = ConflictRule::Wait;
    let Verdict::Wait { reason, .. } = judge(&case) else { panic!("no wait") };
    assert_eq!(reason, "CHG1 is in Assess and waits for approval; CHG1 conflicts with CHG2");
}
