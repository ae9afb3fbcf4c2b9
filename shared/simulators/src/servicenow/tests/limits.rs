use super::*;

fn rule(sim: &ServiceNow, fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = [("name", "test"), ("active", "true")].iter().chain(fields).copied().collect();
    sim.insert("sys_rate_limit_rules", &fields).unwrap()
}

#[tokio::test]
async fn a_rate_limit_rule_counts_by_the_hour_and_says_so_on_each_answer() {
    let sim = with_knobs(|knobs| knobs.rate_limit_flush_s = 0);
    let id = rule(&sim, &[("limit", "2")]);
    for _ in 0..2 {
        let answer = get(&sim, CHANGES).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, "2"));
        assert_eq!(answer.header("x-ratelimit-rule"), id);
        assert!(answer.headers.get("x-ratelimit-remaining").is_none());
    }
    let refused = get(&sim, CHANGES).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "3600"));
    assert_eq!(refused.detail(), "Rate limit of 2 requests per hour for Table API exceeded");
    advance(&sim, 3_600_000);
    assert_eq!(get(&sim, CHANGES).await.status, 200);
}

#[tokio::test]
async fn rate_limit_flush_s_lets_requests_through_until_the_nodes_have_told_each_other() {
    let sim = instance();
    rule(&sim, &[("limit", "1")]);
    for _ in 0..5 {
        assert_eq!(get(&sim, CHANGES).await.status, 200);
    }
    advance(&sim, 30_000);
    assert_eq!(get(&sim, CHANGES).await.status, 429);
}

#[tokio::test]
async fn the_rule_of_a_user_goes_before_that_of_a_role_and_of_all() {
    let sim = with_knobs(|knobs| knobs.rate_limit_flush_s = 0);
    rule(&sim, &[("limit", "100")]);
    rule(&sim, &[("limit", "50"), ("role", "itil")]);
    rule(&sim, &[("limit", "40"), ("role", "sn_change_write")]);
    assert_eq!(get(&sim, CHANGES).await.header("x-ratelimit-limit"), "40");
    rule(&sim, &[("limit", "70"), ("user", "26fbff173b331300ad3cc9bb34efc4bd")]);
    assert_eq!(get(&sim, CHANGES).await.header("x-ratelimit-limit"), "70");
    rule(&sim, &[("limit", "5"), ("user", "26fbff173b331300ad3cc9bb34efc4bd"), ("table", "incident")]);
    assert_eq!(get(&sim, CHANGES).await.header("x-ratelimit-limit"), "70");
}

#[tokio::test(start_paused = true)]
async fn semaphore_refuses_with_a_bare_429_when_its_queue_is_full() {
    let sim = with_knobs(|knobs| knobs.semaphore = Some(SemaphoreKnob { size: 1, queue: 1 }));
    sim.fault(Fault::forever(Effect::Latency { ms: 1000 })).unwrap();
    let (one, two, three) = tokio::join!(get(&sim, CHANGES), get(&sim, CHANGES), get(&sim, CHANGES));
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!((three.status, three.text.as_str()), (429, ""));
    assert!(three.headers.get("retry-after").is_none() && three.headers.get("x-ratelimit-limit").is_none());
}

#[tokio::test(start_paused = true)]
async fn quota_ms_cancels_what_takes_longer_before_it_commits() {
    let sim = with_knobs(|knobs| knobs.quota_ms = Some(60_000));
    sim.fault(Fault::once(Effect::Latency { ms: 90_000 })).unwrap();
    let start = tokio::time::Instant::now();
    let answer = call(&sim, "POST", CHANGES, json!({})).await;
    assert_eq!((answer.status, start.elapsed().as_secs(), sim.changes().len()), (500, 60, 0));
}

#[tokio::test]
async fn uri_bytes_max_refuses_longer_addresses_with_a_page() {
    let sim = with_knobs(|knobs| knobs.uri_bytes_max = Some(2048));
    let long = get(&sim, &format!("{CHANGES}?sysparm_query=sys_idIN{}", "0".repeat(3000))).await;
    assert_eq!((long.status, long.header("content-type")), (414, "text/html;charset=UTF-8"));
    let sim = instance();
    let endless = get(&sim, &format!("/api/now/table/{}", "A".repeat(9000))).await;
    assert!(endless.text.starts_with("<html>"));
}

#[tokio::test]
async fn strict_headers_demand_what_an_instance_documents() {
    let bare = |sim: &ServiceNow, name: &'static str, value: Option<&str>| {
        let mut request = request("interlock", "POST", CHANGES, &json!({}));
        request.headers_mut().insert("accept", "application/json".parse().unwrap());
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let sim = sim.clone();
        async move { send(&sim, request).await.status }
    };
    let sim = instance();
    assert_eq!(bare(&sim, "accept", None).await, 201);
    assert_eq!(bare(&sim, "content-type", None).await, 201);
    assert_eq!(bare(&sim, "accept", Some("text/csv")).await, 406);
    assert_eq!(bare(&sim, "content-type", Some("text/csv")).await, 415);
    let sim = with_knobs(|knobs| knobs.strict_headers = true);
    assert_eq!(bare(&sim, "accept", None).await, 400);
    assert_eq!(bare(&sim, "content-type", None).await, 400);
}
