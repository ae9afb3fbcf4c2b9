//! `POST /webhooks/{connection}`: an answer of 2xx means that every core queue that wants the events has them, or the spool.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use interlock_events::{Event, with_traceparent};
use interlock_runtime::telemetry;
use interlock_runtime::webhook::{NotAuthentic, Parsed, Verified, Webhook, WebhookSource, check_nesting};
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::problem::Problem;
use crate::{Ingress, body};

/// A Store that is slower than this costs more than its hint saves.
const HINT_TIMEOUT: Duration = Duration::from_millis(250);
/// A delivery can be asked for again for three days (GitHub docs: "Redelivering webhooks").
const HINT_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
const DELIVERY_ID_BYTES_MAX: usize = 128;

/// What became of a webhook that was taken in.
enum Taken {
    Kept(usize),
    Repeat,
}

pub(crate) async fn take_in(
    State(ingress): State<Ingress>,
    Path(connection): Path<String>,
    request: Request,
) -> Response {
    let Some(source) = ingress.inner.parts.sources.get(&connection) else {
        Problem::UnknownConnection.count("unknown");
        return Problem::UnknownConnection.into_response();
    };
    let connection = source.connection();
    let span = tracing::info_span!(
        "webhook",
        otel.kind = "server",
        http.route = "/webhooks/{connection}",
        connection.name = connection,
    );
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    telemetry::set_parent(&span, traceparent);
    match ingress.take(&**source, request).instrument(span).await {
        Ok(Taken::Kept(events)) => accepted(&json!({ "events": events })),
        Ok(Taken::Repeat) => accepted(&json!({ "events": 0, "duplicate": true })),
        Err(problem) => {
            problem.count(connection);
            problem.into_response()
        }
    }
}

fn accepted(body: &serde_json::Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::ACCEPTED, content_type, body.to_string()).into_response()
}

impl Ingress {
    async fn take(&self, source: &dyn WebhookSource, request: Request) -> Result<Taken, Problem> {
        if !self.is_ready() {
            return Err(Problem::NotReady);
        }
        let _in_hand = self.inner.in_flight.try_acquire().map_err(|_| Problem::Busy)?;
        let (parts, body) = request.into_parts();
        let (body, _weight) = self.body(source, &parts.headers, body).await?;
        let received_at = self.inner.parts.clock.now();
        let webhook = verify(source, Webhook { headers: parts.headers, body, received_at })?;
        let hint = hint_of(source, &webhook);
        if self.is_repeat(hint.as_deref()).await {
            metrics::counter!("interlock_ingress_duplicates_total", "connection" => source.connection().to_owned())
                .increment(1);
            return Ok(Taken::Repeat);
        }
        let events = translate(source, &webhook)?;
        self.keep(&events).await?;
        if !events.is_empty() {
            self.remember(hint.as_deref()).await;
        }
        Ok(Taken::Kept(events.len()))
    }

    /// The body, and its share of what all bodies may take while it is held.
    async fn body(
        &self,
        source: &dyn WebhookSource,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Bytes, tokio::sync::SemaphorePermit<'_>), Problem> {
        body::check_type(headers)?;
        let limit = source.body_limit().min(self.inner.parts.limits.body_bytes);
        let length = body::announced(headers, limit)?;
        let weight = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        let weight = self.inner.bodies.try_acquire_many(weight).map_err(|_| Problem::Busy)?;
        Ok((body::read(body, length).await?, weight))
    }

    /// A Store that does not answer has no hint: the event's id makes the repeat harmless then.
    async fn is_repeat(&self, hint: Option<&str>) -> bool {
        let Some(hint) = hint else { return false };
        let held = tokio::time::timeout(HINT_TIMEOUT, self.inner.parts.store.get(hint)).await;
        matches!(held, Ok(Ok(Some(_))))
    }

    /// Only after the confirm, or the write to the disk: a hint set before it would make the sender's next try useless.
    async fn remember(&self, hint: Option<&str>) {
        let Some(hint) = hint else { return };
        let put = self.inner.parts.store.put(hint, "1", HINT_LIFE);
        if !matches!(tokio::time::timeout(HINT_TIMEOUT, put).await, Ok(Ok(()))) {
            tracing::debug!("no hint of this delivery was kept");
        }
    }
}

fn verify(source: &dyn WebhookSource, webhook: Webhook) -> Result<Verified, Problem> {
    source.verify(webhook).map_err(|reason| match reason {
        NotAuthentic::NoSecret(_) => {
            tracing::error!(%reason, "webhooks cannot be verified");
            Problem::NoSecret
        }
        _ => {
            tracing::info!(%reason, "a webhook is not authentic");
            Problem::NotAuthentic
        }
    })
}

fn translate(source: &dyn WebhookSource, webhook: &Verified) -> Result<Vec<Event>, Problem> {
    let parsed = check_nesting(&webhook.body).and_then(|()| source.parse(webhook));
    let Parsed { kind, mut events } = parsed.map_err(|fault| {
        tracing::warn!(%fault, "a webhook cannot be read");
        Problem::Unreadable(fault)
    })?;
    metrics::counter!(
        "interlock_ingress_webhooks_total",
        "connection" => source.connection().to_owned(), "kind" => kind
    )
    .increment(1);
    let traceparent = telemetry::inject();
    for event in &mut events {
        with_traceparent(event, traceparent.as_deref());
    }
    Ok(events)
}

/// Connection, delivery and body: the same delivery id with another body is another webhook.
fn hint_of(source: &dyn WebhookSource, webhook: &Verified) -> Option<String> {
    let plain =
        |id: &String| id.len() <= DELIVERY_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    let id = source.delivery_id(webhook).filter(plain)?;
    Some(format!("hint:{}:{id}:{}", source.connection(), hex::encode(Sha256::digest(&webhook.body))))
}
