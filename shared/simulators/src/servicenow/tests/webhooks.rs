use super::*;

fn sending(change: impl FnOnce(&mut WebhookTarget)) -> ServiceNow {
    let mut target = WebhookTarget::new("http://127.0.0.1:1/webhooks/servicenow", "key");
    change(&mut target);
    let sim = instance();
    sim.set_webhook(Some(target));
    sim
}

fn bodies(sim: &ServiceNow) -> Vec<Value> {
    let sent = sim.outbox().take_due(sim.clock().now());
    sent.iter().map(|outgoing| serde_json::from_slice(&outgoing.body).unwrap()).collect()
}

#[tokio::test]
async fn a_saved_change_is_told_with_a_signature() {
    let sim = sending(|target| target.prefix = "sha256=".to_owned());
    let id = create(&sim, json!({ "correlation_id": "il1.x" })).await;
    let sent = sim.outbox().take_due(sim.clock().now());
    assert_eq!(sent.len(), 1);
    let (name, signature) = &sent[0].headers[1];
    assert_eq!(name, "x-servicenow-signature");
    assert_eq!(signature.len(), "sha256=".len() + 64);
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let expected = json!({
        "sys_id": id, "table": "change_request", "number": "CHG0030001", "state": "-5",
        "approval": "not requested", "sys_mod_count": "0",
        "sys_updated_on": "2026-03-01 10:00:00", "correlation_id": "il1.x",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn an_approver_row_is_told_with_its_change() {
    let sim = sending(|_| {});
    let id = assessed(&sim).await;
    bodies(&sim);
    sim.approve(&id, None).unwrap();
    let told = bodies(&sim);
    let row = told.iter().find(|body| body["table"] == "sysapproval_approver").unwrap();
    assert_eq!((&row["state"], &row["sysapproval"]), (&json!("approved"), &json!(id)));
    assert_eq!(row["number"], "CHG0030001");
    assert!(told.iter().any(|body| body["state"] == "-3"));
}

#[tokio::test]
async fn a_webhook_waits_for_its_delay() {
    let sim = sending(|target| target.delay_ms = 5000);
    create(&sim, json!({})).await;
    assert!(bodies(&sim).is_empty());
    advance(&sim, 5000);
    assert_eq!(bodies(&sim).len(), 1);
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_not_told() {
    let sim = sending(|_| {});
    let id = create(&sim, json!({ "short_description": "a" })).await;
    bodies(&sim);
    patch(&sim, &id, json!({ "short_description": "a" })).await;
    assert!(bodies(&sim).is_empty());
}

#[tokio::test]
async fn webhook_tables_say_whose_saves_are_told() {
    let sim = sending(|target| target.tables = vec!["incident".to_owned()]);
    create(&sim, json!({})).await;
    call(&sim, "POST", "/api/now/table/incident", json!({ "correlation_id": "k1" })).await;
    let told = bodies(&sim);
    assert_eq!(
        (told.len(), &told[0]["table"], &told[0]["number"]),
        (1, &json!("incident"), &json!("INC0010001"))
    );
}
