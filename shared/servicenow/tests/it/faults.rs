//! What each failure means: for a read, for a step and for a create.

use std::collections::BTreeMap;

use interlock_rules::ChangeState;
use interlock_runtime::ports::http::HttpError;
use interlock_servicenow::{Class, Lane};
use interlock_simulators::servicenow::{Effect, Fault};
use serde_json::{Value, json};

use crate::world::{World, canned, key, new_change};

/// The classes of a read, a step and a create under one failure.
async fn classes(effect: Effect) -> [Class; 3] {
    let mut classes = Vec::new();
    for what in 0..3 {
        let world = World::new();
        let change = world.created().await;
        // The group's name is known by now, so the failure hits the call itself.
        world.sim.fault(Fault::once(effect.clone())).unwrap();
        let client = &world.client;
        let error = match what {
            0 => client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err(),
            1 => client.move_to(&change.sys_id, ChangeState::Assess, &BTreeMap::new()).await.unwrap_err(),
            _ => client.create(&new_change()).await.unwrap_err(),
        };
        classes.push(error.class());
    }
    classes.try_into().unwrap()
}

fn status(code: u16) -> Effect {
    Effect::Status { code, body: None }
}

fn refusal(code: u16, message: &str, detail: &str) -> Effect {
    let body = json!({ "error": { "message": message, "detail": detail }, "status": "failure" });
    Effect::Status { code, body: Some(body) }
}

const UNSURE: [Class; 3] = [Class::Transient, Class::UnknownOutcome, Class::UnknownOutcome];

#[tokio::test(start_paused = true)]
async fn a_server_error_says_nothing_about_a_write() {
    for code in [500, 502, 503, 504] {
        assert_eq!(classes(status(code)).await, UNSURE, "{code}");
    }
    assert_eq!(classes(Effect::Maintenance503).await, UNSURE);
    assert_eq!(classes(Effect::Down { reset: false }).await, UNSURE);
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_says_nothing_about_a_write() {
    assert_eq!(classes(Effect::Down { reset: true }).await, UNSURE);
    assert_eq!(classes(Effect::ResetConnectionAfterCommit).await, UNSURE);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_says_nothing_about_a_write() {
    assert_eq!(classes(Effect::TimeoutAfterCommit { hang_ms: 60_000 }).await, UNSURE);
    assert_eq!(classes(Effect::TimeoutBeforeCommit { hang_ms: 60_000 }).await, UNSURE);
}

#[tokio::test]
async fn a_page_for_people_is_not_the_api_and_nothing_was_done() {
    assert_eq!(classes(Effect::Html200).await, [Class::Transient; 3]);
    for (status, content_type, body) in [
        (200, "application/json", " <!DOCTYPE html>"),
        (404, "text/html;charset=UTF-8", ""),
        (302, "text/plain", ""),
    ] {
        let (http, client) = canned();
        http.answer(status, content_type, body);
        let error = client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
        assert_eq!(error.class(), Class::Transient, "{status} {error}");
        assert!(error.to_string().contains("not the REST API"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_timed_out_is_found_by_its_key() {
    let world = World::new();
    let commits = Fault::once(Effect::TimeoutAfterCommit { hang_ms: 60_000 }).on_method("POST");
    world.sim.fault(commits).unwrap();
    let error = world.client.create(&new_change()).await.unwrap_err();
    assert_eq!(error.class(), Class::UnknownOutcome);
    assert_eq!(world.asked("POST", "/api/sn_chg_rest"), 1, "sent once");
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!(reading.rows.len(), 1);
}

#[tokio::test]
async fn a_create_with_an_empty_answer_may_have_been_carried_out() {
    let world = World::new();
    world.sim.fault(Fault::once(Effect::CreateThenEmpty201)).unwrap();
    let error = world.client.create(&new_change()).await.unwrap_err();
    assert_eq!(error.class(), Class::UnknownOutcome);
    assert_eq!(world.sim.changes().len(), 1);
}

#[tokio::test]
async fn a_403_on_create_counts_as_a_refusal_only_if_it_names_what_refuses() {
    let create = |effect: Effect| async move { classes(effect).await[2] };
    assert_eq!(
        create(refusal(403, "Operation Failed", "ACL Exception Read Failed")).await,
        Class::UnknownOutcome
    );
    assert_eq!(create(status(403)).await, Class::UnknownOutcome);
    for detail in [
        "Operation against file 'change_request' was aborted by Business Rule 'X^1'. Business Rule Stack:X",
        "Data Policy Exception: The following fields are mandatory: Risk",
        "ACL Exception Insert Failed due to security constraints",
    ] {
        assert_eq!(create(refusal(403, "Operation Failed", detail)).await, Class::Permanent, "{detail}");
    }
    assert_eq!(create(refusal(403, "Failed API level ACL Validation", "")).await, Class::Permanent);
}

#[tokio::test]
async fn a_refusal_is_permanent_and_told_in_the_instances_words() {
    for (code, message, detail, hint) in [
        (403, "Insufficient rights to query records", "", "lacks a role"),
        (
            404,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
            "an ACL hides it",
        ),
        (400, "Requested URI does not represent any resource", "/api/sn_chg_rest", "sn_chg_rest"),
        (400, "Invalid table x", "", "Invalid table x"),
        (405, "Method not supported", "", "405"),
    ] {
        let world = World::new();
        world.sim.fault(Fault::once(refusal(code, message, detail))).unwrap();
        let error = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent);
        let said = error.to_string();
        assert!(said.contains(message) && said.contains(hint), "{said}");
    }
}

#[tokio::test]
async fn an_error_within_a_200_is_no_answer() {
    for cut in [false, true] {
        let world = World::new();
        world.created().await;
        world.sim.fault(Fault::once(Effect::ErrorIn200Stream { cut })).unwrap();
        let error = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
        assert_eq!(error.class(), Class::Transient);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_what_it_should_be_is_transient_for_reads_and_unknown_for_creates() {
    for body in [
        "",
        "  ",
        "null",
        "[]",
        "{}",
        "{\"result\":null}",
        "{\"result\":[",
        "{\"error\":\"x\",\"result\":[]}",
    ] {
        let (http, client) = canned();
        http.answer(200, "application/json", body).answer(200, "application/json", body);
        let error = client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err();
        assert_eq!(error.class(), Class::Transient, "{body}");
        let change = interlock_servicenow::NewChange { assignment_group: None, ..new_change() };
        let error = client.create(&change).await.unwrap_err();
        assert_eq!(error.class(), Class::UnknownOutcome, "{body}");
    }
}

#[tokio::test]
async fn what_did_not_leave_can_be_sent_again() {
    let (http, client) = canned();
    http.fail(HttpError::NotSent { host: "acme.example.com".into(), reason: "refused".into() });
    let change = interlock_servicenow::NewChange { assignment_group: None, ..new_change() };
    let error = client.create(&change).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn an_answer_that_is_too_large_was_carried_out_unseen() {
    let (http, client) = canned();
    http.fail(HttpError::TooLarge { host: "acme.example.com".into(), limit: 10 });
    let change = interlock_servicenow::NewChange { assignment_group: None, ..new_change() };
    assert_eq!(client.create(&change).await.unwrap_err().class(), Class::UnknownOutcome);
}

#[tokio::test]
async fn an_error_says_who_what_and_why_and_no_more_than_some_lines() {
    let (http, client) = canned();
    let long = Value::from("x\n".repeat(5_000));
    http.json(400, &json!({ "error": { "message": long, "detail": null }, "status": "failure" }));
    let said = client.changes_of(&key().hash(), Lane::Gate).await.unwrap_err().to_string();
    assert!(said.starts_with("ServiceNow acme: cannot look up the changes of a deployment: xxx"), "{said}");
    assert!(said.len() < 700 && !said.contains('\n'));
}
