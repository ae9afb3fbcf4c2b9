//! The tools' writes, for where a file is held by this process: beside health and metrics, on this machine only.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;

/// A browser does not send it to a foreign origin without asking first (Fetch, "CORS-preflight fetch"),
/// so that no web page can write through a person's machine.
pub const TOOL_HEADER: &str = "x-interlock-tool";

#[derive(Clone)]
struct Desk {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
}

/// The routes; none where tools reach the broker themselves, or where others than this machine could call.
pub fn routes(config: &Config, broker: Arc<dyn Broker>, clock: Arc<dyn Clock>) -> Router {
    let embedded = matches!(config.broker.place, Place::Embedded(_));
    if !embedded || !config.admin.listen.ip().is_loopback() {
        return Router::new();
    }
    Router::new()
        .route("/admin/dead-letters/{worker}/{id}/replay", post(replay))
        .layer(from_fn(tools_only))
        .with_state(Desk { broker, clock })
}

/// Where one dead letter is replayed.
pub fn replay_path(worker: &str, id: &str) -> String {
    format!("/admin/dead-letters/{worker}/{id}/replay")
}

async fn tools_only(request: Request, next: Next) -> Response {
    if request.headers().contains_key(TOOL_HEADER) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, format!("send the header {TOOL_HEADER}")).into_response()
    }
}

async fn replay(State(desk): State<Desk>, Path((worker, id)): Path<(String, String)>) -> Response {
    match desk.broker.replay_dead_letter(&worker, &id, &desk.clock.tag()).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => (StatusCode::NOT_FOUND, "no such dead letter").into_response(),
        Err(fault) => (StatusCode::SERVICE_UNAVAILABLE, fault.to_string()).into_response(),
    }
}
