use std::net::Ipv4Addr;

use super::*;

#[tokio::test]
async fn a_whole_story_can_be_told_over_http() {
    let lab = Lab::new().await;
    let wish = json!({ "repo": "acme/payments-api", "environment": "production", "ref": "release" });
    let started = lab.post("/__sim/start", wish).await;
    assert_eq!(started.status, 201);
    let run = started.body["run_id"].as_u64().unwrap();
    let id = started.body["deployments"][0].as_u64().unwrap();
    assert_eq!(lab.get("/__sim/deployments").await.body[0]["gate"], "open");
    lab.approve(run).await;
    let ended = lab.post(&format!("/__sim/deployments/{id}/finish"), json!({ "outcome": "failure" })).await;
    assert_eq!((ended.status, &ended.body["conclusion"]), (200, &json!("failure")));
    let again = lab.post(&format!("/__sim/runs/{run}/rerun"), json!({})).await;
    assert_eq!(again.body["run_attempt"], 2);
    let second = again.body["deployments"][0].as_u64().unwrap();
    let bypassed =
        lab.post(&format!("/__sim/deployments/{second}/bypass"), json!({ "actor": "olga-ops" })).await;
    assert_eq!(bypassed.body["gate"], "bypassed");
    let cancelled = lab.post(&format!("/__sim/runs/{run}/cancel"), json!({})).await;
    assert_eq!(cancelled.body["conclusion"], "cancelled");
    let whats: Vec<String> = lab
        .get("/__sim/journal")
        .await
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["what"].as_str().unwrap().to_owned())
        .collect();
    assert!(whats.contains(&"gate.bypassed".to_owned()) && whats.contains(&"run.rerun".to_owned()));
}

#[tokio::test]
async fn knobs_are_turned_one_by_one() {
    let lab = Lab::new().await;
    let body = json!({ "queue_delay_ms": 5, "webhook_loss": { "every": 3 } });
    let answer = lab.call(Method::PUT, "/__sim/knobs", None, Some(body)).await;
    assert_eq!((answer.status, &answer.body["queue_delay_ms"]), (200, &json!(5)));
    assert_eq!(answer.body["token_ttl_seconds"], 3_600);
    let wrong = lab.call(Method::PUT, "/__sim/knobs", None, Some(json!({ "no_such_knob": 1 }))).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn faults_are_set_listed_and_cleared_over_http() {
    let lab = Lab::new().await;
    let fault =
        json!({ "match": { "path_contains": "/app" }, "fault": { "status": { "code": 502 } }, "times": 1 });
    assert_eq!(lab.post("/__sim/faults", fault).await.status, 204);
    let plain = json!({ "fault": "html_200" });
    assert_eq!(lab.post("/__sim/faults", plain).await.status, 204);
    assert_eq!(lab.get("/__sim/faults").await.body.as_array().unwrap().len(), 2);
    assert_eq!(lab.as_app(Method::GET, "/app").await.status, 502);
    lab.call(Method::DELETE, "/__sim/faults", None, None).await;
    assert_eq!(lab.as_app(Method::GET, "/app").await.status, 200);
}

#[tokio::test]
async fn the_clock_is_set_over_http_and_what_is_due_happens() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.queue_delay_ms = 1_000);
    let started = lab.start();
    lab.approve(started.run_id).await;
    let set = lab.call(Method::PUT, "/__sim/clock", None, Some(json!({ "advance_ms": 1_000 }))).await;
    assert_eq!(set.body["now"], "2026-01-12T09:15:03Z");
    assert_eq!(lab.job(started.deployments[0]), "in_progress");
}

#[tokio::test]
async fn the_webhook_target_is_set_over_http_and_its_secret_is_never_shown() {
    let lab = Lab::new().await;
    let target = json!({ "url": "http://127.0.0.1:8080/webhooks/github", "secret": "example-new-secret" });
    assert_eq!(lab.call(Method::PUT, "/__sim/webhook", None, Some(target)).await.status, 204);
    let shown = lab.get("/__sim/webhook").await;
    assert_eq!(shown.body, json!({ "url": "http://127.0.0.1:8080/webhooks/github" }));
    lab.post("/__sim/ping", json!({})).await;
    lab.post("/__sim/webhooks", json!({ "event": "star", "body": {} })).await;
    let urls: Vec<String> =
        lab.github.outbox().take_due(start_of_day()).into_iter().map(|webhook| webhook.url).collect();
    assert_eq!(urls, ["http://127.0.0.1:8080/webhooks/github"; 2]);
}

#[tokio::test]
async fn api_requests_are_logged_without_their_tokens() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.approve(started.run_id).await;
    let logged = lab.get("/__sim/requests?method=POST&path_prefix=/repos/").await;
    assert_eq!(logged.body.as_array().unwrap().len(), 1);
    assert_eq!((&logged.body[0]["status"], &logged.body[0]["user"]), (&json!(204), &json!("installation")));
    assert!(logged.body[0]["body"].as_str().unwrap().contains("CHG0031021"));
    let all = lab.get("/__sim/requests").await.text;
    assert!(!all.contains(&lab.token) && !all.contains("Bearer"));
}

#[tokio::test]
async fn a_reset_forgets_all_but_the_webhook_target_and_the_counters() {
    let lab = Lab::new().await;
    let before = lab.github.start_deployment(&production()).unwrap();
    lab.github.turn(|knobs| knobs.queue_delay_ms = 7);
    assert_eq!(lab.post("/__sim/reset", json!({})).await.status, 204);
    assert!(lab.github.deployments().is_empty() && lab.github.journal().is_empty());
    assert_eq!(lab.github.outbox().pending(), 0);
    assert_eq!(lab.github.knobs(), Default::default());
    let after = lab.github.start_deployment(&production()).unwrap();
    assert!(after.run_id > before.run_id && after.deployments > before.deployments);
    assert_eq!(lab.github.outbox().pending(), 4);
}

#[tokio::test]
async fn another_seed_has_other_ids() {
    let (one, two) = (Lab::new().await, Lab::with(Options { seed: 2, ..options() }).await);
    assert_ne!(one.start().deployments, two.start().deployments);
}

#[tokio::test]
async fn the_control_plane_wants_its_token_when_it_has_one() {
    let lab = Lab::with(Options { control_token: Some("example-control".into()), ..options() }).await;
    assert_eq!(lab.get("/__sim/runs").await.status, 401);
    let answer = lab.call(Method::GET, "/__sim/runs", Some("example-control"), None).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn revoking_tokens_over_http_ends_them() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.post("/__sim/tokens/revoke", json!({})).await;
    assert_eq!(lab.approve(started.run_id).await.status, 401);
}

#[tokio::test]
async fn on_a_socket_webhooks_are_sent_and_jobs_start_by_themselves() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::channel::<String>(64);
    let receiver = axum::Router::new().fallback(move |headers: HeaderMap, body: bytes::Bytes| {
        let arrived = arrived.clone();
        let event = headers["x-github-event"].to_str().unwrap().to_owned();
        async move { arrived.send(outline(&[(event, read(&body))]).remove(0)).await.unwrap() }
    });
    let (hook, receiving) = crate::serve::serve(receiver, (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let target = WebhookTarget { url: format!("http://{hook}/"), secret: Some(SECRET.into()) };
    let lab = Lab::with(Options { clock: SimClock::real(), webhook: Some(target), ..options() }).await;
    lab.github.turn(|knobs| knobs.queue_delay_ms = 20);
    let (addr, serving) = lab.github.serve((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    lab.github.set_api_base(&format!("http://{addr}"));
    let started = lab.github.start_deployment(&production()).unwrap();
    lab.approve(started.run_id).await;
    let seen = async { while arrivals.recv().await.unwrap() != "deployment_status in_progress" {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), seen).await.unwrap();
    serving.abort();
    receiving.abort();
}
