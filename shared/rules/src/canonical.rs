//! Which of several changes of one deployment is the one. Both workers must agree, so only
//! what both read in the rows counts.

use crate::record::{ChangeRow, ChangeState};
use crate::shared::Whose;

/// The rows of one key, sorted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family<'a> {
    /// The one that counts.
    pub canonical: &'a ChangeRow,
    /// Every other live row.
    pub extras: Vec<&'a ChangeRow>,
}

/// The canonical row of an occurrence, or of all that share its gate: in Implement or Review, then live and approved by a person, then closed,
/// then live; among equals the oldest (`sys_created_on`, number, `sys_id`). A row that shows up after
/// another was closed is one too many, not a second one to drive. Of rows that are all canceled those
/// that we canceled as extras come last. `None` where no row is theirs.
#[must_use]
pub fn canonical<'a>(rows: &'a [ChangeRow], whose: &dyn Whose) -> Option<Family<'a>> {
    let ours = || rows.iter().filter(|row| whose.has(row));
    let canonical = ours().min_by(|a, b| rank(a).cmp(&rank(b)))?;
    let mut extras: Vec<&ChangeRow> =
        ours().filter(|row| row.is_live() && !std::ptr::eq(*row, canonical)).collect();
    extras.sort_by(|a, b| rank(a).cmp(&rank(b)));
    Some(Family { canonical, extras })
}

/// The live rows beside the canonical one that may be canceled: not approved by a person,
/// not in Implement or later, of a state that we know.
#[must_use]
pub fn extras<'a>(rows: &'a [ChangeRow], whose: &dyn Whose) -> Vec<&'a ChangeRow> {
    let Some(family) = canonical(rows, whose) else { return Vec::new() };
    family
        .extras
        .into_iter()
        .filter(|row| {
            !row.approved_by_a_person() && row.state.is_some_and(|state| state < ChangeState::Implement)
        })
        .collect()
}

/// The rows that we canceled as extras and that a person approved all the same: between our
/// decision and our write, or since. They are told, and noted.
#[must_use]
pub fn approved_after_cancel<'a>(rows: &'a [ChangeRow], whose: &dyn Whose) -> Vec<&'a ChangeRow> {
    rows.iter().filter(|row| whose.has(row) && row.canceled_by_us() && row.approved_by_a_person()).collect()
}

/// Whether it matters to a writer of changes who approved or rejected these rows, all of one deployment: which of
/// several counts hangs on it, and whether one in New is submitted. Nothing else that is written does.
#[must_use]
pub fn hangs_on_approvers(rows: &[ChangeRow]) -> bool {
    match rows {
        [] => false,
        [row] => row.state.is_none_or(|state| state == ChangeState::New),
        _ => true,
    }
}

type Age<'a> = (chrono::DateTime<chrono::Utc>, &'a str, &'a str);

fn rank(row: &ChangeRow) -> (u8, Age<'_>) {
    let place = match row.state {
        Some(ChangeState::Implement | ChangeState::Review) => 0,
        Some(ChangeState::Closed) => 2,
        Some(ChangeState::Canceled) if row.canceled_by_us() => 5,
        Some(ChangeState::Canceled) => 4,
        _ if row.approved_by_a_person() => 1,
        _ => 3,
    };
    (place, age(row))
}

fn age(row: &ChangeRow) -> Age<'_> {
    (row.created, &row.number, &row.sys_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::deployment;
    use crate::record::tests::{approver, at, row};
    use interlock_events::KeyHash;
    use proptest::prelude::*;

    fn key() -> KeyHash {
        deployment().key.hash()
    }

    #[test]
    fn the_row_that_runs_wins_then_the_approved_then_the_oldest() {
        let old = row("CHG1", ChangeState::Assess);
        let approved = ChangeRow {
            created: at(11),
            approvers: vec![approver("approved", 30)],
            ..row("CHG2", ChangeState::Assess)
        };
        let running = ChangeRow { created: at(12), ..row("CHG3", ChangeState::Implement) };
        let pick = |rows: &[ChangeRow]| canonical(rows, &key()).unwrap().canonical.number.clone();
        assert_eq!(pick(&[old.clone(), approved.clone(), running.clone()]), "CHG3");
        assert_eq!(pick(&[old.clone(), approved.clone()]), "CHG2");
        assert_eq!(pick(&[ChangeRow { created: at(11), ..row("CHG0", ChangeState::New) }, old]), "CHG1");
    }

    #[test]
    fn a_live_row_wins_over_closed_ones_and_our_canceled_extra_comes_last() {
        let canceled = ChangeRow { created: at(1), ..row("CHG1", ChangeState::Canceled) };
        let live = row("CHG2", ChangeState::New);
        let rows = [canceled.clone(), live];
        assert_eq!(canonical(&rows, &key()).unwrap().canonical.number, "CHG2");
        let extra = ChangeRow { close_notes: crate::CANCELED_MARK.into(), ..canceled };
        let rows = [extra, ChangeRow { created: at(50), ..row("CHG3", ChangeState::Closed) }];
        assert_eq!(canonical(&rows, &key()).unwrap().canonical.number, "CHG3");
    }

    #[test]
    fn a_row_that_shows_up_after_another_was_closed_is_one_too_many() {
        let closed = row("CHG1", ChangeState::Closed);
        let late = ChangeRow { created: at(11), ..row("CHG2", ChangeState::New) };
        let rows = [late.clone(), closed.clone()];
        assert_eq!(canonical(&rows, &key()).unwrap().canonical.number, "CHG1");
        assert_eq!(extras(&rows, &key()).len(), 1, "it may be canceled");
        let approved = ChangeRow { approvers: vec![approver("approved", 30)], ..late };
        let rows = [approved, closed];
        assert_eq!(canonical(&rows, &key()).unwrap().canonical.number, "CHG2", "a person wants it");
        assert!(extras(&rows, &key()).is_empty());
    }

    #[test]
    fn an_extra_that_a_person_approved_is_never_ours_to_cancel() {
        let first =
            ChangeRow { approvers: vec![approver("approved", 20)], ..row("CHG1", ChangeState::Scheduled) };
        let second = ChangeRow {
            created: at(11),
            approvers: vec![approver("approved", 30)],
            ..row("CHG2", ChangeState::Scheduled)
        };
        let third = ChangeRow { created: at(12), ..row("CHG3", ChangeState::New) };
        let rows = [first, second, third];
        let numbers: Vec<_> = extras(&rows, &key()).iter().map(|row| row.number.as_str()).collect();
        assert_eq!(numbers, ["CHG3"]);
    }

    #[test]
    fn of_two_standard_changes_that_are_approved_by_birth_one_remains() {
        let standard = |number, created| ChangeRow {
            change_type: Some(crate::ChangeType::Standard),
            created: at(created),
            ..row(number, ChangeState::Scheduled)
        };
        let rows = [standard("CHG2", 11), standard("CHG1", 10)];
        assert_eq!(canonical(&rows, &key()).unwrap().canonical.number, "CHG1");
        let numbers: Vec<_> = extras(&rows, &key()).iter().map(|row| row.number.as_str()).collect();
        assert_eq!(numbers, ["CHG2"], "no person approved it, so it may be canceled");
    }

    #[test]
    fn an_approval_that_our_cancel_crossed_is_seen_in_the_row() {
        let canceled = |number, notes: &str, approvers| ChangeRow {
            close_notes: notes.into(),
            approvers,
            ..row(number, ChangeState::Canceled)
        };
        let approved = || vec![approver("approved", 30)];
        let mark = crate::CANCELED_MARK;
        let rows = [
            canceled("CHG1", mark, approved()),
            canceled("CHG2", mark, vec![]),
            canceled("CHG3", "a person canceled it", approved()),
            ChangeRow { correlation_display: "Exalate".into(), ..canceled("CHG4", mark, approved()) },
        ];
        let numbers: Vec<_> =
            approved_after_cancel(&rows, &key()).iter().map(|row| row.number.as_str()).collect();
        assert_eq!(numbers, ["CHG1"]);
    }

    #[test]
    fn rows_of_other_keys_and_products_do_not_count() {
        let foreign = ChangeRow { correlation_display: "Exalate".into(), ..row("CHG1", ChangeState::New) };
        assert_eq!(canonical(&[foreign], &key()), None);
    }

    fn any_row() -> impl Strategy<Value = ChangeRow> {
        (0..8_usize, 0..4_i64, 0..6_u8, any::<bool>(), any::<bool>()).prop_map(
            |(state, created, number, approved, ours)| {
                let state = ChangeState::ALL[state];
                ChangeRow {
                    created: at(created),
                    approvers: if approved { vec![approver("approved", 30)] } else { vec![] },
                    close_notes: if ours { crate::CANCELED_MARK.into() } else { String::new() },
                    ..row(&format!("CHG{number}"), state)
                }
            },
        )
    }

    fn any_rows() -> impl Strategy<Value = Vec<ChangeRow>> {
        proptest::collection::vec(any_row(), 1..6).prop_map(|mut rows| {
            for (place, row) in rows.iter_mut().enumerate() {
                row.sys_id = format!("{place:032x}");
            }
            rows
        })
    }

    #[test]
    fn nothing_that_is_written_of_one_change_beyond_new_hangs_on_who_approved_it() {
        use crate::step::{Goal, next_step};
        use interlock_events::Outcome;
        let goals = [
            Goal::AskApproval,
            Goal::Implement,
            Goal::Close(Outcome::Succeeded),
            Goal::Close(Outcome::Skipped),
            Goal::Abandon,
        ];
        for state in ChangeState::ALL {
            let silent = row("CHG1", state);
            let differs = ["approved", "rejected"].into_iter().any(|said| {
                let heard = ChangeRow { approvers: vec![approver(said, 30)], ..silent.clone() };
                let differs = |goal: &Goal| next_step(*goal, &heard) != next_step(*goal, &silent);
                goals.iter().any(differs)
            });
            assert_eq!(hangs_on_approvers(&[silent]), differs, "{state:?}");
        }
        assert!(hangs_on_approvers(&[row("CHG1", ChangeState::Assess), row("CHG2", ChangeState::Assess)]));
    }

    proptest! {
        #[test]
        fn the_order_in_which_rows_are_read_does_not_matter(rows in any_rows(), turn in 0..6_usize) {
            let mut turned = rows.clone();
            turned.rotate_left(turn % rows.len());
            let sort_key = |rows: &[ChangeRow]| {
                let family = canonical(rows, &key()).unwrap();
                let extras = family.extras.len();
                (family.canonical.number.clone(), family.canonical.state, extras)
            };
            prop_assert_eq!(sort_key(&rows), sort_key(&turned));
        }

        #[test]
        fn what_may_be_canceled_is_never_the_canonical_one(rows in any_rows()) {
            let family = canonical(&rows, &key()).unwrap();
            for extra in extras(&rows, &key()) {
                prop_assert!(!std::ptr::eq(extra, family.canonical));
                prop_assert!(!extra.approved_by_a_person());
            }
        }
    }
}
