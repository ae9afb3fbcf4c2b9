use super::*;
use crate::github::Outcome;

#[tokio::test]
async fn a_run_says_attempt_commit_and_status() {
    let lab = Lab::new().await;
    let wish =
        StartDeployment { sha: Some("4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31".into()), ..production() };
    let started = lab.github.start_deployment(&wish).unwrap();
    let run = lab.get(&format!("{REPO}/actions/runs/{}", started.run_id)).await;
    assert_eq!(run.status, 200);
    assert_eq!(run.body["status"], "waiting");
    assert_eq!(run.body["conclusion"], Value::Null);
    assert_eq!(run.body["run_attempt"], 1);
    assert_eq!(run.body["head_sha"], "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31");
    assert_eq!(run.body["repository"]["full_name"], "acme/payments-api");
}

#[tokio::test]
async fn what_waits_is_listed_once_an_environment_until_decided() {
    let lab = Lab::new().await;
    let started = lab.github.start_deployment(&StartDeployment { matrix: Some(3), ..production() }).unwrap();
    let path = format!("{REPO}/actions/runs/{}/pending_deployments", started.run_id);
    let pending = lab.get(&path).await;
    assert_eq!(pending.body.as_array().unwrap().len(), 1);
    assert_eq!(pending.body[0]["environment"]["name"], "production");
    assert_eq!(pending.body[0]["current_user_can_approve"], false);
    lab.approve(started.run_id).await;
    assert_eq!(lab.get(&path).await.body, json!([]));
}

#[tokio::test]
async fn an_installation_token_is_no_required_reviewer() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("{REPO}/actions/runs/{}/pending_deployments", started.run_id);
    let body = json!({ "environment_ids": [1], "state": "approved", "comment": "" });
    assert_eq!(lab.post(&path, body).await.status, 403);
}

#[tokio::test]
async fn a_run_is_cancelled_once() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("{REPO}/actions/runs/{}/cancel", started.run_id);
    assert_eq!(lab.post(&path, json!({})).await.status, 202);
    assert_eq!(lab.post(&path, json!({})).await.status, 409);
    let canceled = lab.github.journal().into_iter().find(|entry| entry.what == "run.canceled").unwrap();
    assert_eq!(canceled.actor, "interlock[bot]");
}

#[tokio::test]
async fn deployments_are_listed_newest_first_and_filtered() {
    let lab = Lab::new().await;
    let old = lab.start();
    let new = lab.start();
    lab.github.start_deployment(&StartDeployment::new("acme/payments-api", "staging")).unwrap();
    let found = lab.get(&format!("{REPO}/deployments?environment=production")).await;
    let ids: Vec<u64> =
        found.body.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [new.deployments[0], old.deployments[0]]);
    let by_sha = lab.get(&format!("{REPO}/deployments?environment=production&sha={}", old.sha)).await;
    assert_eq!(by_sha.body.as_array().unwrap().len(), 1);
    assert_eq!(by_sha.body[0]["id"], old.deployments[0]);
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let lab = Lab::new().await;
    for _ in 0..3 {
        lab.start();
    }
    let first = lab.get(&format!("{REPO}/deployments?environment=production&per_page=2")).await;
    assert_eq!(first.body.as_array().unwrap().len(), 2);
    let link = first.header("link");
    assert!(link.contains("environment=production") && link.contains("page=2"), "{link}");
    let second = lab.get(&format!("{REPO}/deployments?environment=production&per_page=2&page=2")).await;
    assert_eq!(second.body.as_array().unwrap().len(), 1);
    assert_eq!(second.header("link"), "");
}

#[tokio::test]
async fn a_deployment_is_found_by_its_id_in_its_repository_only() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.start_deployment(&StartDeployment::new("acme/other", "production")).unwrap();
    let id = started.deployments[0];
    let found = lab.get(&format!("{REPO}/deployments/{id}")).await;
    assert_eq!(found.body["created_at"], "2026-01-12T09:15:02Z");
    assert_eq!(lab.get(&format!("/repos/acme/other/deployments/{id}")).await.status, 404);
    assert_eq!(lab.get(&format!("/repos/acme/other/actions/runs/{}", started.run_id)).await.status, 404);
}

#[tokio::test]
async fn statuses_are_listed_newest_first() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.approve(started.run_id).await;
    lab.github.finish(started.deployments[0], Outcome::Success).unwrap();
    let found = lab.get(&format!("{REPO}/deployments/{}/statuses", started.deployments[0])).await;
    let states: Vec<&str> =
        found.body.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["success", "in_progress", "queued", "waiting"]);
    let log_url = found.body[0]["log_url"].as_str().unwrap();
    assert!(log_url.contains(&format!("/actions/runs/{}/job/", started.run_id)));
}

#[tokio::test]
async fn a_status_of_ours_is_kept_and_told() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("{REPO}/deployments/{}/statuses", started.deployments[0]);
    let created = lab.post(&path, json!({ "state": "pending", "description": "CHG0031021 waits" })).await;
    assert_eq!((created.status, &created.body["creator"]["login"]), (201, &json!("interlock[bot]")));
    assert_eq!(outline(&lab.sent()), ["deployment_status pending"]);
    assert_eq!(lab.post(&path, json!({ "state": "waiting" })).await.status, 422);
    let long = json!({ "state": "pending", "description": "x".repeat(141) });
    assert_eq!(lab.post(&path, long).await.status, 422);
}

#[tokio::test]
async fn jobs_of_an_attempt_are_listed() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.cancel(started.run_id, "olga-ops").unwrap();
    lab.github.rerun(started.run_id).unwrap();
    let path = format!("{REPO}/actions/runs/{}", started.run_id);
    let now = lab.get(&format!("{path}/jobs")).await;
    assert_eq!((&now.body["total_count"], &now.body["jobs"][0]["status"]), (&json!(1), &json!("waiting")));
    let before = lab.get(&format!("{path}/attempts/1/jobs")).await;
    assert_eq!(before.body["jobs"][0]["conclusion"], "cancelled");
}

#[tokio::test]
async fn runs_are_listed_by_status() {
    let lab = Lab::new().await;
    let ended = lab.start();
    let waiting = lab.start();
    lab.github.cancel(ended.run_id, "olga-ops").unwrap();
    let found = lab.get(&format!("{REPO}/actions/runs?status=waiting")).await;
    assert_eq!(found.body["total_count"], 1);
    assert_eq!(found.body["workflow_runs"][0]["id"], waiting.run_id);
}

#[tokio::test]
async fn every_answer_bears_date_request_id_and_quota() {
    let lab = Lab::new().await;
    lab.github.clock().set_skew(chrono::Duration::seconds(-7));
    let answer = lab.get("/nowhere").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("date"), "Mon, 12 Jan 2026 09:14:55 GMT");
    assert!(answer.header("x-github-request-id").starts_with("51A0:"));
    assert_eq!(answer.header("x-ratelimit-resource"), "core");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_bad_request() {
    let lab = Lab::new().await;
    let started = lab.start();
    let request = Request::post(format!("{REPO}/actions/runs/{}/deployment_protection_rule", started.run_id))
        .header("user-agent", "interlock/0.1")
        .header("authorization", format!("Bearer {}", lab.token))
        .body(Body::from("{"))
        .unwrap();
    assert_eq!(lab.github.router().oneshot(request).await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn the_enterprise_path_leads_to_the_same_api() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("/api/v3{REPO}/actions/runs/{}", started.run_id);
    assert_eq!(lab.get(&path).await.body["id"], started.run_id);
}
