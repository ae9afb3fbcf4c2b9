mod after;
mod conflicts;
mod freezes;
mod grid;

use super::*;
use crate::policy::tests::{deployment, terms};
use crate::policy::{ChangeType, Mode};
use crate::record::ApproverRow;
use crate::record::tests::{approver, at, row};
use crate::run::tests::run;
use crate::separation::{Part, Person, SeparationTerms};
use interlock_events::{CorrelationId, Outcome};

struct Case {
    rows: Result<Vec<ChangeRow>, &'static str>,
    read_at: DateTime<Utc>,
    skew: Option<i64>,
    run: Option<RunReading>,
    highest: Option<ChangeState>,
    terms: Terms,
    template: Option<&'static str>,
    parties: Option<Vec<Party>>,
    checked: Option<Checked>,
    freezes: Vec<Freeze>,
    now: DateTime<Utc>,
}

fn approved() -> Case {
    Case {
        rows: Ok(vec![row("CHG1", ChangeState::Scheduled)]),
        read_at: at(60),
        skew: Some(0),
        run: Some(run(RunPhase::Waiting)),
        highest: Some(ChangeState::Scheduled),
        terms: terms(),
        template: None,
        parties: None,
        checked: None,
        freezes: Vec::new(),
        now: at(61),
    }
}

fn judge(case: &Case) -> Verdict {
    let deployment = deployment();
    let correlation_id = CorrelationId::new(&deployment.key, &deployment.sha, &deployment.project.name);
    let reading = case.rows.clone().map(|rows| Reading { rows, at: case.read_at, skew_seconds: case.skew });
    may_release(ReleaseInputs {
        whose: &deployment.key.hash(),
        correlation_id: correlation_id.as_str(),
        sha: &deployment.sha,
        attempt: Some(1),
        reading: reading.as_ref().map_err(|reason| *reason),
        run: case.run.as_ref(),
        highest: case.highest,
        terms: &case.terms,
        template: case.template,
        parties: case.parties.as_deref(),
        checked: case.checked.as_ref(),
        freezes: &case.freezes.iter().collect::<Vec<_>>(),
        now: case.now,
    })
}

fn of_row(change: impl FnOnce(&mut ChangeRow)) -> Verdict {
    let mut row = row("CHG1", ChangeState::Scheduled);
    change(&mut row);
    judge(&Case { rows: Ok(vec![row]), ..approved() })
}

fn waits(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Wait { .. })
}

#[test]
fn an_approved_change_in_its_window_releases_the_waiting_run() {
    let Verdict::Release(permit) = judge(&approved()) else { panic!("no release") };
    assert_eq!(permit.number(), "CHG1");
    assert!(permit.is_fresh(at(61)) && permit.is_fresh(at(64)));
    assert!(!permit.is_fresh(at(65)) && !permit.is_fresh(at(59)), "five seconds, and never before its read");
    let left = |seconds| permit.left(at(seconds)).as_secs();
    assert_eq!((left(60), left(62), left(65), left(70), left(59)), (5, 3, 0, 0, 5), "what is left of it");
}

#[test]
fn without_a_read_of_the_run_the_platform_is_asked_first() {
    assert_eq!(judge(&Case { run: None, ..approved() }), Verdict::AskPlatform);
}

#[test]
fn what_cannot_be_read_or_understood_waits() {
    let unreadable = [
        Case { rows: Err("HTML instead of JSON"), ..approved() },
        Case { rows: Ok(vec![]), ..approved() },
        Case { read_at: at(50), ..approved() },
        Case {
            rows: Ok(vec![ChangeRow { state: None, ..row("CHG1", ChangeState::Scheduled) }]),
            ..approved()
        },
        Case {
            rows: Ok(vec![ChangeRow {
                correlation_id: "il1.rwqddrjo7ueeassklnhqodg7se.ffffffffffff.acme/payments-api production"
                    .into(),
                ..row("CHG1", ChangeState::Scheduled)
            }]),
            ..approved()
        },
    ];
    for case in unreadable {
        assert!(waits(&judge(&case)), "{:?}", case.rows);
    }
}

#[test]
fn a_live_row_of_unknown_state_beside_an_approved_one_waits() {
    let odd = ChangeRow { state: None, ..row("CHG2", ChangeState::New) };
    let case = Case { rows: Ok(vec![row("CHG1", ChangeState::Scheduled), odd]), ..approved() };
    assert!(waits(&judge(&case)));
}

#[test]
fn two_changes_that_people_approved_release_nothing() {
    let yes = |number: &str, created| ChangeRow {
        created: at(created),
        approvers: vec![approver("approved", 30)],
        ..row(number, ChangeState::Scheduled)
    };
    let case = Case { rows: Ok(vec![yes("CHG1", 1), yes("CHG2", 2)]), ..approved() };
    assert!(waits(&judge(&case)));
    let case = Case { rows: Ok(vec![yes("CHG1", 1), row("CHG2", ChangeState::Assess)]), ..approved() };
    assert!(matches!(judge(&case), Verdict::Release(_)), "an extra that nobody approved does not block");
}

#[test]
fn rejected_canceled_and_fallen_back_changes_reject() {
    let rejected = [
        of_row(|row| row.state = Some(ChangeState::Canceled)),
        of_row(|row| row.approval = Approval::Rejected),
        of_row(|row| row.approvers = vec![approver("approved", 20), approver("rejected", 30)]),
        of_row(|row| {
            row.state = Some(ChangeState::New);
            row.approvers = vec![approver("rejected", 30)];
        }),
    ];
    for verdict in rejected {
        assert!(matches!(verdict, Verdict::Reject { .. }), "{verdict:?}");
    }
    let fallen = Case {
        rows: Ok(vec![row("CHG1", ChangeState::New)]),
        highest: Some(ChangeState::Assess),
        ..approved()
    };
    assert!(matches!(judge(&fallen), Verdict::Reject { .. }));
    let fresh = Case { highest: Some(ChangeState::New), ..fallen };
    assert!(waits(&judge(&fresh)));
}

#[test]
fn a_policy_may_wait_for_a_rejected_change_but_not_for_a_canceled_one() {
    let mut patient = approved();
    patient.terms.approval.on_rejection = OnRejection::Wait;
    patient.rows = Ok(vec![ChangeRow { approval: Approval::Rejected, ..row("CHG1", ChangeState::New) }]);
    assert!(waits(&judge(&patient)));
    patient.rows = Ok(vec![row("CHG1", ChangeState::Canceled)]);
    assert!(matches!(judge(&patient), Verdict::Reject { .. }));
}

/// Rows of the first round may stand beside those of the second, or be gone.
#[test]
fn a_rejection_that_people_overruled_releases_where_the_policy_waits() {
    let (no, yes) = (approver("rejected", 30), approver("approved", 40));
    let rounds =
        [(vec![no.clone(), yes.clone()], true), (vec![yes.clone()], true), (vec![no.clone()], false)];
    for (approvers, overruled) in rounds {
        let mut patient = approved();
        patient.terms.approval.on_rejection = OnRejection::Wait;
        let change = ChangeRow { approvers: approvers.clone(), ..row("CHG1", ChangeState::Scheduled) };
        patient.rows = Ok(vec![change.clone()]);
        let verdict = judge(&patient);
        assert_eq!(matches!(verdict, Verdict::Release(_)), overruled, "{approvers:?}: {verdict:?}");
        for state in [ChangeState::New, ChangeState::Assess, ChangeState::Authorize] {
            patient.rows = Ok(vec![ChangeRow { state: Some(state), ..change.clone() }]);
            assert!(waits(&judge(&patient)), "{state:?} {approvers:?}");
        }
        patient.rows = Ok(vec![ChangeRow { approval: Approval::Requested, ..change }]);
        assert!(waits(&judge(&patient)), "{approvers:?}");
    }
    let strict = of_row(|row| row.approvers = vec![no, yes]);
    assert!(matches!(strict, Verdict::Reject { .. }), "any rejection is the end: {strict:?}");
}

#[test]
fn a_rejection_that_is_not_older_than_every_approval_stands() {
    let mut patient = approved();
    patient.terms.approval.on_rejection = OnRejection::Wait;
    let unknown = || ApproverRow { at: None, ..approver("rejected", 0) };
    for late in [approver("rejected", 40), approver("rejected", 41), unknown()] {
        let approvers = vec![approver("approved", 40), late];
        patient.rows = Ok(vec![ChangeRow { approvers, ..row("CHG1", ChangeState::Scheduled) }]);
        assert!(waits(&judge(&patient)));
    }
}

#[test]
fn a_change_that_its_author_approved_is_not_released_where_duties_are_separated() {
    let person = Person {
        part: Part::Author,
        login: String::new(),
        name: "Dana".into(),
        email: "dana@example.com".into(),
    };
    let party = |user: &str| {
        let users = if user.is_empty() { vec![] } else { vec![user.repeat(32)] };
        Some(vec![Party { person: person.clone(), sought: "dana@example.com".into(), users }])
    };
    let mut case = approved();
    case.rows = Ok(vec![ChangeRow {
        approvers: vec![approver("approved", 30)],
        ..row("CHG1", ChangeState::Scheduled)
    }]);
    assert!(matches!(judge(&case), Verdict::Release(_)), "nobody asks who approved it");
    case.terms.separation = Some(SeparationTerms { trigger: None, ..SeparationTerms::default() });
    for (parties, released) in [(None, false), (party("b"), false), (party(""), false), (party("c"), true)] {
        case.parties = parties.clone();
        let verdict = judge(&case);
        assert_eq!(matches!(verdict, Verdict::Release(_)), released, "{parties:?}: {verdict:?}");
        assert!(released || waits(&verdict), "people may still put it right: {verdict:?}");
    }
}

#[test]
fn only_a_policy_that_observes_releases_without_a_record_and_only_the_run_that_asked() {
    let sha = deployment().sha;
    let observing = Terms { mode: Mode::Observe, ..terms() };
    let asked = || run(RunPhase::Waiting);
    let permit = may_observe(&observing, &asked(), (&sha, Some(1)), at(60)).expect("it observes");
    assert!(permit.is_fresh(at(64)) && !permit.is_fresh(at(65)));
    assert_eq!(may_observe(&terms(), &asked(), (&sha, Some(1)), at(60)), None);
    assert_eq!(may_observe(&observing, &asked(), (&sha, Some(2)), at(60)), None);
    assert_eq!(may_observe(&observing, &asked(), ("ffff", Some(1)), at(60)), None);
    for phase in [RunPhase::Queued, RunPhase::Started, RunPhase::Gone, RunPhase::Ended(Outcome::Failed)] {
        assert_eq!(may_observe(&observing, &run(phase), (&sha, Some(1)), at(60)), None, "{phase:?}");
    }
    let mut case = Case { rows: Ok(vec![]), ..approved() };
    case.terms.mode = Mode::Observe;
    assert!(waits(&judge(&case)), "what the record permits is judged as ever");
}

#[test]
fn on_hold_waits_even_when_approved() {
    assert!(waits(&of_row(|row| row.on_hold = true)));
}

#[test]
fn a_run_that_is_another_or_does_not_wait_is_lost() {
    let other = [
        RunReading { attempt: Some(2), ..run(RunPhase::Waiting) },
        RunReading { sha: "ffff".into(), ..run(RunPhase::Waiting) },
        RunReading { superseded: true, ..run(RunPhase::Waiting) },
        run(RunPhase::Queued),
        run(RunPhase::Started),
        run(RunPhase::Ended(Outcome::Succeeded)),
        run(RunPhase::NeverStarted(Outcome::Canceled)),
        run(RunPhase::Gone),
    ];
    for run in other {
        let verdict = judge(&Case { run: Some(run.clone()), ..approved() });
        assert!(matches!(verdict, Verdict::Lost { .. }), "{run:?}: {verdict:?}");
    }
}

#[test]
fn the_window_is_waited_for_kept_and_not_overrun() {
    let window = |start, end| {
        of_row(|row| {
            row.start = start;
            row.end = end;
        })
    };
    assert!(
        matches!(window(Some(at(100)), Some(at(200))), Verdict::Wait { until: Some(until), .. } if until == at(100))
    );
    assert!(matches!(window(Some(at(0)), Some(at(200))), Verdict::Release(_)));
    assert!(matches!(window(Some(at(0)), None), Verdict::Release(_)));
    assert!(matches!(window(None, Some(at(200))), Verdict::Release(_)));
    assert!(matches!(window(Some(at(0)), Some(at(60))), Verdict::Reject { .. }));
}

#[test]
fn a_required_window_that_is_not_planned_waits() {
    let mut case = approved();
    case.terms.window = WindowRule::Required;
    assert!(waits(&judge(&case)));
}

#[test]
fn no_window_is_judged_by_clocks_that_differ_by_more_than_a_minute() {
    let planned = ChangeRow { start: Some(at(0)), end: Some(at(200)), ..row("CHG1", ChangeState::Scheduled) };
    let case = Case { rows: Ok(vec![planned]), skew: Some(-61), ..approved() };
    assert!(waits(&judge(&case)));
    let unplanned = Case { skew: Some(-61), ..approved() };
    assert!(matches!(judge(&unplanned), Verdict::Release(_)), "without a window the skew does not matter");
}

#[test]
fn a_change_in_review_or_closed_is_too_late() {
    for state in [ChangeState::Review, ChangeState::Closed] {
        let case = Case { rows: Ok(vec![row("CHG1", state)]), ..approved() };
        assert!(matches!(judge(&case), Verdict::Reject { .. }));
    }
}

/// The whole grid against the promise itself, written down a second time: a release needs every one of
/// its conditions, and with all of them there is one.
#[test]
fn a_standard_change_that_was_taken_back_to_new_is_rejected() {
    let back = ChangeRow { change_type: Some(ChangeType::Standard), ..row("CHG1", ChangeState::New) };
    let case = Case { rows: Ok(vec![back]), highest: Some(ChangeState::Scheduled), ..approved() };
    assert!(matches!(judge(&case), Verdict::Reject { .. }));
}
