use super::*;
use crate::github::Outcome;

#[tokio::test]
async fn a_gated_deployment_waits_and_asks_its_gate() {
    let lab = Lab::new().await;
    lab.github.start_deployment(&production()).unwrap();
    let expected = [
        "workflow_run requested",
        "deployment created",
        "deployment_status waiting",
        "deployment_protection_rule requested",
    ];
    assert_eq!(outline(&lab.sent()), expected);
}

#[tokio::test]
async fn an_approved_job_is_queued_then_starts_after_the_delay() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.queue_delay_ms = 4_000);
    let started = lab.start();
    assert_eq!(lab.approve(started.run_id).await.status, 204);
    assert_eq!(outline(&lab.sent()), ["deployment_status queued"]);
    assert_eq!(lab.github.run(started.run_id).unwrap().status, "queued");
    lab.advance(3_999);
    assert_eq!(lab.job(started.deployments[0]), "queued");
    lab.advance(1);
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
    assert_eq!(outline(&lab.sent()), ["deployment_status in_progress", "workflow_run in_progress"]);
}

#[tokio::test]
async fn a_job_that_ends_by_itself_completes_its_run() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.run_for_ms = Some(60_000));
    let started = lab.start();
    lab.approve(started.run_id).await;
    lab.sent();
    lab.advance(60_000);
    let sent = lab.sent();
    assert_eq!(outline(&sent), ["deployment_status success", "workflow_run completed"]);
    assert_eq!(sent[1].1["workflow_run"]["conclusion"], "success");
}

#[tokio::test]
async fn each_outcome_gives_its_status_and_conclusion() {
    let cases = [
        (Outcome::Success, Some("success"), "success"),
        (Outcome::Failure, Some("failure"), "failure"),
        (Outcome::Error, Some("error"), "failure"),
        (Outcome::Cancelled, None, "cancelled"),
    ];
    for (outcome, state, conclusion) in cases {
        let lab = Lab::new().await;
        let started = lab.start();
        lab.approve(started.run_id).await;
        lab.sent();
        lab.github.finish(started.deployments[0], outcome).unwrap();
        let sent = lab.sent();
        let told = sent.iter().find_map(|(_, body)| body["deployment_status"]["state"].as_str());
        assert_eq!(told, state);
        assert_eq!(sent.last().unwrap().1["workflow_run"]["conclusion"], conclusion);
    }
}

#[tokio::test]
async fn a_job_at_its_gate_or_past_its_end_cannot_finish() {
    let lab = Lab::new().await;
    let started = lab.start();
    let id = started.deployments[0];
    assert_eq!(lab.github.finish(id, Outcome::Success).unwrap_err().status, 409);
    lab.approve(started.run_id).await;
    lab.github.finish(id, Outcome::Success).unwrap();
    assert_eq!(lab.github.finish(id, Outcome::Failure).unwrap_err().status, 409);
}

#[tokio::test]
async fn a_cancelled_run_tells_no_deployment_status() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.cancel(started.run_id, "olga-ops").unwrap();
    let sent = lab.sent();
    assert_eq!(outline(&sent), ["workflow_run completed"]);
    assert_eq!(sent[0].1["workflow_run"]["conclusion"], "cancelled");
    assert_eq!(lab.gate(started.deployments[0]), "canceled");
    assert_eq!(lab.approve(started.run_id).await.status, 422);
}

#[tokio::test]
async fn a_rerun_makes_a_new_deployment_under_the_same_run() {
    let lab = Lab::new().await;
    let first = lab.start();
    assert_eq!(lab.github.rerun(first.run_id).unwrap_err().status, 403);
    lab.github.cancel(first.run_id, "olga-ops").unwrap();
    lab.sent();
    let second = lab.github.rerun(first.run_id).unwrap();
    assert_eq!((second.run_id, second.run_attempt), (first.run_id, 2));
    assert_ne!(second.deployments, first.deployments);
    assert_eq!(second.sha, first.sha);
    let sent = lab.sent();
    assert_eq!(outline(&sent)[0], "workflow_run requested");
    assert_eq!(sent[1].1["workflow_run"]["run_attempt"], 2);
    assert_eq!(sent[3].1["deployment"]["id"], second.deployments[0]);
}

#[tokio::test]
async fn a_bypass_starts_the_job_without_our_answer() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.bypass(started.deployments[0], "olga-ops").unwrap();
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
    let approvals = lab.get(&format!("{REPO}/actions/runs/{}/approvals", started.run_id)).await;
    assert_eq!(approvals.body[0]["user"]["login"], "olga-ops");
    assert_eq!(lab.approve(started.run_id).await.status, 422);
    assert!(!lab.effects().contains(&"gate.released".to_owned()));
}

#[tokio::test]
async fn a_matrix_has_several_deployments_in_one_environment() {
    let lab = Lab::new().await;
    let wish = StartDeployment { matrix: Some(3), ..production() };
    let started = lab.github.start_deployment(&wish).unwrap();
    assert_eq!(started.deployments.len(), 3);
    let asked = outline(&lab.sent());
    assert_eq!(asked.iter().filter(|one| one.starts_with("deployment_protection_rule")).count(), 3);
    lab.approve(started.run_id).await;
    assert!(started.deployments.iter().all(|id| lab.gate(*id) == "approved"));
}

#[tokio::test]
async fn a_run_ends_with_its_last_job() {
    let lab = Lab::new().await;
    let started = lab.github.start_deployment(&StartDeployment { matrix: Some(2), ..production() }).unwrap();
    lab.approve(started.run_id).await;
    lab.github.finish(started.deployments[0], Outcome::Failure).unwrap();
    assert_eq!(lab.github.run(started.run_id).unwrap().status, "in_progress");
    lab.github.finish(started.deployments[1], Outcome::Success).unwrap();
    let run = lab.github.run(started.run_id).unwrap();
    assert_eq!(run.conclusion.as_deref(), Some("failure"));
}

#[tokio::test]
async fn a_job_can_join_a_run_that_is_still_going() {
    let lab = Lab::new().await;
    let started = lab.start();
    let staging = StartDeployment {
        run_id: Some(started.run_id),
        ..StartDeployment::new("acme/payments-api", "staging")
    };
    assert_eq!(lab.github.start_deployment(&staging).unwrap().run_id, started.run_id);
    lab.github.cancel(started.run_id, "olga-ops").unwrap();
    assert_eq!(lab.github.start_deployment(&staging).unwrap_err().status, 409);
}

#[tokio::test]
async fn a_deployment_without_a_gate_starts_at_once() {
    let lab = Lab::new().await;
    let started =
        lab.github.start_deployment(&StartDeployment { gated: Some(false), ..production() }).unwrap();
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
    assert!(!outline(&lab.sent()).iter().any(|one| one.starts_with("deployment_protection_rule")));
}

#[tokio::test]
async fn the_platform_fails_a_gate_at_its_own_limit() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.advance(30 * 24 * 3_600_000);
    assert_eq!(lab.gate(started.deployments[0]), "expired");
    assert_eq!(outline(&lab.sent()), ["deployment_status failure", "workflow_run completed"]);
    assert_eq!(lab.approve_afresh(started.run_id).await, 422);
}

impl Lab {
    /// Long after the start the first installation token has ended.
    async fn approve_afresh(&self, run: u64) -> u16 {
        let token = self.mint().await;
        let path = format!("{REPO}/actions/runs/{run}/deployment_protection_rule");
        let body = json!({ "environment_name": "production", "state": "approved" });
        self.call(Method::POST, &path, Some(&token), Some(body)).await.status
    }
}

#[tokio::test]
async fn the_journal_tells_the_story_in_order() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.approve(started.run_id).await;
    lab.github.finish(started.deployments[0], Outcome::Success).unwrap();
    assert_eq!(lab.effects(), ["gate.asked", "gate.released", "job.started", "job.finished"]);
    let released = &lab.github.journal()[1];
    assert_eq!(released.actor, "interlock[bot]");
    assert_eq!(released.ids["run_attempt"], "1");
    assert_eq!(released.ids["sha"], started.sha);
    assert_eq!(released.ids["detail"], "CHG0031021");
}

#[tokio::test]
async fn two_simulators_with_one_seed_tell_the_same() {
    let stories: Vec<_> = [Lab::new().await, Lab::new().await]
        .into_iter()
        .map(|lab| {
            lab.github.start_deployment(&production()).unwrap();
            let due = lab.github.outbox().take_due(start_of_day());
            due.into_iter().map(|webhook| (webhook.headers, webhook.body)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(stories[0], stories[1]);
}

#[tokio::test]
async fn a_required_reviewer_holds_the_job_after_our_answer() {
    let lab = Lab::new().await;
    let wish = StartDeployment { reviewer: Some("olga-ops".into()), ..production() };
    let started = lab.github.start_deployment(&wish).unwrap();
    let id = started.deployments[0];
    assert_eq!(lab.approve(started.run_id).await.status, 204);
    assert_eq!((lab.gate(id).as_str(), lab.job(id).as_str()), ("approved", "waiting"));
    let path = format!("{REPO}/actions/runs/{}/pending_deployments", started.run_id);
    assert_eq!(lab.get(&path).await.body[0]["reviewers"][0]["reviewer"]["login"], "olga-ops");
    assert_eq!(lab.approve(started.run_id).await.status, 422);
    lab.github.approve_as_reviewer(id).unwrap();
    assert_eq!(lab.job(id), "in_progress");
    assert_eq!(lab.github.approve_as_reviewer(id).unwrap_err().status, 409);
}

#[tokio::test]
async fn a_reviewer_who_is_first_does_not_open_our_gate() {
    let lab = Lab::new().await;
    let wish = StartDeployment { reviewer: Some("olga-ops".into()), ..production() };
    let started = lab.github.start_deployment(&wish).unwrap();
    lab.github.approve_as_reviewer(started.deployments[0]).unwrap();
    assert_eq!(lab.job(started.deployments[0]), "waiting");
    lab.approve(started.run_id).await;
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
}

#[tokio::test]
async fn a_success_makes_the_older_one_inactive_without_a_webhook() {
    let lab = Lab::new().await;
    let (old, new) = (lab.start(), lab.start());
    for started in [&old, &new] {
        lab.approve(started.run_id).await;
        lab.github.finish(started.deployments[0], Outcome::Success).unwrap();
    }
    let statuses = |id| lab.github.deployment(id).unwrap().statuses;
    assert_eq!(statuses(old.deployments[0]).last().unwrap(), "inactive");
    assert_eq!(statuses(new.deployments[0]).last().unwrap(), "success");
    assert!(!outline(&lab.sent()).contains(&"deployment_status inactive".to_owned()));
}

#[tokio::test]
async fn whoever_watches_is_woken_by_what_happens() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.queue_delay_ms = 1_000);
    let started = lab.start();
    lab.approve(started.run_id).await;
    let mut watch = lab.github.watch();
    lab.advance(1_000);
    assert!(watch.has_changed().unwrap());
    watch.mark_unchanged();
    lab.advance(1_000);
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
    assert!(!watch.has_changed().unwrap());
}

#[tokio::test]
async fn only_the_jobs_that_failed_can_be_repeated() {
    let lab = Lab::new().await;
    let started = lab.github.start_deployment(&StartDeployment { matrix: Some(2), ..production() }).unwrap();
    lab.approve(started.run_id).await;
    lab.github.finish(started.deployments[0], Outcome::Success).unwrap();
    lab.github.finish(started.deployments[1], Outcome::Failure).unwrap();
    let path = format!("{REPO}/actions/runs/{}/rerun-failed-jobs", started.run_id);
    assert_eq!(lab.post(&path, json!({})).await.status, 201);
    let run = lab.github.run(started.run_id).unwrap();
    assert_eq!((run.run_attempt, run.deployments.len()), (2, 3));
    lab.approve(started.run_id).await;
    lab.github.finish(run.deployments[2], Outcome::Success).unwrap();
    assert_eq!(lab.github.rerun_failed(started.run_id).unwrap_err().status, 403);
}

#[tokio::test]
async fn who_subscribes_to_jobs_hears_each_step() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.workflow_jobs = true);
    let started = lab.github.start_deployment(&production()).unwrap();
    lab.approve(started.run_id).await;
    lab.github.finish(started.deployments[0], Outcome::Success).unwrap();
    let told: Vec<String> =
        outline(&lab.sent()).into_iter().filter(|one| one.starts_with("workflow_job")).collect();
    let steps = ["waiting", "queued", "in_progress", "completed"].map(|step| format!("workflow_job {step}"));
    assert_eq!(told, steps);
}
