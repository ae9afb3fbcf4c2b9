//! The tools' writes, for where a file is held by this process: beside health and metrics, on this machine only.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;

use crate::hand::{self, Wish};

/// Where tools post what they want done.
pub const TOOLS_PATH: &str = "/admin/tools";
/// A page of events of the log fits in.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
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
        .route(TOOLS_PATH, post(carry_out))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(tools_only))
        .with_state(Desk { broker, clock })
}

async fn tools_only(request: Request, next: Next) -> Response {
    if request.headers().contains_key(TOOL_HEADER) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, format!("send the header {TOOL_HEADER}")).into_response()
    }
}

async fn carry_out(State(desk): State<Desk>, Json(wish): Json<Wish>) -> Response {
    match hand::at(&*desk.broker, &*desk.clock, &wish).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => (StatusCode::NOT_FOUND, "no such dead letter").into_response(),
        Err(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault:#}")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use interlock_runtime::ports::clock::SystemClock;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::tests::{WORKER, broker, config};

    async fn post(router: &Router, id: &str, header: Option<&str>) -> StatusCode {
        let wish = json!({ "resolve": { "worker": WORKER, "id": id, "how": "replayed" } });
        let request = Request::post(TOOLS_PATH).header("content-type", "application/json");
        let request = header.iter().fold(request, |request, name| request.header(*name, "test"));
        router.clone().oneshot(request.body(Body::from(wish.to_string())).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_dead_letter_is_given_back_to_a_tool_that_says_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let letters = broker.dead_letters(WORKER, 10).await.unwrap();
        let id = &letters[0].id;
        let config = config(folder.path(), "127.0.0.1:0".parse().unwrap());
        let router = routes(&config, broker.clone(), Arc::new(SystemClock));
        assert_eq!(post(&router, id, None).await, StatusCode::FORBIDDEN);
        assert_eq!(post(&router, id, Some(TOOL_HEADER)).await, StatusCode::NO_CONTENT);
        assert!(broker.dead_letters(WORKER, 10).await.unwrap().is_empty());
        assert_eq!(post(&router, id, Some(TOOL_HEADER)).await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn no_writes_are_taken_where_other_machines_could_send_them() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let router =
            routes(&config(folder.path(), "0.0.0.0:9464".parse().unwrap()), broker, Arc::new(SystemClock));
        assert_eq!(post(&router, "1", Some(TOOL_HEADER)).await, StatusCode::NOT_FOUND);
    }
}
