//! Outbound webhooks, as a business rule with a REST message would send them: one for each save, no
//! retries, signed with HMAC-SHA256 over the raw body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::record::Record;
use crate::outbox::{Outbox, Outgoing};

/// Where webhooks go, how they are signed and how badly they travel.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// The receiver.
    pub url: String,
    /// Key of the signature; without one the header is left out.
    #[serde(default, skip_serializing)]
    pub secret: String,
    /// Header that carries the signature.
    #[serde(default = "default_header")]
    pub header: String,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Text before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// Tables whose saves are told.
    #[serde(default = "default_tables")]
    pub tables: Vec<String>,
    /// How long a webhook is on its way.
    #[serde(default)]
    pub delay_ms: u64,
    /// How many further copies of each are sent.
    #[serde(default)]
    pub duplicates: u32,
    /// Share of the webhooks that are lost, 0 to 1, spread evenly.
    #[serde(default)]
    pub drop_rate: f64,
    /// Every second webhook travels this much longer, so that later ones overtake it.
    #[serde(default)]
    pub reorder_ms: u64,
    /// A webhook is sent so long before its transaction is visible to readers.
    #[serde(default)]
    pub early_ms: u64,
}

impl WebhookTarget {
    /// A target with hexadecimal signatures in the default header.
    pub fn new(url: &str, secret: &str) -> Self {
        Self {
            url: url.to_owned(),
            secret: secret.to_owned(),
            header: default_header(),
            encoding: Encoding::Hex,
            prefix: String::new(),
            tables: default_tables(),
            delay_ms: 0,
            duplicates: 0,
            drop_rate: 0.0,
            reorder_ms: 0,
            early_ms: 0,
        }
    }

    fn headers(&self, body: &[u8]) -> Vec<(String, String)> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if !self.secret.is_empty() {
            let signature = sign(self.secret.as_bytes(), body, self.encoding);
            headers.push((self.header.clone(), format!("{}{signature}", self.prefix)));
        }
        headers
    }
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTarget")
            .field("url", &self.url)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

fn default_tables() -> Vec<String> {
    vec!["change_request".to_owned(), "sysapproval_approver".to_owned()]
}

fn default_header() -> String {
    "x-servicenow-signature".to_owned()
}

/// How a signature is written: scripts on the instance get base64, receivers often ask for hexadecimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// Standard base64 with padding.
    Base64,
}

fn sign(key: &[u8], body: &[u8], encoding: Encoding) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    match encoding {
        Encoding::Hex => hex::encode(digest),
        Encoding::Base64 => STANDARD.encode(digest),
    }
}

/// The emitter of an instance.
#[derive(Debug)]
pub(super) struct Webhooks {
    pub(super) target: Option<WebhookTarget>,
    outbox: Outbox,
    emitted: u64,
    owed_drops: f64,
}

impl Webhooks {
    pub(super) fn new(target: Option<WebhookTarget>, outbox: Outbox) -> Self {
        Self { target, outbox, emitted: 0, owed_drops: 0.0 }
    }

    /// Whether saves of a table are told.
    pub(super) fn tell_of(&self, table: &str) -> bool {
        self.target.as_ref().is_some_and(|target| target.tables.iter().any(|told| told == table))
    }

    /// How long a write is not visible after its webhook.
    pub(super) fn early_ms(&self) -> u64 {
        self.target.as_ref().map_or(0, |target| target.early_ms)
    }

    /// Puts a webhook and its copies into the outbox, unless it is one of those that get lost.
    pub(super) fn emit(&mut self, now: DateTime<Utc>, body: &Value) {
        let Some(target) = &self.target else { return };
        self.emitted += 1;
        self.owed_drops += target.drop_rate;
        if self.owed_drops >= 1.0 {
            self.owed_drops -= 1.0;
            return;
        }
        let slow = if self.emitted % 2 == 1 { target.reorder_ms } else { 0 };
        let delay = i64::try_from(target.delay_ms.saturating_add(slow)).unwrap_or(i64::MAX / 1_000_000);
        let body = Bytes::from(body.to_string());
        for copy in 0..=target.duplicates {
            self.outbox.push(Outgoing {
                due: now + chrono::Duration::milliseconds(delay),
                url: target.url.clone(),
                headers: target.headers(&body),
                body: body.clone(),
                label: format!("servicenow-{}.{copy}", self.emitted),
            });
        }
    }
}

/// What a webhook says of a saved row; the number and the like are those of its task.
pub(super) fn payload(table: &str, row: &Record, task: Option<&Record>) -> Value {
    let of_task = |field: &str| task.map_or("", |task| task.get(field)).to_owned();
    let mut body = json!({
        "sys_id": row.get("sys_id"),
        "table": table,
        "number": of_task("number"),
        "state": row.get("state"),
        "approval": of_task("approval"),
        "sys_mod_count": row.get("sys_mod_count"),
        "sys_updated_on": row.get("sys_updated_on"),
        "correlation_id": of_task("correlation_id"),
    });
    if table == "sysapproval_approver" {
        body["sysapproval"] = json!(row.get("sysapproval"));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitted(target: WebhookTarget, times: usize) -> Vec<Outgoing> {
        let outbox = Outbox::default();
        let mut webhooks = Webhooks::new(Some(target), outbox.clone());
        let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        for n in 0..times {
            webhooks.emit(now, &json!({ "n": n }));
        }
        outbox.take_due(now + chrono::Duration::days(1))
    }

    #[test]
    fn the_signature_is_hmac_sha256_in_either_encoding() {
        // RFC 4231, test case 2.
        let digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let data = b"what do ya want for nothing?";
        assert_eq!(sign(b"Jefe", data, Encoding::Hex), digest);
        let base64 = STANDARD.encode(hex::decode(digest).unwrap());
        assert_eq!(sign(b"Jefe", data, Encoding::Base64), base64);
    }

    #[test]
    fn a_webhook_travels_in_as_many_copies_as_asked() {
        let mut target = WebhookTarget::new("http://127.0.0.1:1/", "key");
        target.duplicates = 2;
        assert_eq!(emitted(target, 1).len(), 3);
    }

    #[test]
    fn the_drop_rate_loses_its_share() {
        let mut target = WebhookTarget::new("http://127.0.0.1:1/", "key");
        target.drop_rate = 0.25;
        assert_eq!(emitted(target, 8).len(), 6);
    }

    #[test]
    fn reordering_lets_the_second_overtake_the_first() {
        let mut target = WebhookTarget::new("http://127.0.0.1:1/", "key");
        target.reorder_ms = 500;
        let bodies: Vec<_> = emitted(target, 2).into_iter().map(|o| o.body).collect();
        assert_eq!(bodies, [&b"{\"n\":1}"[..], &b"{\"n\":0}"[..]]);
    }
}
