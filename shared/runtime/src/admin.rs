//! The admin listener: liveness, readiness, metrics, and what a role adds to them. One a process.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::health::Health;
use crate::signals::Shutdown;

/// Prometheus' text format, as its page "Exposition formats" names it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How often histograms are folded; without it they grow as long as nobody asks for the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// The routes of the admin listener; ingress serves the health routes at its own door too.
pub fn routes(health: Health, metrics: PrometheusHandle) -> Router {
    health_routes(health).route("/metrics", get(exposition)).with_state(metrics)
}

/// `/health/live` and `/health/ready`.
pub fn health_routes<S: Clone + Send + Sync + 'static>(health: Health) -> Router<S> {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(move || ready(health.clone())))
}

/// Serves the admin routes and `extra` until the shutdown begins; requests in hand are answered.
///
/// The listener is bound, and its address known, when this returns.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    health: Health,
    metrics: PrometheusHandle,
    extra: Router,
    shutdown: Shutdown,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(listen).await?;
    let bound = listener.local_addr()?;
    let router = routes(health, metrics.clone()).merge(extra);
    let task = tokio::spawn(async move {
        let until = shutdown.clone();
        let server = axum::serve(listener, router).with_graceful_shutdown(async move { until.begun().await });
        tokio::select! {
            served = server => if let Err(error) = served {
                tracing::error!(%error, "the admin listener stopped");
            },
            () = keep_up(metrics) => {}
        }
    });
    Ok((bound, task))
}

async fn ready(health: Health) -> impl IntoResponse {
    let not_ready = health.not_ready();
    if not_ready.is_empty() {
        (StatusCode::OK, Json(json!({ "status": "ready" })))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "not_ready": not_ready })))
    }
}

async fn exposition(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics.render())
}

async fn keep_up(metrics: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt;

    use super::*;

    fn metrics() -> PrometheusHandle {
        PrometheusBuilder::new().build_recorder().handle()
    }

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_not_ready_says_why_and_is_alive() {
        let health = Health::new();
        health.set("broker", Err("connection refused".to_owned()));
        let router = routes(health.clone(), metrics());
        let (status, body) = ask(router.clone(), "/health/ready").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        insta::assert_snapshot!(body, @r#"{"not_ready":[{"age_seconds":0,"name":"broker","reason":"connection refused"}],"status":"not ready"}"#);
        assert_eq!(ask(router.clone(), "/health/live").await.0, StatusCode::OK);
        health.set("broker", Ok(()));
        assert_eq!(ask(router, "/health/ready").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_are_given_as_text() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || metrics::counter!("interlock_tests_total").increment(3));
        let (status, body) = ask(routes(Health::new(), handle), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("interlock_tests_total 3"), "{body}");
    }

    #[tokio::test]
    async fn the_listener_serves_what_a_role_adds_until_the_shutdown() {
        let shutdown = Shutdown::new();
        let extra = Router::new().route("/tools", get(|| async { "here" }));
        let any = ([127, 0, 0, 1], 0).into();
        let (address, task) = serve(any, Health::new(), metrics(), extra, shutdown.clone()).await.unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build().unwrap();
        let answer = client.get(format!("http://{address}/tools")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "here");
        drop(client);
        shutdown.begin();
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    }
}
