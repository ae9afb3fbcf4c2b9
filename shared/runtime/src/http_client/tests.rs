//! Against real sockets: what was sent, what was not, and what nobody knows.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{any, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Reads a request, answers with `answer` and closes.
async fn serve_raw(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn send(
    address: SocketAddr,
    path: &str,
    deadline: Duration,
) -> Result<http::Response<Bytes>, HttpError> {
    let request =
        http::Request::post(format!("http://{address}{path}")).body(Bytes::from_static(b"ping")).unwrap();
    ReqwestHttp::new().unwrap().send(request, Instant::now() + deadline).await
}

const AMPLE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_request_arrives_as_it_was_built_and_its_answer_is_read_whole() {
    let echo = |headers: HeaderMap, body: String| async move {
        let agent = headers[header::USER_AGENT].to_str().unwrap().to_owned();
        (StatusCode::CREATED, [("x-answer", "yes")], format!("{agent} {body}"))
    };
    let address = serve(Router::new().route("/echo", any(echo))).await;
    let answer = send(address, "/echo", AMPLE).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["x-answer"], "yes");
    assert_eq!(answer.body(), &format!("{USER_AGENT} ping"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let moved = || async { (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]) };
    let address = serve(Router::new().route("/", any(moved)).route("/elsewhere", any(|| async {}))).await;
    assert_eq!(send(address, "/", AMPLE).await.unwrap().status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_closed_port_means_not_sent() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(address, "/", AMPLE).await.unwrap_err();
    assert!(matches!(&error, HttpError::NotSent { host, .. } if *host == address.to_string()), "{error}");
}

#[tokio::test]
async fn a_deadline_that_is_over_means_not_sent() {
    let address = serve(Router::new().route("/", any(|| async {}))).await;
    let error = send(address, "/", Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, HttpError::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_cut_after_the_request_means_unknown() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let error = send(serve_raw(answer).await, "/", AMPLE).await.unwrap_err();
        assert!(matches!(error, HttpError::Unknown { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_by_the_deadline_means_unknown() {
    let silent = Router::new().route("/", any(std::future::pending::<()>));
    let error = send(serve(silent).await, "/", Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, HttpError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let sized = |bytes: usize| any(move || async move { Body::from(vec![b'x'; bytes]) });
    let router =
        Router::new().route("/fits", sized(ANSWER_BYTES_MAX)).route("/exceeds", sized(ANSWER_BYTES_MAX + 1));
    let address = serve(router).await;
    assert_eq!(send(address, "/fits", AMPLE).await.unwrap().body().len(), ANSWER_BYTES_MAX);
    let error = send(address, "/exceeds", AMPLE).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: ANSWER_BYTES_MAX, .. }), "{error}");
}

#[tokio::test]
async fn errors_show_neither_query_nor_password() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let address = serve(Router::new().route("/", get(|| async {}))).await;
    for (url, deadline) in [
        (format!("http://user:hunter2@{closed}/?token=hunter2"), AMPLE),
        (format!("ftp://user:hunter2@{address}/?token=hunter2"), AMPLE),
    ] {
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        let sent = ReqwestHttp::new().unwrap().send(request, Instant::now() + deadline).await;
        let said = format!("{:?}", sent.unwrap_err());
        assert!(!said.contains("hunter2"), "{said}");
    }
}
