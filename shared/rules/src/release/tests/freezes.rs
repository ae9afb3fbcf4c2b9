//! What is approved, and frozen.

use super::*;

fn stop(more: &serde_json::Value) -> Vec<Freeze> {
    vec![crate::freeze::tests::freeze(more)]
}

#[test]
fn in_a_freeze_what_is_approved_waits_for_its_end_and_is_never_rejected_by_it() {
    let freezes = stop(&serde_json::json!({ "until": "2027-01-04 06:00", "reason": "year-end closing" }));
    let Verdict::Wait { reason, until } = judge(&Case { freezes, ..approved() }) else { panic!("no wait") };
    assert_eq!(
        reason,
        "CHG1 is approved, but the freeze `year-end` (year-end closing) holds until 2027-01-04 06:00 UTC"
    );
    assert_eq!(until, Some("2027-01-04T06:00:00Z".parse().unwrap()));
}

#[test]
fn of_several_freezes_the_one_that_ends_last_is_told() {
    let times = [
        serde_json::json!({ "name": "short", "until": "2027-01-01" }),
        serde_json::json!({ "name": "open" }),
        serde_json::json!({ "name": "long", "until": "2027-02-01" }),
    ];
    let freezes = times.iter().flat_map(stop).collect();
    let Verdict::Wait { reason, until } = judge(&Case { freezes, ..approved() }) else { panic!("no wait") };
    assert!(reason.contains("`open`") && until.is_none(), "{reason}");
}

#[test]
fn a_freeze_that_is_over_or_that_excepts_the_record_s_own_type_stops_nothing() {
    let over = stop(&serde_json::json!({ "until": "2020-01-01" }));
    assert!(matches!(judge(&Case { freezes: over, ..approved() }), Verdict::Release(_)));
    let mut emergency = row("CHG1", ChangeState::Scheduled);
    emergency.change_type = Some(ChangeType::Emergency);
    let freezes = stop(&serde_json::json!({}));
    let case = Case { rows: Ok(vec![emergency]), freezes: freezes.clone(), ..approved() };
    assert!(matches!(judge(&case), Verdict::Release(_)));
    // What the policy says of the type is no proof.
    let mut terms = terms();
    terms.change.change_type = ChangeType::Emergency;
    assert!(waits(&judge(&Case { terms, freezes, ..approved() })));
}

#[test]
fn with_clocks_that_differ_no_freeze_is_judged_to_be_over() {
    let freezes = stop(&serde_json::json!({ "until": "2020-01-01" }));
    assert!(waits(&judge(&Case { skew: Some(61), freezes: freezes.clone(), ..approved() })));
    assert!(matches!(judge(&Case { skew: Some(60), freezes, ..approved() }), Verdict::Release(_)));
}
