//! The next legal state of a change on its way to a goal: one step at a time.

use interlock_events::Outcome;
use serde::{Deserialize, Serialize};

use crate::policy::ChangeType;
use crate::record::{ChangeRow, ChangeState};

/// Where a change should get to, by what is known of its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The gate waits: approvals must be asked for.
    AskApproval,
    /// The gate was released: Implement.
    Implement,
    /// The deployment ran and ended: closed with its result.
    Close(Outcome),
    /// The deployment does not happen: canceled.
    Abandon,
}

/// What to do about one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Move it to this state.
    Move(ChangeState),
    /// Close it; the outcome decides the code.
    Close(Outcome),
    /// Cancel it.
    Cancel,
    /// It is where it should be.
    Reached,
    /// Somebody else must move it first.
    WaitFor(String),
    /// It cannot get there any more.
    Impossible(String),
}

/// The next step of `row` towards `goal`.
#[must_use]
pub fn next_step(goal: Goal, row: &ChangeRow) -> Step {
    let Some(state) = row.state else {
        return Step::WaitFor(format!(
            "{} is in a state that is not in the state map of the connection",
            row.number
        ));
    };
    match goal {
        Goal::AskApproval => ask_approval(row, state),
        Goal::Implement => implement(row, state),
        Goal::Close(Outcome::Skipped) if state.can_be_canceled() => cancel(row, state),
        Goal::Close(outcome) => close(row, state, outcome),
        Goal::Abandon => cancel(row, state),
    }
}

fn ask_approval(row: &ChangeRow, state: ChangeState) -> Step {
    // A rejected change falls back to New by itself: asking again would undo the rejection.
    if state == ChangeState::New && row.rejection().is_none() && !row.on_hold {
        Step::Move(after_new(row))
    } else {
        Step::Reached
    }
}

/// Where a change of its type goes from New (ServiceNow docs, "Normal, standard, emergency change states"); one
/// of a type that we do not know goes the longest way.
fn after_new(row: &ChangeRow) -> ChangeState {
    match row.change_type {
        Some(ChangeType::Standard) => ChangeState::Scheduled,
        Some(ChangeType::Emergency) => ChangeState::Authorize,
        Some(ChangeType::Normal) | None => ChangeState::Assess,
    }
}

fn implement(row: &ChangeRow, state: ChangeState) -> Step {
    match state {
        ChangeState::Scheduled if row.on_hold => Step::WaitFor(format!("{} is on hold", row.number)),
        ChangeState::Scheduled => Step::Move(ChangeState::Implement),
        ChangeState::Implement | ChangeState::Review | ChangeState::Closed => Step::Reached,
        ChangeState::Canceled => Step::Impossible(format!("{} was canceled", row.number)),
        ChangeState::New | ChangeState::Assess | ChangeState::Authorize => {
            Step::WaitFor(format!("{} is back in {state:?}: its approval was withdrawn", row.number))
        }
    }
}

fn close(row: &ChangeRow, state: ChangeState, outcome: Outcome) -> Step {
    match state {
        ChangeState::Closed | ChangeState::Canceled => Step::Reached,
        ChangeState::Review => Step::Close(outcome),
        ChangeState::Implement if row.on_hold => Step::WaitFor(format!("{} is on hold", row.number)),
        ChangeState::Implement => Step::Move(ChangeState::Review),
        // It ran without an approval that stands; from here the instance lets it be canceled alone.
        ChangeState::New | ChangeState::Assess | ChangeState::Authorize => Step::Cancel,
        ChangeState::Scheduled => implement(row, state),
    }
}

fn cancel(row: &ChangeRow, state: ChangeState) -> Step {
    match state {
        ChangeState::Canceled | ChangeState::Closed => Step::Reached,
        ChangeState::Review => {
            Step::Impossible(format!("{} is in Review, which ServiceNow does not cancel", row.number))
        }
        _ => Step::Cancel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{approver, row};

    const GOALS: [Goal; 7] = [
        Goal::AskApproval,
        Goal::Implement,
        Goal::Close(Outcome::Succeeded),
        Goal::Close(Outcome::Failed),
        Goal::Close(Outcome::Canceled),
        Goal::Close(Outcome::Skipped),
        Goal::Abandon,
    ];

    const TYPES: [Option<ChangeType>; 4] =
        [Some(ChangeType::Normal), Some(ChangeType::Emergency), Some(ChangeType::Standard), None];

    /// The transitions that the platform allows us (ServiceNow docs, by type).
    fn legal(change_type: Option<ChangeType>, from: ChangeState, to: ChangeState) -> bool {
        let first = match change_type {
            Some(ChangeType::Normal) | None => ChangeState::Assess,
            Some(ChangeType::Emergency) => ChangeState::Authorize,
            Some(ChangeType::Standard) => ChangeState::Scheduled,
        };
        (from, to) == (ChangeState::New, first)
            || matches!(
                (from, to),
                (ChangeState::Scheduled, ChangeState::Implement)
                    | (ChangeState::Implement, ChangeState::Review)
            )
    }

    #[test]
    fn over_the_whole_grid_every_step_is_a_legal_one() {
        for goal in GOALS {
            for state in ChangeState::ALL {
                for (on_hold, change_type) in
                    [false, true].into_iter().flat_map(|held| TYPES.map(|of| (held, of)))
                {
                    let row = ChangeRow { on_hold, change_type, ..row("CHG1", state) };
                    match next_step(goal, &row) {
                        Step::Move(to) => {
                            let may = legal(change_type, state, to) && !on_hold;
                            assert!(may, "{change_type:?} {goal:?} {state:?} -> {to:?}")
                        }
                        Step::Close(_) => assert_eq!(state, ChangeState::Review, "{goal:?}"),
                        Step::Cancel => assert!(state.can_be_canceled(), "{goal:?} {state:?}"),
                        Step::Reached | Step::WaitFor(_) | Step::Impossible(_) => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_released_deployment_walks_to_closed_in_single_steps() {
        let path = |goal, mut state: ChangeState| {
            let mut states = vec![state];
            loop {
                state = match next_step(goal, &row("CHG1", state)) {
                    Step::Move(next) => next,
                    Step::Close(_) => ChangeState::Closed,
                    Step::Cancel => ChangeState::Canceled,
                    _ => return states,
                };
                states.push(state);
            }
        };
        use ChangeState::{Assess, Canceled, Closed, Implement, New, Review, Scheduled};
        assert_eq!(path(Goal::AskApproval, New), [New, Assess]);
        assert_eq!(path(Goal::Implement, Scheduled), [Scheduled, Implement]);
        assert_eq!(path(Goal::Close(Outcome::Succeeded), Scheduled), [Scheduled, Implement, Review, Closed]);
        assert_eq!(path(Goal::Close(Outcome::Skipped), Implement), [Implement, Canceled]);
        assert_eq!(path(Goal::Close(Outcome::Skipped), Review), [Review, Closed]);
        assert_eq!(path(Goal::Abandon, Assess), [Assess, Canceled]);
        assert_eq!(
            path(Goal::Close(Outcome::Succeeded), Assess),
            [Assess, Canceled],
            "it went on without approval"
        );
    }

    #[test]
    fn each_type_takes_its_own_way_out_of_new() {
        let way = |change_type| {
            next_step(Goal::AskApproval, &ChangeRow { change_type, ..row("CHG1", ChangeState::New) })
        };
        assert_eq!(way(Some(ChangeType::Normal)), Step::Move(ChangeState::Assess));
        assert_eq!(way(Some(ChangeType::Emergency)), Step::Move(ChangeState::Authorize));
        assert_eq!(way(Some(ChangeType::Standard)), Step::Move(ChangeState::Scheduled));
        assert_eq!(way(None), Step::Move(ChangeState::Assess));
    }

    #[test]
    fn a_rejected_change_in_new_is_not_submitted_again() {
        let rejected =
            ChangeRow { approvers: vec![approver("rejected", 30)], ..row("CHG1", ChangeState::New) };
        assert_eq!(next_step(Goal::AskApproval, &rejected), Step::Reached);
    }

    #[test]
    fn an_unknown_state_is_touched_by_nobody() {
        for goal in GOALS {
            let odd = ChangeRow { state: None, ..row("CHG1", ChangeState::New) };
            assert!(matches!(next_step(goal, &odd), Step::WaitFor(_)));
        }
    }
}
