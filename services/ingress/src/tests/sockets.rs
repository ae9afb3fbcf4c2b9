use interlock_runtime::signals::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn on_the_wire(lab: &Lab, body: &str) -> String {
    format!(
        "POST /webhooks/{} HTTP/1.1\r\nhost: ingress\r\ncontent-type: application/json\r\n\
         x-github-event: deployment_protection_rule\r\nx-github-delivery: d-1\r\n\
         x-hub-signature-256: {}\r\ncontent-length: {}\r\n\r\n{body}",
        lab.connection,
        signature(body),
        body.len()
    )
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn what_is_in_hand_at_the_shutdown_is_still_answered() {
    let lab = Lab::new("drained").await;
    let shutdown = Shutdown::new();
    let serving = lab.ingress.clone().serve(ANY_PORT.into(), Duration::from_secs(20), shutdown.clone());
    let (address, ended) = serving.await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = on_the_wire(&lab, &asked(1));
    let (head, tail) = request.split_at(request.len() - 10);
    stream.write_all(head.as_bytes()).await.unwrap();
    let taken = async {
        while lab.ingress.inner.in_flight.available_permits() == 16 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken).await.unwrap();
    shutdown.begin();
    stream.write_all(tail.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202") && answer.ends_with(r#"{"events":1}"#), "{answer}");
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the door is closed");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let lab = Lab::new("headless").await;
    let serving = lab.ingress.clone().serve(ANY_PORT.into(), Duration::from_secs(1), Shutdown::new());
    let (address, ended) = serving.await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /webhooks/headless HTTP/1.1\r\nhost: ingress\r\n").await.unwrap();
    rest(&mut stream).await;
    assert_eq!(lab.published(), 0);
    ended.abort();
}
