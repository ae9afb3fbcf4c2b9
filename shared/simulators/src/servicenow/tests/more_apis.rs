use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn item(id: u64, method: &str, url: &str, body: &Value) -> Value {
    json!({
        "id": id,
        "method": method,
        "url": url,
        "headers": [{ "name": "Content-Type", "value": "application/json" }],
        "body": STANDARD.encode(body.to_string()),
    })
}

fn decoded(answer: &Value) -> Value {
    let body = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

#[tokio::test]
async fn a_batch_answers_200_and_each_request_for_itself() {
    let sim = instance();
    let requests = json!([
        item(1, "POST", CHANGES, &json!({ "short_description": "x" })),
        item(2, "GET", "/api/now/table/nonsense", &Value::Null),
    ]);
    let batch = json!({ "batch_request_id": 7, "rest_requests": requests });
    let answer = call(&sim, "POST", "/api/now/v1/batch", batch).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["batch_request_id"]), (200, &json!("7")));
    assert_eq!(body["serviced_requests"][0]["status_code"], 201);
    assert_eq!(decoded(&body["serviced_requests"][0])["result"]["number"], "CHG0030001");
    assert_eq!(body["serviced_requests"][1]["status_code"], 400);
    assert_eq!(body["unserviced_requests"], json!([]));
}

#[tokio::test]
async fn batch_item_ms_leaves_what_the_quota_does_not_reach_unserviced() {
    let sim = with_knobs(|knobs| knobs.batch_item_ms = 20_000);
    let requests = json!([item(1, "POST", CHANGES, &json!({})), item(2, "POST", CHANGES, &json!({})),]);
    let answer = call(&sim, "POST", "/api/now/batch", json!({ "rest_requests": requests })).await;
    assert_eq!(answer.json()["unserviced_requests"], json!(["2"]));
    assert_eq!(sim.changes().len(), 1);
}

#[tokio::test]
async fn stats_count_and_group_as_text() {
    let sim = instance();
    for urgency in ["1", "1", "3"] {
        call(&sim, "POST", "/api/now/table/incident", json!({ "urgency": urgency, "impact": "1" })).await;
    }
    let stats = "/api/now/stats/incident?sysparm_count=true";
    assert_eq!(get(&sim, stats).await.result(), json!({ "stats": { "count": "3" } }));
    let sums = get(&sim, &format!("{stats}&sysparm_avg_fields=urgency&sysparm_max_fields=priority")).await;
    let expected = json!({ "count": "3", "avg": { "urgency": "1.66" }, "max": { "priority": "3" } });
    assert_eq!(sums.result()["stats"], expected);
    let grouped = format!("{stats}&sysparm_group_by=urgency&sysparm_order_by=COUNT^DESC");
    let first =
        json!({ "stats": { "count": "2" }, "groupby_fields": [{ "field": "urgency", "value": "1" }] });
    assert_eq!(get(&sim, &grouped).await.result()[0], first);
    let having = format!("{grouped}&sysparm_having=count^urgency^>^1&sysparm_display_value=true");
    let shown = get(&sim, &having).await.result();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["groupby_fields"][0]["value"], "1 - High");
}

fn mapped(sim: &ServiceNow) {
    let map = [("name", "Monitoring"), ("source_table", "u_alert"), ("target_table", "incident")];
    let map = sim.insert("sys_transform_map", &map).unwrap();
    for (from, to, coalesce) in
        [("u_key", "correlation_id", "true"), ("u_text", "short_description", "false")]
    {
        let entry =
            [("map", map.as_str()), ("source_field", from), ("target_field", to), ("coalesce", coalesce)];
        sim.insert("sys_transform_entry", &entry).unwrap();
    }
}

#[tokio::test]
async fn an_import_coalesces_to_the_record_that_is_there() {
    let sim = instance();
    mapped(&sim);
    let import = async |text: &str| {
        let row = json!({ "u_key": "k1", "u_text": text });
        call(&sim, "POST", "/api/now/import/u_alert", row).await
    };
    let first = import("disk").await;
    assert_eq!((first.status, &first.json()["import_set"]), (201, &json!("ISET0010001")));
    assert_eq!(first.result()[0]["status"], "inserted");
    assert_eq!(import("disk is full").await.result()[0]["status"], "updated");
    assert_eq!(import("disk is full").await.result()[0]["status"], "ignored");
    assert_eq!(sim.records("incident").len(), 1);
}

#[tokio::test]
async fn an_import_answers_201_although_its_row_is_refused() {
    let sim = instance();
    let unmapped = call(&sim, "POST", "/api/now/import/u_alert", json!({ "u_key": "k1" })).await;
    assert_eq!((unmapped.status, &unmapped.result()[0]["status"]), (201, &json!("error")));
    let nowhere = call(&sim, "POST", "/api/now/import/nonsense", json!({})).await;
    assert_eq!(nowhere.status, 400);
    mapped(&sim);
    let records = json!({ "records": [{ "u_key": "a" }, { "u_key": "b" }] });
    let many = call(&sim, "POST", "/api/now/import/u_alert/insertMultiple", records).await;
    assert_eq!((many.status, sim.records("incident").len()), (201, 2));
}

#[tokio::test]
async fn a_long_query_may_have_a_short_name() {
    let sim = instance();
    create(&sim, json!({ "short_description": "a" })).await;
    create(&sim, json!({ "short_description": "b" })).await;
    let ids = "0,".repeat(5000);
    let url = format!("change_request_list.do?sysparm_query=numberIN{ids}CHG0030002&sysparm_fields=number");
    let name = call(&sim, "POST", "/api/now/tinyurl", json!({ "url": url })).await.result();
    let (page, tiny) = name.as_str().unwrap().split_once('?').unwrap();
    assert_eq!(page, "change_request_list.do");
    let found = get(&sim, &format!("{CHANGES}?{tiny}")).await;
    assert_eq!(found.result(), json!([{ "number": "CHG0030002" }]));
}
