//! After a release: what shows that the record does not permit it any more.

use super::*;

#[test]
fn a_released_standard_change_is_not_withdrawn_by_an_approval_that_nobody_writes() {
    let key = deployment().key.hash();
    let standard = |approval| {
        let change_type = Some(ChangeType::Standard);
        let row = ChangeRow { change_type, approval, ..row("CHG1", ChangeState::Implement) };
        let sys_id = row.sys_id.clone();
        withdrawn(&Reading { rows: vec![row], at: at(60), skew_seconds: None }, &key, &sys_id)
    };
    assert_eq!(standard(Approval::NotRequested), None);
    assert!(standard(Approval::Requested).is_some(), "somebody is asked now");
}

#[test]
fn after_a_release_the_record_must_go_on_permitting() {
    let key = deployment().key.hash();
    let check = |row: ChangeRow| {
        let sys_id = row.sys_id.clone();
        withdrawn(&Reading { rows: vec![row], at: at(60), skew_seconds: None }, &key, &sys_id)
    };
    for state in [ChangeState::Scheduled, ChangeState::Implement, ChangeState::Review, ChangeState::Closed] {
        assert_eq!(check(row("CHG1", state)), None, "{state:?}");
    }
    for state in [ChangeState::New, ChangeState::Assess, ChangeState::Authorize, ChangeState::Canceled] {
        assert!(check(row("CHG1", state)).is_some(), "{state:?}");
    }
    let implement = || row("CHG1", ChangeState::Implement);
    assert!(check(ChangeRow { on_hold: true, ..implement() }).is_some());
    assert!(check(ChangeRow { approval: Approval::Requested, ..implement() }).is_some());
    assert!(check(ChangeRow { approvers: vec![approver("rejected", 70)], ..implement() }).is_some());
    let overruled = vec![approver("rejected", 30), approver("approved", 40)];
    assert_eq!(check(ChangeRow { approvers: overruled, ..implement() }), None, "it was approved since");
    assert_eq!(check(ChangeRow { state: None, ..implement() }), None, "what is unknown proves nothing");
}
