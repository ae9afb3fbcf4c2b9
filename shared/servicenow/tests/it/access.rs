//! Credentials and tokens.

use interlock_servicenow::{Class, Lane};
use interlock_simulators::servicenow::{Effect, Fault};

use crate::world::{World, key, new_change};

#[tokio::test]
async fn wrong_credentials_are_permanent_and_the_error_holds_no_secret() {
    let world = World::with_password("hunter2");
    let error = world.client.probe().await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    let said = format!("{error} {error:?}");
    assert!(said.contains("web service access only") && !said.contains("hunter2"), "{said}");
    assert_eq!(world.asked("GET", "/api"), 1, "the same password is not tried twice");
}

#[tokio::test]
async fn one_token_serves_many_calls_that_begin_at_once() {
    let world = World::with_oauth("interlock-client-secret");
    let calls = [(); 4].map(|()| {
        let client = world.client.clone();
        tokio::spawn(async move { client.changes_of(&key().hash(), Lane::Gate).await })
    });
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.asked("POST", "/oauth_token.do"), 1);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_renewed_once_and_the_write_sent_again() {
    let world = World::with_oauth("interlock-client-secret");
    world.client.probe().await.unwrap();
    world.sim.revoke_tokens();
    world.client.create(&new_change()).await.unwrap();
    assert_eq!(world.asked("POST", "/oauth_token.do"), 2);
    assert_eq!(world.sim.changes().len(), 1, "what was not authentic was not carried out");
}

#[tokio::test]
async fn a_401_that_stays_is_permanent_after_one_more_try() {
    let world = World::with_oauth("interlock-client-secret");
    world.sim.fault(Fault::forever(Effect::Status { code: 401, body: None }).on_path("/api/")).unwrap();
    let error = world.client.probe().await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert_eq!(world.asked("GET", "/api"), 2);
}

#[tokio::test]
async fn a_wrong_client_secret_is_permanent_and_not_told() {
    let world = World::with_oauth("hunter2");
    let error = world.client.probe().await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    let said = format!("{error} {error:?}");
    assert!(said.contains("client id and secret") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_create_without_a_token_was_not_sent() {
    let world = World::with_oauth("interlock-client-secret");
    world.sim.fault(Fault::once(Effect::Down { reset: true }).on_path("/oauth_token.do")).unwrap();
    let change = interlock_servicenow::NewChange { assignment_group: None, ..new_change() };
    let error = world.client.create(&change).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(world.sim.changes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends() {
    let world = World::with_oauth("interlock-client-secret");
    world.client.probe().await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1700)).await;
    world.client.probe().await.unwrap();
    assert_eq!(world.asked("POST", "/oauth_token.do"), 1);
    tokio::time::advance(std::time::Duration::from_secs(41)).await;
    world.client.probe().await.unwrap();
    assert_eq!(world.asked("POST", "/oauth_token.do"), 2, "a minute before its 1,800 seconds are over");
}

#[tokio::test]
async fn an_api_key_goes_into_its_own_header() {
    let (http, client) =
        crate::world::canned_with(&serde_json::json!({ "api_key": { "key": "${env:CARGO_PKG_NAME}" } }));
    http.json(200, &serde_json::json!({ "result": [] }));
    client.probe().await.unwrap();
    let asked = http.asked.lock().unwrap();
    assert_eq!(asked[0].headers()["x-sn-apikey"], "interlock-servicenow");
    assert!(asked[0].headers()["x-sn-apikey"].is_sensitive());
    assert!(!asked[0].headers().contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_beyond_its_deadline_for_a_token_that_another_waits_for() {
    let world = World::with_oauth("interlock-client-secret");
    world.sim.fault(Fault::forever(Effect::Latency { ms: 60_000 }).on_path("/oauth_token.do")).unwrap();
    let first = world.client.clone();
    let first = tokio::spawn(async move { first.probe().await });
    while world.store.out().is_empty() {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    let hurried = world.client.before(began + std::time::Duration::from_secs(3));
    assert_eq!(hurried.probe().await.unwrap_err().class(), Class::Transient);
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(first.await.unwrap().unwrap_err().class(), Class::Transient);
}
