//! Evidence of `deploy/examples`: each file once, whatever happens meanwhile, and no gate waits for it.

use std::time::Duration;

use interlock_simulators::github::{ArtifactFile, StartDeployment};
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, Role, SOON, World, until};
use serde_json::Value;

use super::patterns::{number, start, until_change};

const JUNIT: &str =
    r#"<testsuite name="unit"><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite>"#;
const SBOM: &str = r#"{ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}, {}] }"#;
const SARIF: &str =
    r#"{ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "CodeQL" } }, "results": [{}] }] }"#;
/// A lease that nobody gave back ends in 45 s, and a write of which nothing is known settles.
const AFTER_A_CRASH: Duration = Duration::from_secs(90);

/// A run that has tested before it reaches its gate.
fn deploy(world: &World) -> Deployment {
    let ungated = StartDeployment { gated: Some(false), ..StartDeployment::new("acme/payments-api", "test") };
    let tests = world.github.start_deployment(&ungated).expect("the simulator takes it");
    for (name, path, content) in [
        ("junit-linux", "reports/unit.xml", JUNIT),
        ("sbom", "bom.json", SBOM),
        ("binaries", "app.tar", "not evidence"),
    ] {
        upload(world, tests.run_id, name, path, content);
    }
    let wish = StartDeployment {
        run_id: Some(tests.run_id),
        ..StartDeployment::new("acme/payments-api", "production")
    };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the run goes on"))
}

fn upload(world: &World, run: u64, name: &str, path: &str, content: &str) {
    let file = ArtifactFile::new(path, content);
    world.github.upload_artifact(run, name, &[file]).expect("there is room");
}

/// Names of what is attached to a change.
fn attached(world: &World, change: &Value) -> Vec<String> {
    let all = world.service_now.records("sys_attachment");
    let here = all.iter().filter(|file| file["table_sys_id"] == change["sys_id"]);
    let mut names: Vec<String> =
        here.map(|file| file["file_name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

/// Notes about evidence, oldest first.
fn notes(world: &World, change: &Value) -> Vec<String> {
    let journal = world.service_now.records("sys_journal_field");
    let here = journal.iter().filter(|entry| entry["element_id"] == change["sys_id"]);
    let said = here.filter_map(|entry| entry["value"].as_str());
    said.filter(|said| said.contains("[interlock:evidence:")).map(str::to_owned).collect()
}

async fn until_noted(world: &World, change: &Value, count: usize, within: Duration) -> Vec<String> {
    until(&format!("{count} notes tell of evidence"), within, async || {
        Some(notes(world, change)).filter(|notes| notes.len() >= count)
    })
    .await
}

#[tokio::test]
async fn what_a_run_proved_is_attached_once_and_summarised_and_what_comes_later_follows() {
    let world = start("evidence.yaml").await;
    world.github.turn(|knobs| knobs.webhook_copies = 1);
    world.repeat_service_now_webhooks(1);
    let deployment = deploy(&world);
    let change = until_change(&world, &deployment, "-4").await;
    let said = until_noted(&world, &change, 2, SOON).await.join("\n");
    for line in ["JUnit: 2 tests, 0 failed, 0 in error, 1 skipped", "CycloneDX 1.6: 2 components"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let names = attached(&world, &change);
    let is_junit = |name: &String| name.starts_with("junit-linux-unit-") && name.ends_with(".xml");
    assert!(names.len() == 2 && is_junit(&names[0]) && names[1].starts_with("sbom-bom-"), "{names:?}");
    let told = world.until_told(&deployment, "evidence.attached").await;
    assert_eq!(told["change"]["number"], change["number"]);
    // What the deployment itself proves comes after its gate.
    upload(&world, deployment.run, "sarif", "scan.sarif", SARIF);
    world.approve(&number(&change));
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&number(&change), "3").await;
    let said = until_noted(&world, &change, 3, SOON).await.join("\n");
    assert!(said.contains("SARIF by CodeQL: 1 finding (1 warning)"), "{said}");
    let names = attached(&world, &change);
    assert_eq!((names.len(), notes(&world, &change).len()), (3, 3), "each once: {names:?}");
    assert_eq!(world.dead_letters().await, [] as [String; 0]);
    world.judge_released(&deployment);
}

#[tokio::test]
async fn a_crash_in_the_middle_attaches_nothing_twice() {
    let mut world = start("evidence.yaml").await;
    // It is attached, and nobody hears of it.
    let hangs = Effect::TimeoutAfterCommit { hang_ms: 30_000 };
    world
        .service_now
        .fault(Fault::once(hangs).on_path("/attachment/file"))
        .expect("there is room for a fault");
    let deployment = deploy(&world);
    let change = until_change(&world, &deployment, "-4").await;
    until("the first file is there", SOON, async || (!attached(&world, &change).is_empty()).then_some(()))
        .await;
    world.kill(Role::ChangeWorker);
    assert_eq!(notes(&world, &change).len(), 0);
    world.start_role(Role::ChangeWorker).await;
    until_noted(&world, &change, 2, AFTER_A_CRASH).await;
    let names = attached(&world, &change);
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn what_an_instance_does_not_take_is_said_and_told_and_the_rest_is_attached() {
    let world = start("evidence.yaml").await;
    let mut knobs = world.service_now.knobs();
    knobs.attachment_extensions = vec!["xml".into()];
    world.service_now.set_knobs(knobs);
    let deployment = deploy(&world);
    let change = until_change(&world, &deployment, "-4").await;
    let said = until_noted(&world, &change, 2, SOON).await.join("\n");
    assert!(said.contains("CycloneDX 1.6: 2 components, 0 vulnerabilities, not attached"), "{said}");
    assert!(said.contains("glide.attachment.extensions"), "the cure: {said}");
    assert_eq!(attached(&world, &change).len(), 1);
    let told = world.until_told(&deployment, "fault.raised").await;
    let reason = told["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&number(&change)) && reason.contains("sbom"), "{reason}");
}

#[tokio::test]
async fn no_gate_waits_for_evidence_that_cannot_be_attached() {
    let world = start("evidence.yaml").await;
    let down = Effect::Status { code: 500, body: None };
    world.service_now.fault(Fault::forever(down).on_path("/attachment")).expect("there is room for a fault");
    let deployment = deploy(&world);
    let change = until_change(&world, &deployment, "-4").await;
    world.approve(&number(&change));
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&number(&change), "3").await;
    assert_eq!(attached(&world, &change), [] as [&str; 0]);
    assert_eq!(world.dead_letters().await, [] as [String; 0], "an outage uses up no attempts");
    world.service_now.clear_faults();
    until_noted(&world, &change, 2, AFTER_A_CRASH).await;
    assert_eq!(attached(&world, &change).len(), 2);
    world.judge_released(&deployment);
}
