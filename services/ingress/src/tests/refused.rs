use super::*;

#[tokio::test]
async fn a_signature_that_is_missing_wrong_or_cut_is_not_authentic() {
    let lab = Lab::new("unsigned").await;
    let body = asked(1);
    let whole = signature(&body);
    let other = signature(&asked(2));
    for (count, sent) in [None, Some(&*other), Some(&whole[..40]), Some("")].into_iter().enumerate() {
        let mut request = lab.webhook("d-1", &body).body(Body::from(body.clone())).unwrap();
        match sent {
            Some(sent) => drop(request.headers_mut().insert("x-hub-signature-256", sent.parse().unwrap())),
            None => drop(request.headers_mut().remove("x-hub-signature-256")),
        }
        let answer = lab.call(request).await;
        assert_eq!(answer.problem(), (401, "not-authentic"), "{sent:?}");
        assert!(!answer.body.to_string().contains(&whole[7..]), "the expected signature is not told");
        assert_eq!(lab.counted("not-authentic"), count + 1);
    }
    assert_eq!(lab.published(), 0);
}

#[tokio::test]
async fn what_is_not_plain_json_is_an_unsupported_media_type() {
    let lab = Lab::new("form").await;
    let cases = [("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "gzip")];
    for (header, value) in cases {
        let mut request = lab.webhook("d-1", &asked(1)).body(Body::from(asked(1))).unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        assert_eq!(lab.call(request).await.problem(), (415, "unsupported-media-type"), "{value}");
    }
    let mut utf8 = lab.webhook("d-1", &asked(1)).body(Body::from(asked(1))).unwrap();
    utf8.headers_mut().insert("content-type", "Application/JSON; charset=utf-8".parse().unwrap());
    assert_eq!(lab.call(utf8).await.status, StatusCode::ACCEPTED);
    assert_eq!((lab.counted("unsupported-media-type"), lab.published()), (2, 1));
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large_whether_announced_or_not() {
    let lab = Lab::new("large").await;
    let body = asked(1) + &" ".repeat(LIMIT + 1 - asked(1).len());
    let announced = lab.webhook("d-1", &body).header("content-length", LIMIT + 1);
    assert_eq!(lab.call(announced.body(Body::empty()).unwrap()).await.problem(), (413, "too-large"));
    let chunked = lab.webhook("d-1", &body).body(Body::from(body.clone())).unwrap();
    assert_eq!(lab.call(chunked).await.problem(), (413, "too-large"));
    let fits = &body[..LIMIT];
    assert_eq!(lab.send("d-1", fits).await.status, StatusCode::ACCEPTED);
    assert_eq!((lab.counted("too-large"), lab.published()), (2, 1));
}

#[tokio::test]
async fn json_that_is_broken_or_nested_too_deep_is_unreadable_with_its_place() {
    let lab = Lab::new("broken").await;
    let deep = "[".repeat(100) + &"]".repeat(100);
    let lacking = asked(1).replace("6120440", "null");
    let cases = [
        ("{\n  broken", "line 2, column 3"),
        ("", "line 1, column 0"),
        (&*deep, "byte 64"),
        (&*lacking, "/installation/id"),
    ];
    for (count, (body, at)) in cases.into_iter().enumerate() {
        let answer = lab.send("d-1", body).await;
        assert_eq!(answer.problem(), (400, "unreadable"));
        assert_eq!(answer.body["at"], at);
        assert_eq!(lab.counted("unreadable"), count + 1);
    }
    assert_eq!(lab.published(), 0);
    assert!(lab.store.keys().is_empty());
}

#[tokio::test]
async fn an_unknown_connection_is_counted_without_its_name() {
    let lab = Lab::new("known").await;
    let request = Request::post("/webhooks/made-up-name").body(Body::from(asked(1))).unwrap();
    assert_eq!(lab.call(request).await.problem(), (404, "unknown-connection"));
    let metrics = telemetry().metrics.render();
    assert!(metrics.contains("problem=\"unknown-connection\",connection=\"unknown\""));
    assert!(!metrics.contains("made-up-name"));
    assert_eq!(lab.published(), 0);
}

#[tokio::test]
async fn other_addresses_and_methods_are_problems_too() {
    let lab = Lab::new("elsewhere").await;
    let elsewhere = Request::post("/webhooks").body(Body::empty()).unwrap();
    assert_eq!(lab.call(elsewhere).await.problem(), (404, "not-found"));
    let get = Request::get("/webhooks/elsewhere").body(Body::empty()).unwrap();
    assert_eq!(lab.call(get).await.problem(), (405, "method-not-allowed"));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_our_fault_and_not_the_senders() {
    let lab = Lab::new("secretless").await;
    std::fs::write(lab._secret.path(), "").unwrap();
    let answer = lab.send("d-1", &asked(1)).await;
    assert_eq!(answer.problem(), (503, "no-secret"));
    assert_eq!((lab.counted("no-secret"), lab.published()), (1, 0));
}
