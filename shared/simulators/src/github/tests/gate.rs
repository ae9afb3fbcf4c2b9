use super::*;

#[tokio::test]
async fn an_approval_is_answered_204_and_listed_with_its_comment() {
    let lab = Lab::new().await;
    let started = lab.start();
    let answer = lab.approve(started.run_id).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let review = lab.get(&format!("{REPO}/actions/runs/{}/approvals", started.run_id)).await.body[0].take();
    assert_eq!(review["state"], "approved");
    assert_eq!(review["comment"], "CHG0031021");
    assert_eq!(review["environments"][0]["name"], "production");
    assert_eq!(review["user"]["login"], "interlock[bot]");
}

#[tokio::test]
async fn a_rejection_fails_deployment_and_run() {
    let lab = Lab::new().await;
    let started = lab.start();
    assert_eq!(lab.reject(started.run_id).await.status, 204);
    let sent = lab.sent();
    assert_eq!(outline(&sent), ["deployment_status failure", "workflow_run completed"]);
    assert_eq!(sent[1].1["workflow_run"]["conclusion"], "failure");
    assert_eq!(lab.gate(started.deployments[0]), "rejected");
}

#[tokio::test]
async fn a_second_answer_is_refused() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.approve(started.run_id).await;
    assert_eq!(lab.reject(started.run_id).await.status, 422);
    assert_eq!(lab.approve(started.run_id).await.status, 422);
    assert_eq!(lab.gate(started.deployments[0]), "approved");
}

#[tokio::test]
async fn an_unknown_run_or_environment_is_refused() {
    let lab = Lab::new().await;
    let started = lab.start();
    assert_eq!(lab.approve(started.run_id + 1).await.status, 404);
    let elsewhere = json!({ "environment_name": "staging", "state": "approved" });
    assert_eq!(lab.answer_gate(started.run_id, elsewhere).await.status, 422);
}

#[tokio::test]
async fn an_app_that_is_not_installed_sees_nothing() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.turn(|knobs| knobs.installed = false);
    assert_eq!(lab.approve(started.run_id).await.status, 404);
    assert_eq!(lab.gate(started.deployments[0]), "open");
}

#[tokio::test]
async fn a_late_approval_opens_the_rerun_that_waits_now() {
    let lab = Lab::new().await;
    let first = lab.start();
    lab.github.cancel(first.run_id, "olga-ops").unwrap();
    let second = lab.github.rerun(first.run_id).unwrap();
    assert_eq!(lab.approve(first.run_id).await.status, 204);
    assert_eq!(lab.gate(first.deployments[0]), "canceled");
    assert_eq!(lab.gate(second.deployments[0]), "approved");
    let released = lab.github.journal().into_iter().find(|entry| entry.what == "gate.released").unwrap();
    assert_eq!(released.ids["run_attempt"], "2");
}

#[tokio::test]
async fn ten_status_reports_are_taken_and_the_eleventh_is_not() {
    let lab = Lab::new().await;
    let started = lab.start();
    for number in 1..=11 {
        let report = json!({ "environment_name": "production", "comment": format!("report {number}") });
        let expected = if number <= 10 { 204 } else { 422 };
        assert_eq!(lab.answer_gate(started.run_id, report).await.status, expected);
    }
    let view = lab.github.deployment(started.deployments[0]).unwrap();
    assert_eq!((view.gate.as_str(), view.reports.len()), ("open", 10));
    assert_eq!(lab.approve(started.run_id).await.status, 204);
}

#[tokio::test]
async fn a_comment_has_at_most_1024_characters() {
    let lab = Lab::new().await;
    let started = lab.start();
    let with = |length: usize| json!({ "environment_name": "production", "comment": "é".repeat(length) });
    assert_eq!(lab.answer_gate(started.run_id, with(1_025)).await.status, 422);
    assert_eq!(lab.answer_gate(started.run_id, with(1_024)).await.status, 204);
}

#[tokio::test]
async fn a_malformed_answer_changes_nothing() {
    let lab = Lab::new().await;
    let started = lab.start();
    let bodies = [
        json!({ "environment_name": "production" }),
        json!({ "environment_name": "production", "state": "maybe" }),
        json!({ "state": "approved" }),
    ];
    for body in bodies {
        assert_eq!(lab.answer_gate(started.run_id, body).await.status, 422);
    }
    assert_eq!(lab.gate(started.deployments[0]), "open");
}
