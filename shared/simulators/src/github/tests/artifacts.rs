use super::super::ArtifactFile;
use super::*;

fn uploaded(lab: &Lab) -> (Started, u64) {
    let started =
        lab.github.start_deployment(&StartDeployment::new("acme/payments-api", "production")).unwrap();
    let files = [ArtifactFile::new("reports/junit.xml", "<testsuite/>")];
    let id = lab.github.upload_artifact(started.run_id, "junit", &files).unwrap();
    (started, id)
}

#[tokio::test]
async fn a_runs_artifacts_are_listed_newest_first_and_by_name() {
    let lab = Lab::new().await;
    let (started, first) = uploaded(&lab);
    let second = lab.github.upload_artifact(started.run_id, "sbom", &[]).unwrap();
    let path = format!("{REPO}/actions/runs/{}/artifacts", started.run_id);
    let all = lab.get(&path).await.body;
    assert_eq!((&all["total_count"], &all["artifacts"][0]["id"]), (&json!(2), &json!(second)));
    assert_eq!((&all["artifacts"][1]["id"], &all["artifacts"][1]["name"]), (&json!(first), &json!("junit")));
    let named = lab.get(&format!("{path}?name=junit")).await.body;
    assert_eq!((&named["total_count"], &named["artifacts"][0]["expired"]), (&json!(1), &json!(false)));
    let other =
        lab.github.start_deployment(&StartDeployment::new("acme/payments-api", "production")).unwrap();
    let path = format!("{REPO}/actions/runs/{}/artifacts", other.run_id);
    assert_eq!(lab.get(&path).await.body["total_count"], 0);
}

#[tokio::test]
async fn a_content_is_in_a_store_that_knows_the_address_alone() {
    let lab = Lab::new().await;
    let (_, id) = uploaded(&lab);
    let sent_on = lab.get(&format!("{REPO}/actions/artifacts/{id}/zip")).await;
    assert_eq!(sent_on.status, 302);
    let target = sent_on.header("location").strip_prefix("https://api.github.com").unwrap().to_owned();
    let content = lab.call(Method::GET, &target, None, None).await;
    assert_eq!((content.status, content.header("content-type")), (200, "application/zip"));
    assert!(content.text.starts_with("PK"), "{}", content.text);
    assert_eq!(lab.get(&target).await.status, 400, "a token beside the signature is refused");
    let forged = target.replace("sig=", "sig=0");
    assert_eq!(lab.call(Method::GET, &forged, None, None).await.status, 403);
    lab.github.clock().advance(std::time::Duration::from_secs(61));
    assert_eq!(lab.call(Method::GET, &target, None, None).await.status, 403, "it is good for a minute");
}

#[tokio::test]
async fn of_an_expired_artifact_the_name_is_left() {
    let lab = Lab::new().await;
    let (started, id) = uploaded(&lab);
    lab.github.expire_artifact(id).unwrap();
    let all = lab.get(&format!("{REPO}/actions/runs/{}/artifacts", started.run_id)).await.body;
    assert_eq!(all["artifacts"][0]["expired"], true);
    assert_eq!(lab.get(&format!("{REPO}/actions/artifacts/{id}/zip")).await.status, 410);
    assert_eq!(lab.get(&format!("{REPO}/actions/artifacts/{}/zip", id + 1)).await.status, 404);
}

#[tokio::test]
async fn the_control_plane_uploads_and_expires() {
    let lab = Lab::new().await;
    let (started, _) = uploaded(&lab);
    let path = format!("/__sim/runs/{}/artifacts", started.run_id);
    let wish = json!({ "name": "sbom", "files": [{ "path": "bom.json", "content": "{}" }] });
    let made = lab.call(Method::POST, &path, None, Some(wish)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["id"].as_u64().unwrap();
    let expired = lab.call(Method::POST, &format!("/__sim/artifacts/{id}/expire"), None, None).await;
    assert_eq!(expired.status, 204, "{}", expired.text);
    assert_eq!(lab.get(&format!("{REPO}/actions/artifacts/{id}/zip")).await.status, 410);
}
