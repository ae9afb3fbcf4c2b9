//! The instance's own webhooks: a business rule or a flow that posts a small JSON body, signed with
//! HMAC-SHA256. There is no built-in form (ServiceNow docs, "Outbound REST web service"), so reading is lenient.

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderName;
use interlock_events::{CorrelationId, RecordChanged, event};
use interlock_runtime::webhook::{
    HmacSignature, NotAuthentic, Parsed, Unreadable, Verified, Webhook, WebhookSource,
};
use serde_json::{Map, Value};

use crate::row::{TIME, text};
use crate::settings::WebhookSettings;

/// Larger than any hint needs to be.
const BODY_BYTES_MAX: usize = 1_000_000;
const CHANGES: &str = "change_request";
const APPROVALS: &str = "sysapproval_approver";
/// Told by the set-up guide's rules; nothing follows from them yet.
const INCIDENTS: &str = "incident";
/// Longer ones are none.
const STATE_MAX: usize = 40;
/// Some scripts put it before the signature.
const PREFIX: &str = "sha256=";

/// Takes the webhooks of one connection.
#[derive(Debug, Clone)]
pub struct RecordWebhooks {
    connection: String,
    tenant: String,
    settings: WebhookSettings,
}

impl RecordWebhooks {
    /// Of the connection `name`.
    #[must_use]
    pub fn new(name: &str, tenant: &str, settings: WebhookSettings) -> Self {
        Self { connection: name.to_owned(), tenant: tenant.to_owned(), settings }
    }

    fn fact(&self, hint: &Hint<'_>, webhook: &Verified) -> Result<RecordChanged, Unreadable> {
        let sys_id = hint.needed("sys_id")?;
        let change_sys_id =
            if hint.table() == APPROVALS { hint.needed("sysapproval")? } else { sys_id.clone() };
        // Without its counter of updates one hint must not be taken for another of the same record.
        let mod_count = hint.text("sys_mod_count").or_else(|| hint.text("sys_updated_on"));
        Ok(RecordChanged {
            connection: self.connection.clone(),
            table: hint.table().to_owned(),
            sys_id,
            mod_count: mod_count.unwrap_or_else(|| webhook.received_at.to_rfc3339()),
            change_sys_id,
            key_hash: hint.text("correlation_id").as_deref().and_then(CorrelationId::hash_in),
            state: hint.text("state").filter(|state| state.len() <= STATE_MAX),
            updated: hint.text("sys_updated_on").and_then(|text| time(&text)),
        })
    }
}

impl WebhookSource for RecordWebhooks {
    fn connection(&self) -> &str {
        &self.connection
    }

    fn source_uri(&self) -> String {
        format!("/tenants/{}/connections/{}", self.tenant, self.connection)
    }

    fn body_limit(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn verify(&self, webhook: Webhook) -> Result<Verified, NotAuthentic> {
        let mut secrets = Vec::new();
        let mut missing = String::new();
        for secret in &self.settings.secrets {
            match secret.resolve() {
                Ok(secret) => secrets.push(secret),
                Err(error) => missing = error.to_string(),
            }
        }
        if secrets.is_empty() {
            return Err(NotAuthentic::NoSecret(missing));
        }
        let header: HeaderName = self.settings.header.clone();
        let is_prefixed =
            webhook.headers.get(&header).is_some_and(|value| value.as_bytes().starts_with(PREFIX.as_bytes()));
        let signature = HmacSignature::new(header, self.settings.encoding);
        let signature = if is_prefixed { signature.with_prefix(PREFIX) } else { signature };
        signature.verify(webhook, &secrets)
    }

    /// The instance gives none; a record's counter of updates is as good.
    fn delivery_id(&self, webhook: &Verified) -> Option<String> {
        let body = body(webhook).ok()?;
        let hint = Hint(&body);
        let (table, sys_id) = (hint.text("table")?, hint.text("sys_id")?);
        Some(format!("{table}:{sys_id}:{}", hint.text("sys_mod_count")?))
    }

    fn parse(&self, webhook: &Verified) -> Result<Parsed, Unreadable> {
        let body = body(webhook)?;
        let hint = Hint(&body);
        let table = hint.needed("table")?;
        // A fixed set, since it counts in metrics.
        let kind = match &*table {
            CHANGES => CHANGES,
            APPROVALS => APPROVALS,
            INCIDENTS => return Ok(Parsed { kind: INCIDENTS.into(), events: Vec::new() }),
            _ => return Ok(Parsed { kind: "other".into(), events: Vec::new() }),
        };
        let fact = self.fact(&hint, webhook)?;
        let time = fact.updated.unwrap_or(webhook.received_at);
        Ok(Parsed { kind: kind.into(), events: vec![event(&self.source_uri(), time, &fact)] })
    }
}

/// The body's fields; numbers, strings and pairs alike.
struct Hint<'a>(&'a Map<String, Value>);

impl Hint<'_> {
    fn table(&self) -> &str {
        self.0.get("table").and_then(Value::as_str).unwrap_or_default()
    }

    fn text(&self, field: &str) -> Option<String> {
        self.0.get(field).map(text).filter(|text| !text.is_empty())
    }

    fn needed(&self, field: &str) -> Result<String, Unreadable> {
        let reason = "missing, empty or no text".to_owned();
        self.text(field).ok_or_else(|| Unreadable { at: format!("/{field}"), reason })
    }
}

fn body(webhook: &Verified) -> Result<Map<String, Value>, Unreadable> {
    match serde_json::from_slice(&webhook.body)? {
        Value::Object(body) => Ok(body),
        _ => Err(Unreadable { at: "/".into(), reason: "not an object".into() }),
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, TIME).ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests;
