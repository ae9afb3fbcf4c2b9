use super::*;

const DICTIONARY: &str = "/api/now/table/sys_dictionary";

async fn token(sim: &ServiceNow) -> Answer {
    let form =
        "grant_type=client_credentials&client_id=interlock-client&client_secret=interlock-client-secret";
    let request = Request::builder().method("POST").uri("/oauth_token.do").body(Body::from(form));
    send(sim, request.unwrap()).await
}

fn lock_out(sim: &ServiceNow) {
    sim.update("sys_user", "26fbff173b331300ad3cc9bb34efc4bd", &[("locked_out", "true")]).unwrap();
}

#[tokio::test]
async fn locked_users_get_tokens_that_are_refused_with_the_knob_and_none_without() {
    let sim = instance();
    lock_out(&sim);
    assert_eq!(token(&sim).await.status, 401);
    let sim = with_knobs(|knobs| knobs.locked_users_get_tokens = true);
    lock_out(&sim);
    let issued = token(&sim).await;
    assert_eq!(issued.status, 200);
    let header = format!("Bearer {}", issued.json()["access_token"].as_str().unwrap());
    let request = Request::builder().uri(CHANGES).header("authorization", header).body(Body::empty());
    assert_eq!(send(&sim, request.unwrap()).await.status, 401);
}

#[tokio::test]
async fn rest_api_role_refuses_every_call_of_a_user_without_it() {
    let sim = with_knobs(|knobs| knobs.rest_api_role = Some("snc_platform_rest_api_access".to_owned()));
    let refused = get(&sim, CHANGES).await;
    assert_eq!((refused.status, refused.message().as_str()), (403, "Failed API level ACL Validation"));
    assert_eq!(call_as(&sim, "admin", "GET", CHANGES, Value::Null).await.status, 200);
}

#[tokio::test]
async fn acl_refuse_says_what_is_refused_and_does_nothing() {
    let sim = instance();
    let id = create(&sim, json!({ "short_description": "a" })).await;
    sim.fault(Fault::forever(Effect::AclRefuse).on_table("change_request")).unwrap();
    let read = get(&sim, CHANGES).await;
    assert_eq!((read.status, read.message().as_str()), (403, "Insufficient rights to query records"));
    let inserted = call(&sim, "POST", NORMAL, json!({})).await;
    assert_eq!((inserted.status, sim.changes().len()), (403, 1));
    assert!(inserted.detail().contains("Insert Failed due to security constraints"), "{}", inserted.text);
    let updated = patch(&sim, &id, json!({ "short_description": "b" })).await;
    assert!(updated.detail().contains("Update Failed due to security constraints"), "{}", updated.text);
    assert_eq!(field(&sim, &id, "short_description"), "a");
    assert_eq!(get(&sim, "/api/now/table/incident").await.status, 200);
}

#[tokio::test]
async fn the_dictionary_tells_how_long_a_text_may_be_and_text_max_makes_it_shorter() {
    let sim = instance();
    let uri =
        format!("{DICTIONARY}?sysparm_query=name=task^element=correlation_id&sysparm_fields=max_length");
    assert_eq!(get(&sim, &uri).await.result(), json!([{ "max_length": "100" }]));
    let sim = with_knobs(|knobs| {
        knobs.text_max.insert("correlation_id".to_owned(), 40);
    });
    assert_eq!(get(&sim, &uri).await.result(), json!([{ "max_length": "40" }]));
    let id = create(&sim, json!({ "correlation_id": "x".repeat(100) })).await;
    assert_eq!(field(&sim, &id, "correlation_id").len(), 40);
}
