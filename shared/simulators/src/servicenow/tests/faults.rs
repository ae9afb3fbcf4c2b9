use super::*;

/// The least time on a paused clock.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u128) {
    let start = tokio::time::Instant::now();
    let done = work.await;
    (done, start.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn timeout_after_commit_writes_and_hangs() {
    let sim = instance();
    sim.fault(Fault::once(Effect::TimeoutAfterCommit { hang_ms: 60_000 })).unwrap();
    let (answer, ms) = timed(call(&sim, "POST", CHANGES, json!({}))).await;
    assert_eq!((answer.status, ms), (500, 60_000));
    assert_eq!(answer.message(), "Transaction cancelled: maximum execution time exceeded");
    assert_eq!(sim.changes().len(), 1);
    assert_eq!(sim.requests().find(&Default::default())[0].status, 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_loses_nothing_that_was_written() {
    let sim = instance();
    sim.fault(Fault::once(Effect::TimeoutAfterCommit { hang_ms: 60_000 })).unwrap();
    let limit = std::time::Duration::from_secs(10);
    let gone = tokio::time::timeout(limit, call(&sim, "POST", CHANGES, json!({}))).await;
    assert!(gone.is_err());
    assert_eq!(sim.changes().len(), 1);
    assert_eq!(sim.requests().count("POST", CHANGES), 1);
}

#[tokio::test(start_paused = true)]
async fn timeout_before_commit_writes_nothing() {
    let sim = instance();
    sim.fault(Fault::once(Effect::TimeoutBeforeCommit { hang_ms: 60_000 })).unwrap();
    let (answer, ms) = timed(call(&sim, "POST", CHANGES, json!({}))).await;
    assert_eq!((answer.status, ms, sim.changes().len()), (500, 60_000, 0));
}

#[tokio::test]
async fn a_late_commit_comes_on_the_simulators_schedule() {
    let sim = instance();
    sim.fault(Fault::once(Effect::LateCommit { after_ms: 3000, hang_ms: 0 })).unwrap();
    let answer = call(&sim, "POST", CHANGES, json!({ "correlation_id": "il1.late" })).await;
    assert_eq!((answer.status, sim.changes().len()), (500, 0));
    assert!(sim.next_due().is_some());
    sim.clock().advance(std::time::Duration::from_secs(3));
    let found = get(&sim, CHANGES).await.result();
    assert_eq!(found[0]["correlation_id"], "il1.late");
    assert_eq!(found[0]["sys_created_by"], "interlock");
}

#[tokio::test]
async fn a_cut_connection_is_marked_in_process() {
    let sim = instance();
    sim.fault(Fault::once(Effect::ResetConnectionAfterCommit)).unwrap();
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.header(crate::serve::RESET_HEADER), sim.changes().len()), ("1", 1));
}

#[tokio::test]
async fn a_cut_connection_is_really_cut_on_a_socket() {
    let sim = instance();
    let (addr, handle) = sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    sim.fault(Fault::once(Effect::ResetConnectionAfterCommit).on_method("POST")).unwrap();
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).build().unwrap();
    let post = async || {
        let request = client.post(format!("http://{addr}{CHANGES}"));
        request.basic_auth("interlock", Some("interlock")).body("{}").send().await
    };
    assert!(post().await.is_err());
    assert_eq!(sim.changes().len(), 1);
    assert_eq!(post().await.unwrap().status(), 201);
    handle.abort();
}

#[tokio::test]
async fn a_record_is_created_although_403_is_answered() {
    let sim = instance();
    sim.fault(Fault::once(Effect::CreateThen403)).unwrap();
    assert_eq!(get(&sim, CHANGES).await.status, 200);
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.status, sim.changes().len()), (403, 1));
    assert!(answer.detail().starts_with("ACL Exception"));
}

#[tokio::test]
async fn a_record_is_created_although_the_answer_is_empty() {
    let sim = instance();
    sim.fault(Fault::once(Effect::CreateThenEmpty201)).unwrap();
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.status, answer.text.as_str(), sim.changes().len()), (201, "", 1));
}

#[tokio::test]
async fn any_status_can_be_answered() {
    let sim = instance();
    sim.fault(Fault::once(Effect::Status { code: 502, body: Some(json!({ "x": 1 })) })).unwrap();
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.status, answer.json(), sim.changes().len()), (502, json!({ "x": 1 }), 0));
}

#[tokio::test]
async fn a_hibernating_instance_answers_200_with_a_page() {
    let sim = instance();
    sim.fault(Fault::once(Effect::Html200)).unwrap();
    let answer = get(&sim, CHANGES).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html;charset=UTF-8"));
    assert!(answer.text.contains("Instance Hibernating page"));
}

#[tokio::test]
async fn maintenance_answers_503() {
    let sim = instance();
    sim.fault(Fault::once(Effect::Maintenance503)).unwrap();
    assert_eq!(get(&sim, CHANGES).await.status, 503);
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back_and_a_semaphore_does_not() {
    let sim = instance();
    sim.fault(Fault::once(Effect::RateLimit429 { retry_after: Some(30) })).unwrap();
    sim.fault(Fault::once(Effect::RateLimit429 { retry_after: None })).unwrap();
    let rule = get(&sim, CHANGES).await;
    assert_eq!((rule.status, rule.header("retry-after")), (429, "30"));
    assert_eq!(rule.header("x-ratelimit-limit"), "100");
    let semaphore = get(&sim, CHANGES).await;
    assert_eq!((semaphore.status, semaphore.text.as_str()), (429, ""));
    assert!(semaphore.headers.get("retry-after").is_none());
    assert_eq!(get(&sim, CHANGES).await.status, 200);
}

#[tokio::test]
async fn an_error_may_come_inside_a_200() {
    let sim = instance();
    create(&sim, json!({})).await;
    create(&sim, json!({})).await;
    sim.fault(Fault::once(Effect::ErrorIn200Stream { cut: false })).unwrap();
    let answer = get(&sim, CHANGES).await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("failure")));
    assert_eq!(answer.result().as_array().unwrap().len(), 1);
    sim.fault(Fault::once(Effect::ErrorIn200Stream { cut: true })).unwrap();
    let cut = get(&sim, CHANGES).await;
    assert_eq!((cut.status, cut.json()), (200, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn latency_comes_before_the_work() {
    let sim = instance();
    sim.fault(Fault::once(Effect::Latency { ms: 250 })).unwrap();
    let (answer, ms) = timed(get(&sim, CHANGES)).await;
    assert_eq!((answer.status, ms), (200, 250));
}

#[tokio::test]
async fn a_hidden_field_is_absent() {
    let sim = instance();
    create(&sim, json!({})).await;
    sim.fault(Fault::forever(Effect::AclHide { field: "approval".to_owned() })).unwrap();
    for _ in 0..2 {
        assert!(get(&sim, CHANGES).await.result()[0].get("approval").is_none());
    }
}

#[tokio::test]
async fn an_unknown_state_is_shown_in_both_apis() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    sim.fault(Fault::forever(Effect::UnknownState { value: "-7".to_owned() })).unwrap();
    assert_eq!(get(&sim, CHANGES).await.result()[0]["state"], "-7");
    let pair = get(&sim, &format!("/api/sn_chg_rest/change/{id}")).await.result();
    assert_eq!(pair["state"]["value"], "-7");
    assert_eq!(field(&sim, &id, "state"), "-5");
}

#[tokio::test]
async fn an_instance_that_is_down_refuses_everything_until_it_is_up_again() {
    let sim = instance();
    sim.fault(Fault::forever(Effect::Down { reset: false })).unwrap();
    assert_eq!(get(&sim, CHANGES).await.status, 503);
    assert_eq!(get(&sim, "/oauth_token.do").await.status, 503);
    sim.clear_faults();
    sim.fault(Fault::forever(Effect::Down { reset: true })).unwrap();
    assert_eq!(get(&sim, CHANGES).await.header(crate::serve::RESET_HEADER), "1");
    sim.clear_faults();
    assert_eq!(get(&sim, CHANGES).await.status, 200);
}

#[tokio::test]
async fn a_fault_hits_only_what_it_matches() {
    let sim = instance();
    let effect = Effect::Status { code: 500, body: None };
    sim.fault(Fault::once(effect).on_method("POST").on_table("change_request")).unwrap();
    assert_eq!(get(&sim, CHANGES).await.status, 200);
    assert_eq!(call(&sim, "POST", "/api/now/table/incident", json!({})).await.status, 201);
    assert_eq!(call(&sim, "POST", NORMAL, json!({})).await.status, 500);
    assert_eq!(call(&sim, "POST", NORMAL, json!({})).await.status, 200);
}
