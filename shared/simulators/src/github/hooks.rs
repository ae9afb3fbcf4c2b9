//! Deliveries of webhooks: signed, delayed, doubled, lost, listed for `GET /app/hook/deliveries`.
//! GitHub tries each once and never again by itself (docs: "Handling failed webhook deliveries").

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::options::{Knobs, Loss, WebhookTarget};
use crate::outbox::{self, Outgoing};

/// Older deliveries are forgotten beyond so many.
const DELIVERIES_MAX: usize = 20_000;
const HOOK_ID: u64 = 51_200_117;
const LABEL: &str = "github:";

/// One attempt to hand a webhook over.
#[derive(Clone)]
pub(super) struct Delivery {
    pub id: u64,
    pub guid: Uuid,
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<u64>,
    pub at: DateTime<Utc>,
    pub redelivery: bool,
    /// `None` while it is on its way.
    pub answer: Option<Answer>,
    pub body: Bytes,
}

/// How the receiver took it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u16),
    Unreachable,
    TimedOut,
}

impl Answer {
    pub fn code(self) -> u16 {
        match self {
            Self::Status(code) => code,
            Self::Unreachable => 502,
            Self::TimedOut => 504,
        }
    }

    pub fn text(self) -> String {
        match self {
            Self::Status(200..=299) => "OK".into(),
            Self::Status(code) => format!("Invalid HTTP Response: {code}"),
            Self::Unreachable => "failed to connect to host".into(),
            Self::TimedOut => "timed out".into(),
        }
    }

    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

/// A webhook before anything is known of its way.
pub(super) struct Webhook {
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<u64>,
    pub body: Bytes,
}

pub(super) struct Hooks {
    pub target: Option<WebhookTarget>,
    /// Oldest first, ids ascending.
    deliveries: VecDeque<Delivery>,
    outgoing: Vec<Outgoing>,
    namespace: Uuid,
    made: u64,
    sent: u64,
}

impl Hooks {
    pub fn new(target: Option<WebhookTarget>, seed: u64) -> Self {
        Self {
            target,
            deliveries: VecDeque::new(),
            outgoing: Vec::new(),
            namespace: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("deliveries:{seed}").as_bytes()),
            made: 0,
            sent: 0,
        }
    }

    /// Makes a delivery and its copies, all with one GUID.
    pub fn emit(&mut self, webhook: &Webhook, knobs: &mut Knobs, app_id: u64, at: DateTime<Utc>) {
        self.made += 1;
        let guid = Uuid::new_v5(&self.namespace, &self.made.to_be_bytes());
        let held_back = if self.made % 2 == 1 { knobs.webhook_reorder_ms } else { 0 };
        let due = at + delay(knobs.webhook_delay_ms) + delay(held_back);
        for _ in 0..=knobs.webhook_copies.min(100) {
            self.deliver(webhook, guid, false, knobs, app_id, due);
        }
    }

    /// Sends an earlier delivery once more under its GUID.
    pub fn redeliver(&mut self, id: u64, knobs: &mut Knobs, app_id: u64, at: DateTime<Utc>) -> bool {
        let Some(earlier) = self.delivery(id).cloned() else { return false };
        let webhook = Webhook {
            event: earlier.event,
            action: earlier.action,
            repository: earlier.repository,
            body: earlier.body,
        };
        self.deliver(&webhook, earlier.guid, true, knobs, app_id, at + delay(knobs.webhook_delay_ms));
        true
    }

    /// Forgets what was delivered; GUIDs and ids go on.
    pub fn clear(&mut self) {
        self.deliveries.clear();
        self.outgoing.clear();
    }

    /// What the outbox has to send.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// Takes over from the outbox how the receiver answered.
    pub fn learn(&mut self, deliveries: &[outbox::Delivery]) {
        for known in deliveries {
            let id = known.label.strip_prefix(LABEL).and_then(|id| id.parse().ok());
            let place = id.and_then(|id: u64| self.place(id));
            if let Some(delivery) = place.and_then(|place| self.deliveries.get_mut(place)) {
                delivery.answer = Some(known.status.map_or(Answer::Unreachable, Answer::Status));
            }
        }
    }

    pub fn delivery(&self, id: u64) -> Option<&Delivery> {
        self.place(id).and_then(|place| self.deliveries.get(place))
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().rev()
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.deliveries.binary_search_by_key(&id, |delivery| delivery.id).ok()
    }

    fn deliver(
        &mut self,
        webhook: &Webhook,
        guid: Uuid,
        redelivery: bool,
        knobs: &mut Knobs,
        app_id: u64,
        due: DateTime<Utc>,
    ) {
        let Some(target) = &self.target else { return };
        self.sent += 1;
        let id = 41_000_000_000 + self.sent;
        let lost = is_lost(&mut knobs.webhook_loss, self.sent);
        if !lost {
            self.outgoing.push(Outgoing {
                due,
                url: target.url.clone(),
                headers: headers(target, webhook, guid, app_id),
                body: webhook.body.clone(),
                label: format!("{LABEL}{id}"),
            });
        } else if !knobs.webhook_loss_listed {
            return;
        }
        if self.deliveries.len() >= DELIVERIES_MAX {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(Delivery {
            id,
            guid,
            event: webhook.event.clone(),
            action: webhook.action.clone(),
            repository: webhook.repository,
            at: due,
            redelivery,
            answer: lost.then_some(Answer::TimedOut),
            body: webhook.body.clone(),
        });
    }
}

fn is_lost(loss: &mut Loss, sent: u64) -> bool {
    match loss {
        Loss::None => false,
        Loss::All => true,
        Loss::Next(0) => {
            *loss = Loss::None;
            false
        }
        Loss::Next(left) => {
            *left -= 1;
            true
        }
        Loss::Every(step) => *step > 0 && sent.is_multiple_of(u64::from(*step)),
    }
}

fn headers(target: &WebhookTarget, webhook: &Webhook, guid: Uuid, app_id: u64) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", "GitHub-Hookshot/51mu1a7".to_owned()),
        ("x-github-event", webhook.event.clone()),
        ("x-github-delivery", guid.to_string()),
        ("x-github-hook-id", HOOK_ID.to_string()),
        ("x-github-hook-installation-target-id", app_id.to_string()),
        ("x-github-hook-installation-target-type", "integration".to_owned()),
    ];
    if let Some(secret) = &target.secret {
        headers.push(("x-hub-signature-256", sign(secret, &webhook.body)));
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Docs: "Validating webhook deliveries".
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn delay(ms: u64) -> Duration {
    Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX).min(86_400_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_github_signs_it() {
        let signature =
            sign("example-github-secret", br#"{"action":"requested","environment":"production"}"#);
        let expected = "sha256=3ecad2743ed67e354e8cf672c5b3574539b5e5d278a418996bc021df4a0bd2bb";
        assert_eq!(signature, expected);
    }

    #[test]
    fn the_next_two_are_lost_and_no_more() {
        let mut loss = Loss::Next(2);
        let lost: Vec<bool> = (1..=4).map(|sent| is_lost(&mut loss, sent)).collect();
        assert_eq!(lost, [true, true, false, false]);
        assert_eq!(loss, Loss::None);
    }
}
