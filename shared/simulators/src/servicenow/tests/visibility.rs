use super::*;

#[tokio::test]
async fn list_lag_ms_shows_lists_an_old_state_and_single_records_the_new_one() {
    let sim = with_knobs(|knobs| knobs.list_lag_ms = 5000);
    let id = create(&sim, json!({ "short_description": "a" })).await;
    assert_eq!(get(&sim, CHANGES).await.result(), json!([]));
    advance(&sim, 5000);
    patch(&sim, &id, json!({ "short_description": "b" })).await;
    let uri = format!("{CHANGES}?sysparm_fields=short_description");
    assert_eq!(get(&sim, &uri).await.result()[0]["short_description"], "a");
    assert_eq!(get(&sim, &format!("{CHANGES}/{id}")).await.result()["short_description"], "b");
    advance(&sim, 5000);
    assert_eq!(get(&sim, &uri).await.result()[0]["short_description"], "b");
}

#[tokio::test]
async fn webhook_early_is_sent_before_anybody_can_read_what_it_tells() {
    let sim = instance();
    let mut target = WebhookTarget::new("http://127.0.0.1:1/", "key");
    target.early_ms = 2000;
    sim.set_webhook(Some(target));
    let id = create(&sim, json!({})).await;
    assert_eq!(sim.outbox().take_due(sim.clock().now()).len(), 1);
    assert_eq!(get(&sim, &format!("{CHANGES}/{id}")).await.status, 404);
    advance(&sim, 2000);
    assert_eq!(get(&sim, &format!("{CHANGES}/{id}")).await.status, 200);
}

#[tokio::test]
async fn acl_hide_record_answers_404_and_leaves_short_pages() {
    let sim = instance();
    let id = create(&sim, json!({ "short_description": "secret" })).await;
    create(&sim, json!({ "short_description": "open" })).await;
    let query = "short_description=secret".to_owned();
    sim.fault(Fault::forever(Effect::AclHideRecord { query })).unwrap();
    assert_eq!(get(&sim, &format!("{CHANGES}/{id}")).await.status, 404);
    assert_eq!(patch(&sim, &id, json!({ "short_description": "x" })).await.status, 404);
    let page = get(&sim, &format!("{CHANGES}?sysparm_limit=1")).await;
    assert_eq!((page.result(), page.header("x-total-count")), (json!([]), "2"));
}

#[tokio::test]
async fn acl_ignore_write_answers_200_and_changes_nothing() {
    let sim = instance();
    let id = create(&sim, json!({ "short_description": "a" })).await;
    let field = "short_description".to_owned();
    sim.fault(Fault::forever(Effect::AclIgnoreWrite { field })).unwrap();
    let answer = patch(&sim, &id, json!({ "short_description": "b", "description": "c" })).await;
    assert_eq!((answer.status, &answer.result()["short_description"]), (200, &json!("a")));
    assert_eq!(answer.result()["description"], "c");
}

#[tokio::test]
async fn duplicate_correlation_preexisting_stands_before_the_create() {
    let sim = instance();
    let display = "Another product".to_owned();
    sim.fault(Fault::once(Effect::DuplicateCorrelationPreexisting { display })).unwrap();
    create(&sim, json!({ "correlation_id": "k1", "correlation_display": "Interlock" })).await;
    let rows = get(&sim, &format!("{CHANGES}?sysparm_query=correlation_id=k1^ORDERBYnumber")).await.result();
    assert_eq!(
        (&rows[0]["correlation_display"], rows.as_array().unwrap().len()),
        (&json!("Another product"), 2)
    );
}

#[tokio::test]
async fn status_after_commit_is_what_a_proxy_says() {
    let sim = instance();
    sim.fault(Fault::once(Effect::StatusAfterCommit { code: 504 })).unwrap();
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.status, answer.text.as_str(), sim.changes().len()), (504, "", 1));
}

#[tokio::test]
async fn login_html_200_is_a_page_instead_of_an_answer() {
    let sim = instance();
    sim.fault(Fault::once(Effect::LoginHtml200)).unwrap();
    let answer = get(&sim, CHANGES).await;
    assert_eq!((answer.status, answer.text.contains("Log in")), (200, true));
}

#[tokio::test]
async fn approval_flap_takes_an_approval_back() {
    let sim = with_knobs(|knobs| knobs.approval_flap_ms = Some(1000));
    let id = scheduled(&sim).await;
    advance(&sim, 1000);
    assert_eq!(
        (field(&sim, &id, "state"), field(&sim, &id, "approval")),
        ("-4".to_owned(), "requested".to_owned())
    );
}
