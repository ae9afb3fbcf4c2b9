//! GitHub Actions: environments with our App's custom deployment protection rule
//! (docs: "Creating custom deployment protection rules").

mod answer;
mod artifacts;
mod auth;
mod client;
mod deliveries;
mod gate;
mod payload;
mod reading;
mod run;
mod settings;
mod siblings;
mod waiting;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderName;
use interlock_events::{Deployment, Event, GateHandle};
use interlock_rules::{Permit, RunReading, Sibling};
use interlock_runtime::config::{Connection, Faults};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;
use interlock_runtime::webhook::{
    Encoding, HmacSignature, NotAuthentic, Parsed, Unreadable, Verified, Webhook, WebhookSource,
    check_nesting,
};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Adapter, Artifact, LookBack, Place, Platform, PlatformError};
use client::{Call, Client};
use gate::Gate;
use settings::Settings;
use siblings::Links;
use webhook::Origin;

/// `kind` of its connections.
pub(crate) const KIND: &str = "github";
/// GitHub sends no larger payload (docs: "Webhook events and payloads", payload cap).
const BODY_BYTES_MAX: usize = 25_000_000;
/// GitHub fails a job that waits for longer (docs: "Reviewing deployments").
const GATE_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// One connection to GitHub, as one App.
pub struct GitHub {
    origin: Origin,
    signature: HmacSignature,
    client: Client,
    links: Links,
}

impl Adapter for GitHub {
    const KIND: &'static str = KIND;

    fn new(
        connection: &Connection,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        store: Option<Arc<dyn Store>>,
    ) -> Result<Self, Faults> {
        let settings = Settings::of(connection)?;
        let Connection { name, tenant, aliases, .. } = connection;
        let origin = Origin {
            tenant: tenant.clone(),
            key_name: aliases.first().unwrap_or(name).clone(),
            name: name.clone(),
            source: format!("/tenants/{tenant}/connections/{name}"),
            base: settings.base.clone(),
        };
        let signature = HmacSignature::new(SIGNATURE, Encoding::Hex).with_prefix("sha256=");
        Ok(Self {
            origin,
            signature,
            client: Client::new(http, clock, store, settings),
            links: Links::default(),
        })
    }
}

/// What tells the body of one event from another's (docs: "Webhook events and payloads").
const RECORDED: [(&str, &str); 4] = [
    ("deployment_callback_url", "deployment_protection_rule"),
    ("deployment_status", "deployment_status"),
    ("deployment", "deployment"),
    ("workflow_run", "workflow_run"),
];

impl WebhookSource for GitHub {
    fn connection(&self) -> &str {
        &self.origin.name
    }

    fn source_uri(&self) -> String {
        self.origin.source.clone()
    }

    fn body_limit(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn verify(&self, webhook: Webhook) -> Result<Verified, NotAuthentic> {
        self.signature.verify(webhook, &self.secrets()?)
    }

    fn delivery_id(&self, webhook: &Verified) -> Option<String> {
        header(webhook, "x-github-delivery").map(str::to_owned)
    }

    fn parse(&self, webhook: &Verified) -> Result<Parsed, Unreadable> {
        let name = header(webhook, "x-github-event")
            .ok_or_else(|| payload::unreadable("header x-github-event", "missing"))?;
        webhook::translate(&self.origin, name, &webhook.body, webhook.received_at)
    }

    fn recorded(&self, body: &[u8], received_at: DateTime<Utc>) -> Result<Parsed, Unreadable> {
        check_nesting(body)?;
        let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(body)?;
        let name =
            RECORDED.iter().find(|(field, _)| fields.contains_key(*field)).map_or("", |(_, name)| name);
        webhook::translate(&self.origin, name, body, received_at)
    }
}

#[async_trait]
impl Platform for GitHub {
    fn gate_limit(&self) -> Duration {
        GATE_LIMIT
    }

    async fn read(&self, gate: &GateHandle, deployment: &Deployment) -> Result<RunReading, PlatformError> {
        run::read(&self.client, &Gate::of(gate)?, deployment).await
    }

    async fn mark(&self, gate: &GateHandle) -> Result<Option<String>, PlatformError> {
        run::mark(&self.client, &Gate::of(gate)?).await
    }

    async fn siblings(
        &self,
        gate: &GateHandle,
        deployment: &Deployment,
    ) -> Result<Vec<Sibling>, PlatformError> {
        siblings::read(&self.client, &self.links, &Gate::of(gate)?, deployment).await
    }

    async fn release(
        &self,
        gate: &GateHandle,
        permit: Permit,
        comment: &str,
        deadline: Instant,
    ) -> Result<(), PlatformError> {
        let is_fresh = || match permit.is_fresh(self.client.now()) {
            true => Ok(()),
            false => Err(PlatformError::Transient("the permit has gone stale: nothing was sent".into())),
        };
        self.answer(gate, Some("approved"), comment, deadline, is_fresh).await
    }

    async fn reject(&self, gate: &GateHandle, reason: &str, deadline: Instant) -> Result<(), PlatformError> {
        self.answer(gate, Some("rejected"), reason, deadline, || Ok(())).await
    }

    async fn cancel(&self, gate: &GateHandle, deadline: Instant) -> Result<(), PlatformError> {
        let gate = Gate::of(gate)?;
        let path = format!("{}/cancel", gate.run());
        let call =
            Call { installation: &gate.installation_id, path: &path, what: "canceling the run", deadline };
        self.client.post(call, None, || Ok(())).await
    }

    async fn report(&self, gate: &GateHandle, text: &str, deadline: Instant) -> Result<(), PlatformError> {
        self.answer(gate, None, text, deadline, || Ok(())).await
    }

    async fn artifacts(&self, place: &GateHandle) -> Result<Vec<Artifact>, PlatformError> {
        artifacts::list(&self.client, &Gate::of(place)?).await
    }

    async fn artifact(&self, place: &GateHandle, id: &str) -> Result<Bytes, PlatformError> {
        artifacts::content(&self.client, &Gate::of(place)?, id).await
    }

    async fn undelivered(&self, since: DateTime<Utc>) -> Result<LookBack, PlatformError> {
        deliveries::undelivered(&self.client, since).await
    }

    async fn read_back(&self, delivery: &str) -> Result<Option<Verified>, PlatformError> {
        deliveries::read_back(&self.client, delivery).await
    }

    async fn send_again(&self, delivery: &str) -> Result<(), PlatformError> {
        deliveries::send_again(&self.client, delivery).await
    }

    fn place_of(&self, gate: &GateHandle) -> Option<Place> {
        Place::of(gate, &waiting::PLACE)
    }

    async fn places(&self, page: u32) -> Result<Option<Vec<Place>>, PlatformError> {
        waiting::places(&self.client, page).await
    }

    async fn waiting(&self, place: &Place, calls: &mut u32) -> Result<Vec<Event>, PlatformError> {
        waiting::waiting(&self.client, &self.origin, place, calls).await
    }
}

impl GitHub {
    /// Decides the gate, or without a state only reports (docs: "Review custom deployment protection
    /// rules for a workflow run").
    async fn answer(
        &self,
        gate: &GateHandle,
        state: Option<&str>,
        comment: &str,
        deadline: Instant,
        may_send: impl Fn() -> Result<(), PlatformError> + Send + Sync,
    ) -> Result<(), PlatformError> {
        let gate = Gate::of(gate)?;
        let path = format!("{}/deployment_protection_rule", gate.run());
        let mut body = json!({
            "environment_name": gate.environment,
            "comment": reading::comment(comment, &gate.deployment_id),
        });
        if let Some(state) = state {
            body["state"] = Value::from(state);
        }
        let what = match state {
            Some("approved") => "approving the gate",
            Some(_) => "rejecting the gate",
            None => "reporting to the gate",
        };
        let call = Call { installation: &gate.installation_id, path: &path, what, deadline };
        self.client.post(call, Some(&body), may_send).await
    }

    /// The secrets as they stand now. One that cannot be had does not stop the others.
    fn secrets(&self) -> Result<Vec<SecretString>, NotAuthentic> {
        let (mut secrets, mut fault) = (Vec::new(), None);
        for reference in &self.client.settings.webhook_secrets {
            match reference.resolve() {
                Ok(secret) => secrets.push(secret),
                Err(error) => fault = Some(error),
            }
        }
        match fault {
            Some(error) if secrets.is_empty() => Err(NotAuthentic::NoSecret(error.to_string())),
            Some(error) => {
                tracing::warn!(connection.name = %self.origin.name, %error, "a webhook secret cannot be read");
                Ok(secrets)
            }
            None => Ok(secrets),
        }
    }
}

fn header<'a>(webhook: &'a Verified, name: &str) -> Option<&'a str> {
    webhook.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
