use super::*;

const DEVOPS: &str = "/api/sn_devops/v2/devops/orchestration";
const PIPELINE: &str = "toolId=T&stageName=Deploy&pipelineName=acme/shop/wf&buildNumber=7&attemptNumber=1";

async fn ask(sim: &ServiceNow, attributes: Value) -> Answer {
    let body = json!({
        "toolId": "T", "stageName": "Deploy", "buildNumber": "7", "attemptNumber": "1", "workflow": "wf",
        "repository": "acme/shop", "changeRequestDetails": { "attributes": attributes },
    });
    call(sim, "POST", &format!("{DEVOPS}/changeControl?toolId=T&toolType=github_server"), body).await
}

async fn status(sim: &ServiceNow) -> (u16, Value) {
    let answer = get(sim, &format!("{DEVOPS}/changeStatus?{PIPELINE}")).await;
    (answer.status, answer.result()["details"]["status"].clone())
}

#[tokio::test]
async fn a_pipeline_waits_by_201_and_goes_on_by_200() {
    let sim = instance();
    assert_eq!(status(&sim).await, (201, Value::Null));
    let asked = ask(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    assert_eq!((asked.status, &asked.result()["changeControl"]), (201, &json!(true)));
    ask(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    assert_eq!(sim.changes().len(), 1);
    assert_eq!(status(&sim).await, (201, json!("pending_decision")));
    sim.approve_all("CHG0030001").unwrap();
    assert_eq!(status(&sim).await, (200, json!("approved")));
}

#[tokio::test]
async fn a_pipeline_is_told_of_a_rejection_and_of_a_cancel() {
    let sim = instance();
    ask(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    sim.reject("CHG0030001", None, "no").unwrap();
    assert_eq!(status(&sim).await, (201, json!("rejected")));
    let sim = instance();
    ask(&sim, json!({})).await;
    assert_eq!(status(&sim).await, (201, json!("canceled_by_user")));
}

#[tokio::test]
async fn what_a_pipeline_may_not_set_is_refused_in_an_envelope_of_its_own() {
    let sim = instance();
    let refused = ask(&sim, json!({ "risk": "4" })).await;
    assert_eq!((refused.status, &refused.result()["status"]), (400, &json!("Error")));
    assert_eq!(get(&sim, &format!("{DEVOPS}/changeStatus?stageName=x")).await.status, 400);
}

#[tokio::test]
async fn a_pipeline_reads_and_closes_its_change() {
    let sim = instance();
    ask(&sim, json!({ "assignment_group": CHANGE_MANAGEMENT })).await;
    let info = get(&sim, &format!("{DEVOPS}/changeInfo?{PIPELINE}")).await.result();
    assert_eq!((&info["changeFound"], &info["number"]), (&json!(true), &json!("CHG0030001")));
    let uri = format!("{DEVOPS}/changeInfo?changeRequestNumber=CHG0030001");
    let close = json!({ "state": "3", "close_code": "successful", "close_notes": "done" });
    assert_eq!(call(&sim, "PUT", &uri, close.clone()).await.status, 400);
    sim.approve_all("CHG0030001").unwrap();
    let id = sim.change("CHG0030001").unwrap()["sys_id"].as_str().unwrap().to_owned();
    patch(&sim, &id, json!({ "state": "-1" })).await;
    assert_eq!(call(&sim, "PUT", &uri, close).await.result()["updateStatus"], "Done");
    assert_eq!(field(&sim, &id, "state"), "3");
}
