//! A plain door for webhooks: verify, translate, publish. Without the bounds that ingress sets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::signals::Shutdown;
use interlock_runtime::webhook::{Webhook, WebhookSource, check_nesting};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::wiring::Wiring;

#[derive(Clone)]
struct Door {
    sources: Arc<BTreeMap<String, Arc<dyn WebhookSource>>>,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
}

/// Binds and serves it.
pub async fn begin(
    wiring: &Wiring,
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &Shutdown,
) -> anyhow::Result<SocketAddr> {
    let context = &wiring.context;
    let sources = Arc::new(wiring.sources()?);
    let door = Door { sources, broker: context.broker.clone(), clock: context.clock.clone() };
    let router = Router::new().route("/webhooks/{connection}", post(take)).with_state(door);
    let listen = wiring.config.ingress.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("ingress.listen: cannot listen at {listen}"))?;
    let bound = listener.local_addr()?;
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        let served = axum::serve(listener, router);
        Ok(served.with_graceful_shutdown(async move { shutdown.begun().await }).await?)
    });
    Ok(bound)
}

async fn take(
    State(door): State<Door>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Some(source) = door.sources.get(&connection) else { return StatusCode::NOT_FOUND };
    let webhook = Webhook { headers, body, received_at: door.clock.now() };
    let Ok(verified) = source.verify(webhook) else { return StatusCode::UNAUTHORIZED };
    let parsed = check_nesting(&verified.body).and_then(|()| source.parse(&verified));
    let Ok(parsed) = parsed else { return StatusCode::BAD_REQUEST };
    match door.broker.publish(&parsed.events, false).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(fault) => {
            tracing::warn!(%connection, %fault, "a webhook is not taken");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
