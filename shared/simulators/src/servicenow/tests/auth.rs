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

async fn grant(sim: &ServiceNow, form: &str) -> Answer {
    let form = format!("client_id=interlock-client&client_secret=interlock-client-secret&{form}");
    let request = bare("POST", "/oauth_token.do").header("content-type", "application/x-www-form-urlencoded");
    send(sim, request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn a_password_buys_a_token_of_that_user_and_a_refresh_token() {
    let sim = instance();
    let wrong = grant(&sim, "grant_type=password&username=bob.cab&password=wrong").await;
    assert_eq!(wrong.status, 401);
    let first = grant(&sim, "grant_type=password&username=bob.cab&password=bob").await.json();
    assert_eq!(with_token(&sim, &first["access_token"]).await.status, 200);
    assert_eq!(sim.requests().find(&Default::default())[2].user, "bob.cab");
    advance(&sim, 600_000);
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", first["refresh_token"].as_str().unwrap());
    let second = grant(&sim, &refresh).await.json();
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!((&second["refresh_token"], &second["expires_in"]), (&first["refresh_token"], &json!(1800)));
    let unknown = grant(&sim, "grant_type=refresh_token&refresh_token=unknown").await;
    assert_eq!(unknown.json()["error_description"], "access_denied");
}

#[tokio::test]
async fn client_credentials_give_no_refresh_token_and_need_their_property() {
    let sim = instance();
    assert!(grant(&sim, "grant_type=client_credentials").await.json().get("refresh_token").is_none());
    let sim = with_knobs(|knobs| {
        knobs.client_credentials_enabled = false;
        knobs.token_error_status = 400;
    });
    assert_eq!(grant(&sim, "grant_type=client_credentials").await.status, 400);
}

#[tokio::test]
async fn token_short_life_ends_tokens_early() {
    let sim = with_knobs(|knobs| knobs.token_lifetime_s = 5);
    let issued = token(&sim, "interlock-client-secret").await.json();
    assert_eq!(issued["expires_in"], 5);
    advance(&sim, 5000);
    assert_eq!(with_token(&sim, &issued["access_token"]).await.status, 401);
}

#[tokio::test]
async fn an_assertion_that_the_clients_key_signed_buys_a_token() {
    let key = crate::github::AppKey::generate().unwrap();
    let public = key.public_pem.clone();
    let jwt_keys = vec![("interlock-client".to_owned(), public)];
    let sim = instance_with(Options { jwt_keys, ..Options::default() });
    let signed = |exp: i64, aud: &str| {
        let claims = json!({ "iss": "interlock-client", "sub": "bob.cab", "aud": aud, "exp": exp });
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key)
            .unwrap()
    };
    let ask = async |assertion: String| {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        grant(&sim, &format!("grant_type={kind}&assertion={assertion}")).await
    };
    let now = sim.clock().now().timestamp();
    let granted = ask(signed(now + 60, "interlock-client")).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    assert_eq!(with_token(&sim, &granted.json()["access_token"]).await.status, 200);
    assert_eq!(ask(signed(now - 1, "interlock-client")).await.status, 401);
    assert_eq!(ask(signed(now + 60, "somebody else")).await.status, 401);
    assert_eq!(ask("nonsense".to_owned()).await.status, 401);
}

#[tokio::test]
async fn an_api_key_may_stand_in_the_query_and_is_not_logged() {
    let api_keys = vec![("k1".to_owned(), "interlock".to_owned())];
    let sim = instance_with(Options { api_keys, ..Options::default() });
    let uri = format!("{CHANGES}?x-sn-apikey=k1");
    assert_eq!(send(&sim, bare("GET", &uri).body(Body::empty()).unwrap()).await.status, 200);
    assert!(!serde_json::to_string(&sim.requests().find(&Default::default())).unwrap().contains("k1"));
}
