//! `cmdb` of `deploy/examples`: the configuration item says what was deployed.

use interlock_simulators::github::Outcome;
use interlock_simulators::servicenow::seed::PAYMENTS_API;
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, SOON, World, until};
use serde_json::Value;

use super::patterns::start;

const REPOSITORY: &str = "acme/payments-api";

fn item(world: &World) -> Value {
    let items = world.service_now.records("cmdb_ci");
    items.into_iter().find(|item| item["sys_id"] == PAYMENTS_API).expect("it is seeded")
}

fn writes(world: &World) -> usize {
    world.service_now.requests().count("PATCH", "/api/now/table/cmdb_ci")
}

/// Approved and running; its change.
async fn running(world: &World) -> (Deployment, String) {
    let deployment = world.deploy(REPOSITORY);
    let change = world.until_asked(&deployment).await;
    world.approve(&change);
    until("the job runs", SOON, async || (world.at_github(&deployment).job == "in_progress").then_some(()))
        .await;
    (deployment, change)
}

#[tokio::test]
async fn what_went_well_is_written_into_the_item_once_and_what_failed_is_not() {
    let world = start("cmdb.yaml").await;
    let (good, change) = running(&world).await;
    world.succeed(&good).await;
    world.until_state(&change, "3").await;
    let shown = item(&world);
    assert_eq!(
        (&shown["u_commit"], &shown["u_change"]),
        (&good.sha.as_str().into(), &change.as_str().into())
    );
    assert!(shown["u_deployed_at"].as_str().is_some_and(|at| at.starts_with("20")), "{shown:#}");
    let told = world.until_told(&good, "cmdb.updated").await;
    assert_eq!((&told["item"]["name"], &told["ignored_fields"]), (&"payments-api".into(), &Value::Null));
    // Whatever is told again changes nothing.
    world.redeliver_all().await;
    let (bad, failed) = running(&world).await;
    world.github.finish(bad.id, Outcome::Failure).expect("a running job can end");
    world.until_state(&failed, "3").await;
    assert_eq!(item(&world), shown, "as the last good deployment left it");
    assert_eq!(writes(&world), 1);
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_keeps_no_change_open() {
    let world = start("cmdb.yaml").await;
    let ignored = Effect::AclIgnoreWrite { field: "u_commit".into() };
    world.service_now.fault(Fault::forever(ignored)).expect("there is room");
    let (deployment, change) = running(&world).await;
    world.succeed(&deployment).await;
    let closed = world.until_state(&change, "3").await;
    let notes = closed["close_notes"].as_str().unwrap_or_default();
    assert!(notes.contains("did not take these fields of payments-api: u_commit"), "{notes}");
    let told = world.until_told(&deployment, "cmdb.updated").await;
    assert_eq!(told["ignored_fields"][0], "u_commit", "{told}");

    let (deployment, change) = running(&world).await;
    world.service_now.set(&change, &[("cmdb_ci", "")]).expect("a person may take it out");
    world.succeed(&deployment).await;
    let closed = world.until_state(&change, "3").await;
    let notes = closed["close_notes"].as_str().unwrap_or_default();
    assert!(notes.contains("was not updated: the change names none"), "{notes}");
    let told = world.until_told(&deployment, "fault.raised").await;
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("change.cmdb_ci")), "{told}");
}
