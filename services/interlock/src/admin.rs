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

#[cfg(test)]
mod tests {
    use std::path::Path as Folder;
    use std::time::Duration;

    use axum::body::Body;
    use chrono::DateTime;
    use interlock_broker::embedded::Embedded;
    use interlock_events::{RunFinished, event};
    use interlock_runtime::ports::broker::{Prefetch, Settlement, Then};
    use interlock_runtime::ports::clock::SystemClock;
    use tower::ServiceExt;

    use super::*;

    fn config(folder: &Folder, listen: &str) -> Config {
        let text = format!(
            "broker: embedded:{0}\nstore: embedded:{0}\nadmin: {{ listen: \"{listen}\" }}\n",
            folder.display()
        );
        Config::parse("test", &text, std::iter::empty()).unwrap()
    }

    /// A broker in which one delivery of approval-worker died.
    async fn broker(folder: &Folder) -> Arc<dyn Broker> {
        let broker = Embedded::open(folder, Arc::new(SystemClock)).unwrap();
        let fact: RunFinished = serde_json::from_value(serde_json::json!({
            "tenant": "default", "connection": "github", "outcome": "failed", "sha": "4f0c2a9be1d7",
            "project": { "id": "70012", "name": "acme/payments-api" },
            "run": { "id": "1", "attempt": 1 }, "at": "2026-03-01T10:00:00Z",
        }))
        .unwrap();
        broker.publish(&[event("/s", DateTime::UNIX_EPOCH, &fact)], false).await.unwrap();
        let mut inbox =
            broker.consume(approval_worker::NAME, Prefetch { intake: 1, watch: 1 }).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(10), inbox.next());
        let delivered = next.await.unwrap().unwrap().unwrap();
        let then = Then::Dead { reason: "it cannot be read".to_owned(), attempts: 1 };
        let settlement = Settlement { publish: Vec::new(), then };
        inbox.settler().settle(&delivered.receipt, &settlement).await.unwrap();
        inbox.stop().await;
        broker
    }

    async fn post(router: &Router, path: &str, header: Option<&str>) -> StatusCode {
        let request = header.iter().fold(Request::post(path), |request, name| request.header(*name, "test"));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_dead_letter_is_given_back_to_a_tool_that_says_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let letters = broker.dead_letters(approval_worker::NAME, 10).await.unwrap();
        let path = replay_path(approval_worker::NAME, &letters[0].id);
        let config = config(folder.path(), "127.0.0.1:0");
        let router = routes(&config, broker.clone(), Arc::new(SystemClock));
        assert_eq!(post(&router, &path, None).await, StatusCode::FORBIDDEN);
        assert_eq!(post(&router, &path, Some(TOOL_HEADER)).await, StatusCode::NO_CONTENT);
        assert!(broker.dead_letters(approval_worker::NAME, 10).await.unwrap().is_empty());
        assert_eq!(post(&router, &path, Some(TOOL_HEADER)).await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn no_writes_are_taken_where_other_machines_could_send_them() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let router = routes(&config(folder.path(), "0.0.0.0:9464"), broker, Arc::new(SystemClock));
        let path = replay_path(approval_worker::NAME, "1");
        assert_eq!(post(&router, &path, Some(TOOL_HEADER)).await, StatusCode::NOT_FOUND);
    }
}
