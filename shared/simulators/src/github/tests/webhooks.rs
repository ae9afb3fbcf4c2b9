use super::*;
use crate::github::Loss;
use crate::github::hooks::sign;
use crate::outbox::Outgoing;

const DELIVERIES: &str = "/app/hook/deliveries";

impl Lab {
    fn take(&self) -> Vec<Outgoing> {
        self.github.outbox().take_due(self.github.clock().now())
    }

    /// Takes what is due as a receiver that answers all with one status.
    fn receive(&self, status: Option<u16>) -> Vec<Outgoing> {
        let taken = self.take();
        for webhook in &taken {
            self.github.outbox().record(&webhook.label, self.github.clock().now(), status);
        }
        taken
    }

    async fn deliveries(&self, query: &str) -> Vec<Value> {
        let answer = self.as_app(Method::GET, &format!("{DELIVERIES}{query}")).await;
        answer.body.as_array().unwrap().clone()
    }
}

fn guid(webhook: &Outgoing) -> String {
    header(&webhook.headers, "x-github-delivery")
}

#[tokio::test]
async fn every_webhook_is_signed_over_its_raw_body() {
    let lab = Lab::new().await;
    lab.github.start_deployment(&production()).unwrap();
    for webhook in lab.take() {
        assert_eq!(header(&webhook.headers, "x-hub-signature-256"), sign(SECRET, &webhook.body));
        assert!(header(&webhook.headers, "user-agent").starts_with("GitHub-Hookshot/"));
        assert_eq!(header(&webhook.headers, "x-github-hook-id"), "51200117");
        assert_eq!(header(&webhook.headers, "x-github-hook-installation-target-type"), "integration");
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let mut options = options();
    options.webhook = Some(WebhookTarget { url: "http://127.0.0.1:9/".into(), secret: None });
    let lab = Lab::with(options).await;
    lab.github.ping();
    assert_eq!(header(&lab.take()[0].headers, "x-hub-signature-256"), "");
}

#[tokio::test]
async fn the_gate_names_its_run_in_the_callback_url_alone() {
    let lab = Lab::new().await;
    let started = lab.github.start_deployment(&production()).unwrap();
    let (_, body) = lab.sent().pop().unwrap();
    let callback = format!(
        "https://api.github.com/repos/acme/payments-api/actions/runs/{}/deployment_protection_rule",
        started.run_id
    );
    assert_eq!(body["deployment_callback_url"], callback.as_str());
    assert_eq!(body["workflow_run"], Value::Null);
    assert_eq!(body["environment"], "production");
    assert_eq!(body["deployment"]["id"], started.deployments[0]);
    assert_eq!(body["installation"]["id"], 5_530_021);
}

#[tokio::test]
async fn every_webhook_has_the_keys_that_a_receiver_reads() {
    let lab = Lab::new().await;
    lab.github.start_deployment(&production()).unwrap();
    let sent = lab.sent();
    let common = [
        "/repository/id",
        "/repository/full_name",
        "/repository/html_url",
        "/repository/owner/login",
        "/organization/login",
        "/installation/id",
        "/sender/login",
    ];
    let own = [
        vec!["/workflow_run/id", "/workflow_run/run_attempt", "/workflow_run/head_sha", "/workflow_run/path"],
        vec!["/deployment/created_at", "/workflow_run/run_attempt", "/deployment/creator/login"],
        vec![
            "/deployment_status/state",
            "/deployment_status/log_url",
            "/workflow_run/run_attempt",
            "/check_run/id",
        ],
        vec![
            "/deployment/created_at",
            "/deployment/sha",
            "/deployment/ref",
            "/deployment/original_environment",
        ],
    ];
    for ((_, body), own) in sent.iter().zip(own) {
        for pointer in common.iter().chain(&own) {
            assert!(body.pointer(pointer).is_some_and(|value| !value.is_null()), "{pointer}");
        }
    }
}

#[tokio::test]
async fn copies_of_a_webhook_share_one_guid() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.webhook_copies = 2);
    lab.github.ping();
    let guids: Vec<String> = lab.take().iter().map(guid).collect();
    assert_eq!(guids.len(), 3);
    assert!(guids.iter().all(|one| *one == guids[0]));
}

#[tokio::test]
async fn webhooks_may_overtake_one_another() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.webhook_reorder_ms = 2_000);
    lab.github.start_deployment(&production()).unwrap();
    assert_eq!(outline(&lab.sent()), ["deployment created", "deployment_protection_rule requested"]);
    lab.advance(2_000);
    assert_eq!(outline(&lab.sent()), ["workflow_run requested", "deployment_status waiting"]);
}

#[tokio::test]
async fn a_delayed_webhook_leaves_later() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.webhook_delay_ms = 500);
    lab.github.ping();
    assert_eq!(lab.sent(), []);
    lab.advance(500);
    assert_eq!(lab.sent()[0].0, "ping");
}

#[tokio::test]
async fn all_the_next_or_each_nth_webhook_gets_lost() {
    for (loss, arriving) in [(Loss::All, 0), (Loss::Next(3), 3), (Loss::Every(2), 3), (Loss::None, 6)] {
        let lab = Lab::new().await;
        lab.github.turn(|knobs| knobs.webhook_loss = loss);
        (0..6).for_each(|_| lab.github.ping());
        assert_eq!(lab.take().len(), arriving, "{loss:?}");
    }
}

#[tokio::test]
async fn a_lost_webhook_is_listed_and_can_be_sent_again() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.webhook_loss = Loss::Next(1));
    lab.github.start_deployment(&production()).unwrap();
    lab.receive(Some(202));
    let failed = lab.deliveries("?status=failure").await;
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["event"], &failed[0]["status_code"]), (&json!("workflow_run"), &json!(504)));
    let path = format!("{DELIVERIES}/{}/attempts", failed[0]["id"]);
    assert_eq!(lab.as_app(Method::POST, &path).await.status, 202);
    let again = lab.receive(Some(202));
    assert_eq!(again.len(), 1);
    assert_eq!(guid(&again[0]), failed[0]["guid"]);
    let newest = &lab.deliveries("").await[0];
    assert_eq!((&newest["redelivery"], &newest["status_code"]), (&json!(true), &json!(202)));
}

#[tokio::test]
async fn a_webhook_may_vanish_without_a_trace() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| {
        knobs.webhook_loss = Loss::Next(1);
        knobs.webhook_loss_listed = false;
    });
    lab.github.ping();
    assert!(lab.deliveries("").await.is_empty());
}

#[tokio::test]
async fn deliveries_tell_how_the_receiver_answered() {
    for (answer, code, text) in [
        (Some(202), 202, "OK"),
        (Some(503), 503, "Invalid HTTP Response: 503"),
        (None, 502, "failed to connect to host"),
    ] {
        let lab = Lab::new().await;
        lab.github.ping();
        assert!(lab.deliveries("").await.is_empty(), "on its way");
        lab.receive(answer);
        let listed = &lab.deliveries("").await[0];
        assert_eq!((&listed["status_code"], &listed["status"]), (&json!(code), &json!(text)));
    }
}

#[tokio::test]
async fn nothing_is_sent_again_by_itself() {
    let lab = Lab::new().await;
    lab.github.ping();
    lab.receive(Some(503));
    lab.advance(3_600_000);
    assert_eq!(lab.sent(), []);
}

#[tokio::test]
async fn deliveries_come_newest_first_with_a_cursor_and_for_three_days() {
    let lab = Lab::new().await;
    (0..3).for_each(|_| lab.github.ping());
    lab.receive(Some(202));
    let page = lab.as_app(Method::GET, &format!("{DELIVERIES}?per_page=2")).await;
    assert!(page.body[0]["id"].as_u64() > page.body[1]["id"].as_u64());
    let link = page.header("link").to_owned();
    let next = link.split_once("cursor=").unwrap().1.split_once('>').unwrap().0;
    assert_eq!(lab.deliveries(&format!("?per_page=2&cursor={next}")).await.len(), 1);
    lab.advance(3 * 86_400_000);
    assert!(lab.deliveries("").await.is_empty());
}

#[tokio::test]
async fn a_single_delivery_shows_its_payload() {
    let lab = Lab::new().await;
    lab.github.ping();
    lab.receive(Some(200));
    let id = lab.deliveries("").await[0]["id"].clone();
    let one = lab.as_app(Method::GET, &format!("{DELIVERIES}/{id}")).await;
    assert_eq!(one.body["request"]["payload"]["hook"]["type"], "App");
    assert_eq!(lab.as_app(Method::GET, &format!("{DELIVERIES}/1")).await.status, 404);
    assert_eq!(lab.as_app(Method::POST, &format!("{DELIVERIES}/1/attempts")).await.status, 404);
}

#[tokio::test]
async fn any_body_can_be_sent_signed() {
    let lab = Lab::new().await;
    lab.github.send("star", &json!({ "action": "created" }));
    let webhook = &lab.take()[0];
    assert_eq!(header(&webhook.headers, "x-github-event"), "star");
    assert_eq!(header(&webhook.headers, "x-hub-signature-256"), sign(SECRET, br#"{"action":"created"}"#));
}
