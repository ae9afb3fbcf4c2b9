use std::time::Duration;

use super::*;
use crate::github::{Fault, FaultKind};
use crate::serve::RESET_HEADER;

impl Lab {
    /// Spoils the next answer to a gate, gives one, and says how.
    async fn spoiled(fault: FaultKind) -> (Self, u64, Answer) {
        let lab = Self::new().await;
        let started = lab.start();
        lab.github.fault(Fault::on("deployment_protection_rule", fault).times(1));
        let answer = lab.approve(started.run_id).await;
        let id = started.deployments[0];
        (lab, id, answer)
    }

    /// The same for faults that withhold the answer.
    async fn withheld(fault: FaultKind) -> (Self, u64) {
        let lab = Self::new().await;
        let started = lab.start();
        lab.github.fault(Fault::on("deployment_protection_rule", fault).times(1));
        let answered = tokio::time::timeout(Duration::from_millis(20), lab.approve(started.run_id)).await;
        assert!(answered.is_err(), "the answer must be withheld");
        let id = started.deployments[0];
        (lab, id)
    }
}

#[tokio::test]
async fn a_status_fault_answers_so_and_does_nothing() {
    let body = Some(r#"{"message":"no"}"#.to_owned());
    let (lab, id, answer) = Lab::spoiled(FaultKind::Status { code: 500, body }).await;
    assert_eq!((answer.status, &answer.body["message"]), (500, &json!("no")));
    assert_eq!(lab.gate(id), "open");
}

#[tokio::test]
async fn a_web_page_may_stand_in_for_the_answer() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::Html200).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert_eq!(lab.gate(id), "open");
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_again() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::RateLimit { retry_after: Some(30) }).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "30"));
    assert_eq!(lab.gate(id), "open");
}

#[tokio::test]
async fn a_rate_limit_may_leave_that_open() {
    let (_, _, answer) = Lab::spoiled(FaultKind::RateLimit { retry_after: None }).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, ""));
}

#[tokio::test]
async fn the_secondary_limit_is_a_403_with_retry_after() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::SecondaryLimit { retry_after: Some(60) }).await;
    assert_eq!((answer.status, answer.header("retry-after")), (403, "60"));
    assert!(answer.body["message"].as_str().unwrap().contains("secondary rate limit"));
    assert_eq!(lab.gate(id), "open");
}

#[tokio::test]
async fn the_primary_limit_is_a_403_with_nothing_remaining() {
    let (_, _, answer) = Lab::spoiled(FaultKind::PrimaryLimit).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (403, "0"));
    assert_eq!(answer.headers.get_all("x-ratelimit-remaining").iter().count(), 1);
}

#[tokio::test]
async fn a_platform_that_is_down_answers_503() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::Down).await;
    assert_eq!((answer.status, lab.gate(id).as_str()), (503, "open"));
}

#[tokio::test(start_paused = true)]
async fn a_time_out_after_the_commit_leaves_the_effect() {
    let (lab, id) = Lab::withheld(FaultKind::TimeoutAfterCommit).await;
    assert_eq!(lab.gate(id), "approved");
    assert_eq!(lab.github.requests().find(&Default::default()).last().unwrap().status, 0);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_before_the_commit_leaves_nothing() {
    let (lab, id) = Lab::withheld(FaultKind::TimeoutBeforeCommit).await;
    lab.advance(3_600_000);
    assert_eq!(lab.gate(id), "open");
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_takes_effect_though_its_caller_has_gone() {
    let (lab, id) = Lab::withheld(FaultKind::LateCommit { after_ms: 3_000 }).await;
    lab.advance(2_999);
    assert_eq!(lab.gate(id), "open");
    lab.advance(1);
    assert_eq!(lab.gate(id), "approved");
    let released = lab.github.journal().into_iter().find(|entry| entry.what == "gate.released").unwrap();
    assert_eq!(released.at, start_of_day() + chrono::Duration::milliseconds(3_000));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_withheld_ends_at_last() {
    let (_, _, answer) = Lab::spoiled(FaultKind::TimeoutBeforeCommit).await;
    assert_eq!(answer.status, 504);
}

#[tokio::test]
async fn a_connection_may_be_cut_after_the_commit_or_before() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::ResetAfterCommit).await;
    assert_eq!((answer.header(RESET_HEADER), lab.gate(id).as_str()), ("1", "approved"));
    let (lab, id, answer) = Lab::spoiled(FaultKind::ResetBeforeCommit).await;
    assert_eq!((answer.header(RESET_HEADER), lab.gate(id).as_str()), ("1", "open"));
}

#[tokio::test]
async fn an_error_may_hide_that_it_was_done() {
    let (lab, id, answer) = Lab::spoiled(FaultKind::ErrorAfterCommit).await;
    assert_eq!((answer.status, lab.gate(id).as_str()), (500, "approved"));
}

#[tokio::test(start_paused = true)]
async fn latency_delays_the_right_answer() {
    let before = tokio::time::Instant::now();
    let (lab, id, answer) = Lab::spoiled(FaultKind::Latency { ms: 7_000 }).await;
    assert_eq!((answer.status, lab.gate(id).as_str()), (204, "approved"));
    assert!(before.elapsed() >= Duration::from_millis(7_000));
}

#[tokio::test]
async fn a_fault_hits_its_method_and_path_so_many_times() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.fault(Fault::on("/actions/runs/", FaultKind::Down).method("get").times(2));
    let path = format!("{REPO}/actions/runs/{}", started.run_id);
    assert_eq!(lab.get(&format!("{REPO}/deployments")).await.status, 200);
    assert_eq!(lab.get(&path).await.status, 503);
    assert_eq!(lab.get(&path).await.status, 503);
    assert_eq!(lab.get(&path).await.status, 200);
    assert_eq!(lab.approve(started.run_id).await.status, 204);
}

#[tokio::test]
async fn faults_are_cleared_at_once() {
    let lab = Lab::new().await;
    lab.github.fault(Fault::on("/app", FaultKind::Down));
    assert_eq!(lab.as_app(Method::GET, "/app").await.status, 503);
    lab.github.clear_faults();
    assert_eq!(lab.as_app(Method::GET, "/app").await.status, 200);
}
