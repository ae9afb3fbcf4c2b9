use http::StatusCode;
use serde_json::{Map, Value, json};

use super::*;
use crate::doctor::finding::{Name, Severity};
use crate::doctor::readings::{Habits, Rows, Throttle};
use crate::error::Fault;
use crate::settings::Auth;

fn rows(rows: Value, total: Option<u64>) -> Heard {
    let rows = rows.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect();
    Heard::Rows(Rows { rows, total })
}

fn names(verdict: &Verdict) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.name.as_str()).collect()
}

fn reached(status: StatusCode, title: &str) -> Vec<&'static str> {
    names(&reach(&Heard::Page { status, title: title.to_owned() }))
}

#[test]
fn a_page_is_named_by_what_it_says() {
    let ok = StatusCode::OK;
    assert_eq!(reached(ok, "Instance Hibernating page"), ["instance_hibernating"]);
    assert_eq!(reached(ok, "Log in | ServiceNow"), ["login_page"]);
    assert_eq!(reached(StatusCode::FOUND, ""), ["login_page"]);
    assert_eq!(reached(StatusCode::SERVICE_UNAVAILABLE, "Sorry"), ["maintenance"]);
    assert_eq!(reached(ok, "Welcome to nginx"), ["not_the_api"]);
}

#[test]
fn no_connection_is_unreachable_and_a_certificate_that_is_not_trusted_says_so() {
    let unsent = |reason: &str| names(&reach(&Heard::Unsent(reason.to_owned())));
    assert_eq!(unsent("dns error: failed to lookup address"), ["unreachable"]);
    assert_eq!(unsent("connection refused"), ["unreachable"]);
    assert_eq!(unsent("invalid peer certificate: UnknownIssuer"), ["tls_not_trusted"]);
}

#[test]
fn any_answer_of_the_api_is_reached() {
    let refused = Heard::Refused { status: StatusCode::FORBIDDEN, said: "no".to_owned() };
    for heard in [Heard::Unauthorized { second_factor: false }, refused, rows(json!([]), None)] {
        assert!(reach(&heard).findings.is_empty(), "{heard:?}");
    }
}

#[test]
fn a_second_factor_and_a_token_that_is_refused_have_names_of_their_own() {
    let auth: Auth =
        serde_json::from_value(json!({ "oauth": { "client_id": "c", "client_secret": "${env:X}" } }))
            .unwrap();
    let heard = |second_factor| Heard::Unauthorized { second_factor };
    assert_eq!(names(&log_in(None, &heard(true), &auth)), ["second_factor"]);
    assert_eq!(names(&log_in(None, &heard(false), &auth)), ["user_locked"]);
    let token = Fault::NotAuthenticated("no".to_owned());
    assert_eq!(names(&log_in(Some(&token), &heard(false), &auth)), ["oauth_client_refused"]);
}

#[test]
fn the_clock_is_judged_at_five_and_at_sixty_seconds() {
    let of = |seconds| {
        let verdict = clock(&Habits { skew_seconds: Some(seconds), ..Habits::default() });
        verdict.findings.first().map(|finding| finding.severity)
    };
    for seconds in [0, 5, -5] {
        assert_eq!(of(seconds), None, "{seconds}");
    }
    for seconds in [6, -6, 60, -60] {
        assert_eq!(of(seconds), Some(Severity::Warning), "{seconds}");
    }
    for seconds in [61, -61, 86_400] {
        assert_eq!(of(seconds), Some(Severity::Fault), "{seconds}");
    }
    assert!(clock(&Habits::default()).unseen.is_some());
}

#[test]
fn limits_are_judged_by_what_watching_approvals_takes() {
    let of =
        |calls_an_hour, throttled| names(&limits(&Habits { calls_an_hour, throttled, skew_seconds: None }));
    assert_eq!(of(None, None), Vec::<&str>::new());
    assert_eq!(of(Some(2_000), None), Vec::<&str>::new());
    assert_eq!(of(Some(299), None), ["rate_limit_low"]);
    assert_eq!(of(None, Some(Throttle { by_a_rule: false })), ["instance_busy"]);
    assert_eq!(of(Some(100), Some(Throttle { by_a_rule: true })), ["rate_limit_reached", "rate_limit_low"]);
}

#[test]
fn rows_that_are_counted_and_not_shown_are_hidden() {
    assert_eq!(rows(json!([]), Some(3)).sight(), Sight::Hidden);
    assert_eq!(rows(json!([]), Some(0)).sight(), Sight::Nothing);
    assert_eq!(rows(json!([]), None).sight(), Sight::Nothing);
}

#[test]
fn a_row_of_another_name_is_not_the_one_that_was_asked_for() {
    let other = rows(json!([{ "sys_id": "1", "name": "Other" }, { "sys_id": "2", "name": "network" }]), None);
    let found: Vec<&Map<String, Value>> = of_name(&other, "Network");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["sys_id"], "2");
}

#[test]
fn every_name_is_of_its_own_and_as_scripts_write_it() {
    let mut all: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    assert!(all.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), Name::ALL.len());
}
