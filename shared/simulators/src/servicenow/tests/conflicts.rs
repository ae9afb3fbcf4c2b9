use super::*;

const CHANGE: &str = "/api/sn_chg_rest/v1/change";

fn window(from: &str, until: &str) -> Value {
    json!({
        "cmdb_ci": seed::PAYMENTS_API,
        "start_date": format!("2026-03-02 {from}:00"),
        "end_date": format!("2026-03-02 {until}:00"),
    })
}

/// A change that is planned at the time of another, which came first.
async fn second(sim: &ServiceNow) -> String {
    create(sim, window("10:00", "11:00")).await;
    create(sim, window("10:30", "11:30")).await
}

async fn check(sim: &ServiceNow, change: &str) {
    assert_eq!(call(sim, "POST", &format!("{CHANGE}/{change}/conflict"), Value::Null).await.status, 200);
}

async fn told(sim: &ServiceNow, change: &str) -> Value {
    get(sim, &format!("{CHANGE}/{change}/conflict")).await.result()
}

#[tokio::test]
async fn conflict_check_ms_keeps_the_result_back_until_the_job_has_ended() {
    let sim = with_knobs(|knobs| knobs.conflict_check_ms = 3000);
    let change = second(&sim).await;
    check(&sim, &change).await;
    let running = told(&sim, &change).await;
    assert_eq!((&running["status"], &running["job_status"]), (&json!("Not Run"), &json!("Running")));
    advance(&sim, 3000);
    let done = told(&sim, &change).await;
    assert_eq!((&done["status"], &done["job_status"]), (&json!("Conflict"), &json!("Complete")));
    assert_eq!(field(&sim, &change, "conflict_last_run"), "2026-03-01 10:00:03");
}

#[tokio::test]
async fn a_canceled_job_finds_nothing() {
    let sim = with_knobs(|knobs| knobs.conflict_check_ms = 3000);
    let change = second(&sim).await;
    check(&sim, &change).await;
    let uri = format!("{CHANGE}/{change}/conflict");
    assert_eq!(call(&sim, "DELETE", &uri, Value::Null).await.status, 200);
    advance(&sim, 3000);
    assert_eq!(told(&sim, &change).await["status"], "Not Run");
}

#[tokio::test]
async fn without_conflicts_listed_the_status_alone_says_so() {
    let sim = with_knobs(|knobs| knobs.conflicts_listed = false);
    let change = second(&sim).await;
    check(&sim, &change).await;
    let told = told(&sim, &change).await;
    assert_eq!(
        (&told["status"], &told["record_count"], &told["conflicts"]),
        (&json!("Conflict"), &json!(1), &json!([]))
    );
}

#[tokio::test]
async fn other_dates_reset_conflicts_only_where_the_knob_says_so() {
    for (reset, status) in [(true, "Not Run"), (false, "Conflict")] {
        let sim = with_knobs(|knobs| knobs.other_dates_reset_conflicts = reset);
        let change = second(&sim).await;
        check(&sim, &change).await;
        patch(&sim, &change, json!({ "short_description": "the same dates" })).await;
        assert_eq!(field(&sim, &change, "conflict_status"), "Conflict");
        patch(&sim, &change, window("12:00", "13:00")).await;
        assert_eq!(field(&sim, &change, "conflict_status"), status);
        check(&sim, &change).await;
        assert_eq!(field(&sim, &change, "conflict_status"), "No Conflict");
    }
}

#[tokio::test]
async fn blackouts_are_conflicts_without_a_change() {
    let blackout = ("2026-03-02 00:00:00".to_owned(), "2026-03-02 12:00:00".to_owned());
    let sim = with_knobs(|knobs| knobs.blackouts = vec![blackout]);
    let change = create(&sim, window("11:00", "12:00")).await;
    check(&sim, &change).await;
    let found = told(&sim, &change).await;
    assert_eq!(found["conflicts"], json!([{ "type": "blackout", "conflicting_change": "" }]));
    call(&sim, "PATCH", &format!("{CHANGE}/{change}/schedule/first_available"), Value::Null).await;
    assert_eq!(field(&sim, &change, "start_date"), "2026-03-02 12:00:00");
}

#[tokio::test]
async fn first_available_plans_offers_or_is_absent() {
    let planned = [
        (FirstAvailable::Plans, 202, "2026-03-02 11:00:00"),
        (FirstAvailable::Offers, 202, "2026-03-02 10:30:00"),
        (FirstAvailable::Absent, 400, "2026-03-02 10:30:00"),
    ];
    for (knob, status, start) in planned {
        let sim = with_knobs(|knobs| knobs.first_available = knob);
        let change = second(&sim).await;
        let uri = format!("{CHANGE}/{change}/schedule/first_available");
        assert_eq!(call(&sim, "PATCH", &uri, Value::Null).await.status, status, "{knob:?}");
        assert_eq!(field(&sim, &change, "start_date"), start, "{knob:?}");
    }
}
