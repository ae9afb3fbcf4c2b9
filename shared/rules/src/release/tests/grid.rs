//! Every combination of what a release hangs on.

use super::*;

#[test]
fn over_the_whole_grid_a_gate_is_released_exactly_when_everything_permits_it() {
    let approvals = [
        Approval::Approved,
        Approval::Rejected,
        Approval::Requested,
        Approval::NotRequested,
        Approval::Other("skipped".into()),
    ];
    let windows = [None, Some(at(0)), Some(at(100))];
    let phases = [RunPhase::Waiting, RunPhase::Queued, RunPhase::Started, RunPhase::Gone];
    let mut released = 0;
    for state in ChangeState::ALL.map(Some).into_iter().chain([None]) {
        for approval in &approvals {
            for on_hold in [false, true] {
                for start in windows {
                    for end in windows {
                        for phase in phases {
                            for (attempt, rejected) in [(1, false), (2, false), (1, true)] {
                                let approvers = if rejected { vec![approver("rejected", 5)] } else { vec![] };
                                let change = ChangeRow {
                                    state,
                                    approval: approval.clone(),
                                    on_hold,
                                    start,
                                    end,
                                    approvers,
                                    ..row("CHG1", ChangeState::New)
                                };
                                let run = RunReading { attempt: Some(attempt), ..run(phase) };
                                let verdict =
                                    judge(&Case { rows: Ok(vec![change]), run: Some(run), ..approved() });
                                let permitted =
                                    matches!(state, Some(ChangeState::Scheduled | ChangeState::Implement))
                                        && *approval == Approval::Approved
                                        && !on_hold
                                        && !rejected
                                        && start.is_none_or(|start| start <= at(61))
                                        && end.is_none_or(|end| end >= at(61))
                                        && phase == RunPhase::Waiting
                                        && attempt == 1;
                                assert_eq!(
                                    matches!(verdict, Verdict::Release(_)),
                                    permitted,
                                    "{state:?} {approval:?} {verdict:?}"
                                );
                                released += usize::from(permitted);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(released > 0);
}

/// The same for the types of change, against what they promise, written down a second time: people's approval,
/// or a record that is itself of type `standard` and of the promised template.
#[test]
fn over_the_whole_grid_no_type_of_change_is_released_on_the_policys_word_alone() {
    let approvals = ["approved", "rejected", "requested", "not requested", "not_required", "skipped"];
    let types = [Some(ChangeType::Normal), Some(ChangeType::Emergency), Some(ChangeType::Standard), None];
    let ids = [None, Some("a1"), Some("b2")];
    let mut released = [0, 0];
    for (policy, of_record) in types.into_iter().flatten().flat_map(|policy| types.map(|of| (policy, of))) {
        for (promised, shown) in ids.into_iter().flat_map(|promised| ids.map(|shown| (promised, shown))) {
            for (state, word) in
                ChangeState::ALL.into_iter().flat_map(|state| approvals.map(|word| (state, word)))
            {
                let approval = match word {
                    "approved" => Approval::Approved,
                    "rejected" => Approval::Rejected,
                    "requested" => Approval::Requested,
                    "not requested" => Approval::NotRequested,
                    other => Approval::Other(other.into()),
                };
                let template = shown.map(str::to_owned);
                let change = ChangeRow { change_type: of_record, template, approval, ..row("CHG1", state) };
                let mut case = Case { rows: Ok(vec![change]), template: promised, ..approved() };
                case.terms.change.change_type = policy;
                let in_state = matches!(state, ChangeState::Scheduled | ChangeState::Implement);
                let by_template = policy == ChangeType::Standard
                    && of_record == Some(ChangeType::Standard)
                    && shown.is_some()
                    && shown == promised
                    && ["approved", "not requested", "not_required"].contains(&word);
                let by_people = policy != ChangeType::Standard
                    && of_record != Some(ChangeType::Standard)
                    && word == "approved";
                let verdict = judge(&case);
                let is_released = matches!(verdict, Verdict::Release(_));
                let permitted = in_state && (by_template || by_people);
                assert_eq!(is_released, permitted, "{policy:?} {of_record:?} {state:?} {word}: {verdict:?}");
                released[0] += usize::from(permitted && by_template);
                released[1] += usize::from(permitted && by_people);
            }
        }
    }
    assert!(released.iter().all(|number| *number > 0));
}
