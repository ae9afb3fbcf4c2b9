use interlock_events::{AttributesReader, DeploymentRequested, EventData, traceparent_of};

use super::*;

#[tokio::test]
async fn a_webhook_is_published_and_then_answered_202() {
    let lab = Lab::new("accepted").await;
    let answer = lab.send("d-1", &asked(1)).await;
    assert_eq!((answer.status, answer.body), (StatusCode::ACCEPTED, json!({ "events": 1 })));
    assert_eq!(lab.broker.published()[0].ty(), DeploymentRequested::TYPE);
}

#[tokio::test]
async fn the_trace_of_the_request_goes_into_its_events() {
    let lab = Lab::new("traced").await;
    let arrived = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = lab.webhook("d-1", &asked(1)).header("traceparent", arrived).body(asked(1).into()).unwrap();
    lab.call(request).await;
    lab.send("d-2", &asked(2)).await;
    let traces: Vec<_> = lab.broker.published().iter().map(|event| traceparent_of(event).unwrap()).collect();
    assert_eq!(traces[0][..36], arrived[..36], "the sender's trace goes on");
    assert!(traces[1].len() == 55 && traces[1][..36] != arrived[..36], "one begins: {}", traces[1]);
}

#[tokio::test]
async fn an_event_that_we_do_not_act_on_is_taken_in_and_counted_by_a_known_kind() {
    let lab = Lab::new("unasked").await;
    for name in ["ping", "made-up-by-the-sender"] {
        let request = lab.webhook("d-1", "{}");
        let mut request = request.body(Body::from("{}")).unwrap();
        request.headers_mut().insert("x-github-event", name.parse().unwrap());
        let answer = lab.call(request).await;
        assert_eq!((answer.status, answer.body), (StatusCode::ACCEPTED, json!({ "events": 0 })));
    }
    assert_eq!(lab.published(), 0);
    let metrics = telemetry().metrics.render();
    for kind in ["ping", "other"] {
        let line = format!("interlock_ingress_webhooks_total{{connection=\"unasked\",kind=\"{kind}\"}} 1");
        assert!(metrics.contains(&line), "{kind}");
    }
}

#[tokio::test]
async fn a_repeat_is_answered_202_and_not_published_again() {
    let lab = Lab::new("repeated").await;
    lab.send("d-1", &asked(1)).await;
    let again = lab.send("d-1", &asked(1)).await;
    assert_eq!((again.status, again.body), (StatusCode::ACCEPTED, json!({ "events": 0, "duplicate": true })));
    assert_eq!(lab.published(), 1);
}

#[tokio::test]
async fn another_body_under_the_same_delivery_id_is_no_repeat() {
    let lab = Lab::new("same-id").await;
    lab.send("d-1", &asked(1)).await;
    assert_eq!(lab.send("d-1", &asked(2)).await.body, json!({ "events": 1 }));
    assert_eq!(lab.published(), 2);
}

#[tokio::test]
async fn no_hint_is_kept_of_what_was_not_confirmed() {
    let lab = Lab::new("unconfirmed").await;
    lab.broker.refuse.store(1, Ordering::SeqCst);
    assert_eq!(lab.send("d-1", &asked(1)).await.problem(), (503, "not-confirmed"));
    assert!(lab.store.keys().is_empty());
    assert_eq!(lab.send("d-1", &asked(1)).await.body, json!({ "events": 1 }));
    assert_eq!(lab.store.keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_costs_the_hint_alone() {
    let lab = Lab::new("storeless").await;
    lab.store.gone.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(lab.send("d-1", &asked(1)).await.body, json!({ "events": 1 }));
    }
    let published = lab.broker.published();
    assert_eq!(published[0].id(), published[1].id(), "the repeat has the same id");
}
