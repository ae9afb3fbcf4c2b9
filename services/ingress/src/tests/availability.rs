use super::*;

#[tokio::test(start_paused = true)]
async fn a_publication_that_is_not_confirmed_in_a_second_is_answered_503() {
    let lab = Lab::new("silent").await;
    lab.broker.hang.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let answer = lab.send("d-1", &asked(1)).await;
    assert_eq!(answer.problem(), (503, "not-confirmed"));
    assert_eq!(answer.retry_after.as_deref(), Some("5"));
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(lab.counted("not-confirmed"), 1);
}

#[tokio::test]
async fn without_every_core_queue_webhooks_are_answered_503() {
    let lab = Lab::new("queueless").await;
    lab.broker.missing.store(true, Ordering::SeqCst);
    lab.ingress.look().await;
    let answer = lab.send("d-1", &asked(1)).await;
    assert_eq!((answer.problem(), answer.retry_after.as_deref()), ((503, "not-ready"), Some("5")));
    let ready = Request::get("/health/ready").body(Body::empty()).unwrap();
    let ready = lab.call(ready).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body.to_string().contains("interlock.change-worker"), "{}", ready.body);
    lab.broker.missing.store(false, Ordering::SeqCst);
    lab.ingress.look().await;
    assert_eq!(lab.send("d-1", &asked(1)).await.status, StatusCode::ACCEPTED);
    assert_eq!((lab.counted("not-ready"), lab.published()), (1, 1));
}

#[tokio::test]
async fn a_process_lives_also_while_it_is_not_ready() {
    let lab = Lab::new("living").await;
    lab.ingress.set_ready(Err("no broker".into()));
    let live = Request::get("/health/live").body(Body::empty()).unwrap();
    assert_eq!(lab.call(live).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_broker_is_looked_at_every_ten_seconds_and_after_a_failure() {
    let lab = Lab::new("watched").await;
    let shutdown = interlock_runtime::signals::Shutdown::new();
    let looking = tokio::spawn(lab.ingress.clone().keep_looking(shutdown.clone()));
    let looks = || lab.broker.checks.load(Ordering::SeqCst);
    let began = Instant::now();
    lab.until(|| looks() == 4).await;
    let seconds = began.elapsed().as_secs();
    assert_eq!(seconds, 20, "one by the test, then at 0, 10 and 20 s");
    lab.broker.refuse.store(1, Ordering::SeqCst);
    lab.broker.missing.store(true, Ordering::SeqCst);
    lab.send("d-1", &asked(1)).await;
    let refused = Instant::now();
    lab.until(|| looks() == 5 && !lab.ingress.is_ready()).await;
    assert!(refused.elapsed() < Duration::from_secs(3), "soon, not at the next turn");
    shutdown.begin();
    looking.await.unwrap();
    assert!(!lab.ingress.is_ready());
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_may_be_in_hand_are_answered_503() {
    let lab = Lab::with("crowded", 1).await;
    lab.broker.hang.store(true, Ordering::SeqCst);
    let (body, other) = (asked(1), asked(2));
    let (first, second) = tokio::join!(lab.send("d-1", &body), lab.send("d-2", &other));
    assert_eq!((first.problem(), second.problem()), ((503, "not-confirmed"), (503, "busy")));
    lab.broker.hang.store(false, Ordering::SeqCst);
    assert_eq!(lab.send("d-2", &other).await.status, StatusCode::ACCEPTED, "its place is free again");
    assert_eq!(lab.counted("busy"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let lab = Lab::new("stalled").await;
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = lab.call(lab.webhook("d-1", "").body(stalled).unwrap()).await;
    assert_eq!(answer.problem(), (408, "incomplete"));
    assert_eq!((lab.counted("incomplete"), lab.published()), (1, 0));
}
