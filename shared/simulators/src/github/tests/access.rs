use super::*;

const TOKENS: &str = "/app/installations/5530021/access_tokens";

async fn status_of(lab: &Lab, claims: Value) -> u16 {
    lab.call(Method::POST, TOKENS, Some(&lab.signed(&claims)), None).await.status
}

#[tokio::test]
async fn an_app_token_must_be_timely_and_ours() {
    let lab = Lab::new().await;
    let now = start_of_day().timestamp();
    let cases = [
        (json!({ "iss": "771203", "iat": now - 60, "exp": now + 540 }), 201),
        (json!({ "iss": 771_203, "iat": now - 60, "exp": now + 600 }), 201),
        (json!({ "iss": "Iv23liInterlockSim", "iat": now - 60, "exp": now + 601 }), 401),
        (json!({ "iss": "Iv23liInterlockSim", "iat": now - 600, "exp": now }), 401),
        (json!({ "iss": "Iv23liInterlockSim", "iat": now + 6, "exp": now + 60 }), 401),
        (json!({ "iss": "another", "iat": now - 60, "exp": now + 540 }), 401),
        (json!({ "iss": "Iv23liInterlockSim", "exp": now + 540 }), 401),
    ];
    for (claims, expected) in cases {
        assert_eq!(status_of(&lab, claims.clone()).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn an_app_token_of_another_key_is_refused() {
    let lab = Lab::new().await;
    let stranger = AppKey::generate().unwrap();
    let key = EncodingKey::from_rsa_pem(stranger.private_pem.as_bytes()).unwrap();
    let now = start_of_day().timestamp();
    let claims = json!({ "iss": "Iv23liInterlockSim", "iat": now - 60, "exp": now + 540 });
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
    assert_eq!(lab.call(Method::POST, TOKENS, Some(&token), None).await.status, 401);
    assert_eq!(lab.call(Method::POST, TOKENS, Some("nonsense"), None).await.status, 401);
    assert_eq!(lab.call(Method::POST, TOKENS, None, None).await.status, 401);
}

#[tokio::test]
async fn an_unknown_installation_gets_no_token() {
    let lab = Lab::new().await;
    assert_eq!(lab.as_app(Method::POST, "/app/installations/1/access_tokens").await.status, 404);
}

#[tokio::test]
async fn an_installation_token_ends_by_simulated_time() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("{REPO}/actions/runs/{}", started.run_id);
    lab.advance(3_599_000);
    assert_eq!(lab.get(&path).await.status, 200);
    lab.advance(1_000);
    let answer = lab.get(&path).await;
    assert_eq!((answer.status, &answer.body["message"]), (401, &json!("Bad credentials")));
}

#[tokio::test]
async fn the_life_of_a_token_is_a_knob_and_is_told() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| knobs.token_ttl_seconds = 90);
    let answer = lab.as_app(Method::POST, TOKENS).await;
    assert_eq!(answer.body["expires_at"], "2026-01-12T09:16:32Z");
}

#[tokio::test]
async fn revoked_tokens_open_nothing() {
    let lab = Lab::new().await;
    let started = lab.start();
    lab.github.revoke_tokens();
    assert_eq!(lab.approve(started.run_id).await.status, 401);
}

#[tokio::test]
async fn neither_token_stands_in_for_the_other() {
    let lab = Lab::new().await;
    let started = lab.start();
    let path = format!("{REPO}/actions/runs/{}", started.run_id);
    assert_eq!(lab.as_app(Method::GET, &path).await.status, 401);
    assert_eq!(lab.get("/app").await.status, 401);
}

#[tokio::test]
async fn the_app_is_described_with_its_installation() {
    let lab = Lab::new().await;
    lab.start();
    assert_eq!(lab.as_app(Method::GET, "/app").await.body["slug"], "interlock");
    let path = format!("{REPO}/installation");
    assert_eq!(lab.as_app(Method::GET, &path).await.body["id"], 5_530_021);
}

#[tokio::test]
async fn a_request_without_a_user_agent_is_forbidden() {
    let lab = Lab::new().await;
    let request = Request::builder().uri("/app").body(Body::empty()).unwrap();
    let response = lab.github.router().oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 403);
}

#[tokio::test]
async fn the_quota_is_counted_told_and_renewed_each_hour() {
    let lab = Lab::new().await;
    lab.github.turn(|knobs| {
        knobs.rate_limit = 2;
        knobs.token_ttl_seconds = 86_400;
    });
    let lab = Lab { token: lab.mint().await, ..lab };
    let started = lab.start();
    let path = format!("{REPO}/actions/runs/{}", started.run_id);
    assert_eq!(lab.get(&path).await.header("x-ratelimit-remaining"), "1");
    assert_eq!(lab.get(&path).await.header("x-ratelimit-remaining"), "0");
    let refused = lab.get(&path).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    let reset = (start_of_day().timestamp() + 3_600).to_string();
    assert_eq!(refused.header("x-ratelimit-reset"), reset);
    lab.advance(3_600_000);
    assert_eq!(lab.get(&path).await.status, 200);
}
