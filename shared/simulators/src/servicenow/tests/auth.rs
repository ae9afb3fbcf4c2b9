use super::*;

fn bare(method: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri)
}

async fn token(sim: &ServiceNow, secret: &str) -> Answer {
    let form = format!("grant_type=client_credentials&client_id=interlock-client&client_secret={secret}");
    let request = bare("POST", "/oauth_token.do")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form));
    send(sim, request.unwrap()).await
}

async fn with_token(sim: &ServiceNow, token: &Value) -> Answer {
    let header = format!("Bearer {}", token.as_str().unwrap());
    let request = bare("GET", CHANGES).header("authorization", header);
    send(sim, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn without_credentials_the_answer_is_401() {
    let sim = instance();
    let answer = send(&sim, bare("GET", CHANGES).body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.message().as_str()), (401, "User Not Authenticated"));
    assert_eq!(answer.detail(), "Required to provide Auth information");
    let unknown = call_as(&sim, "mallory", "GET", CHANGES, Value::Null).await;
    assert_eq!(unknown.status, 401);
}

#[tokio::test]
async fn a_token_is_shared_and_counts_down() {
    let sim = instance();
    let first = token(&sim, "interlock-client-secret").await.json();
    assert_eq!(first["expires_in"], 1800);
    advance(&sim, 900_000);
    let second = token(&sim, "interlock-client-secret").await.json();
    assert_eq!(second["expires_in"], 900);
    assert_eq!(first["access_token"], second["access_token"]);
    assert_eq!(with_token(&sim, &first["access_token"]).await.status, 200);
    advance(&sim, 900_000);
    assert_eq!(with_token(&sim, &first["access_token"]).await.status, 401);
    let third = token(&sim, "interlock-client-secret").await.json();
    assert_ne!(first["access_token"], third["access_token"]);
}

#[tokio::test]
async fn a_wrong_secret_is_denied_outside_the_envelope() {
    let sim = instance();
    let answer = token(&sim, "wrong").await;
    let denied = json!({ "error_description": "access_denied", "error": "server_error" });
    assert_eq!((answer.status, answer.json()), (401, denied));
}

#[tokio::test]
async fn revoked_tokens_are_refused() {
    let sim = instance();
    let issued = token(&sim, "interlock-client-secret").await.json();
    sim.revoke_tokens();
    assert_eq!(with_token(&sim, &issued["access_token"]).await.status, 401);
}

#[tokio::test]
async fn the_basic_gate_refuses_the_right_password() {
    let sim = with_knobs(|knobs| knobs.basic_gate_401 = true);
    assert_eq!(get(&sim, CHANGES).await.status, 401);
}

#[tokio::test]
async fn an_api_key_stands_for_its_user() {
    let api_keys = vec![("k1".to_owned(), "interlock".to_owned())];
    let sim = instance_with(Options { api_keys, ..Options::default() });
    let ask = async |key: &str| {
        let request = bare("GET", CHANGES).header("x-sn-apikey", key);
        send(&sim, request.body(Body::empty()).unwrap()).await.status
    };
    assert_eq!(ask("k1").await, 200);
    assert_eq!(ask("k2").await, 401);
}

#[tokio::test]
async fn the_request_log_holds_no_secret() {
    let sim = instance();
    token(&sim, "interlock-client-secret").await;
    get(&sim, CHANGES).await;
    let log = serde_json::to_string(&sim.requests().find(&Default::default())).unwrap();
    assert!(!log.contains("secret") && !log.contains("Basic"));
    assert!(log.contains("\"user\":\"interlock\""));
}
