//! Calls from outside: webhooks that the story itself posts, and deliveries that GitHub is asked to repeat.

use std::time::Duration;

use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{GITHUB_SECRET, World, app_key};

const TIMEOUT: Duration = Duration::from_secs(15);
const APP_ID: u64 = 771_203;

/// How a webhook of the story was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The answer's body.
    pub body: String,
}

/// What tests ask with.
pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        // GitHub refuses who does not say its name (docs: "User agent required").
        .user_agent("interlock-tests")
        .no_proxy()
        .build()
        .expect("no certificates are read for it")
}

impl World {
    pub(super) fn http(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// Posts a webhook as GitHub would; `None` where nobody answers.
    pub async fn post_github(&self, event: &str, guid: &str, body: &[u8]) -> Option<Posted> {
        let mut mac = Hmac::<Sha256>::new_from_slice(GITHUB_SECRET.as_bytes()).expect("any length is a key");
        mac.update(body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = self
            .http()
            .post(self.webhook_url("github"))
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", guid)
            .header("x-hub-signature-256", signature)
            .body(body.to_vec());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let retry_after =
            answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        Some(Posted { status, retry_after, body: answer.text().await.unwrap_or_default() })
    }

    /// A webhook that says nothing that matters; a new one each time.
    pub async fn post_probe(&self) -> Option<Posted> {
        let unique = format!("{:?}", std::time::SystemTime::now());
        let body = json!({
            "action": "completed",
            "workflow_run": {
                "id": 1, "run_attempt": 1, "head_sha": "0".repeat(40), "status": "completed", "conclusion": "success",
                "updated_at": "2026-01-01T00:00:00Z", "display_title": unique,
            },
            "repository": { "id": 1, "name": "probe", "full_name": "acme/probe" },
        });
        self.post_github("workflow_run", &unique, body.to_string().as_bytes()).await
    }

    /// Asks GitHub to repeat every webhook that was not taken, as a person or a sweep would; says how many.
    ///
    /// GitHub docs, "Handling failed webhook deliveries".
    pub async fn redeliver_refused(&self) -> usize {
        let all = self.deliveries().await;
        let is_taken =
            |one: &Value| one["status_code"].as_u64().is_some_and(|code| (200..300).contains(&code));
        let was_taken = |one: &Value| all.iter().any(|other| other["guid"] == one["guid"] && is_taken(other));
        self.repeat(all.iter().filter(|one| !was_taken(one))).await
    }

    /// Asks GitHub to repeat every webhook; says how many.
    pub async fn redeliver_all(&self) -> usize {
        self.repeat(self.deliveries().await.iter()).await
    }

    async fn deliveries(&self) -> Vec<Value> {
        let list = self.as_app(reqwest::Method::GET, "/app/hook/deliveries?per_page=100").await;
        list.as_array().cloned().unwrap_or_default()
    }

    /// GitHub lists the newest first; the story goes on in its own order.
    async fn repeat(&self, deliveries: impl DoubleEndedIterator<Item = &Value>) -> usize {
        let mut seen = std::collections::BTreeSet::new();
        for one in deliveries.rev() {
            if seen.insert(one["guid"].to_string()) {
                let path = format!("/app/hook/deliveries/{}/attempts", one["id"]);
                self.as_app(reqwest::Method::POST, &path).await;
            }
        }
        seen.len()
    }

    async fn as_app(&self, method: reqwest::Method, path: &str) -> Value {
        let now = chrono::Utc::now().timestamp();
        let claims = json!({ "iss": APP_ID.to_string(), "iat": now - 30, "exp": now + 300 });
        let key = EncodingKey::from_rsa_pem(app_key().private_pem.as_bytes()).expect("the key is ours");
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).expect("claims are JSON");
        let request = self.http().request(method, format!("{}{path}", self.github_url)).bearer_auth(token);
        let answer = request.send().await.expect("the simulator answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or(Value::Null)
    }
}
