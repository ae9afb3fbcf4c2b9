//! The same flood at the door: signed webhooks of one repository, and the roles as processes.

use chrono::Utc;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use interlock_tests::world::{Role, Setup, World};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ALONE, FLOOD, PROMPT};

/// What GitHub sends when a job ends, as in its documentation of `deployment_status`.
const TEMPLATE: &str = include_str!("../../shared/platforms/fixtures/github/deployment_status.success.json");
/// Webhooks under way at once.
const SIDE_BY_SIDE: usize = 16;
/// Deployments of other repositories, one after the other, while the flood is worked off.
const OTHERS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_webhooks_of_one_repository_do_not_delay_the_change_of_another() {
    let _alone = ALONE.lock().await;
    let world = Setup { private_broker: true, ..Setup::default() }.start().await;
    let template = serde_json::from_str(TEMPLATE).expect("the fixture is JSON");
    stream::iter(0..FLOOD)
        .map(|number| post(&world, of_noise(&template, number), number))
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect::<()>()
        .await
        .expect("every webhook is taken");
    for number in 0..OTHERS {
        let began = Instant::now();
        let deployment = world.deploy(&format!("quiet/service-{number}"));
        world.until_asked(&deployment).await;
        let waited = began.elapsed();
        assert!(waited < PROMPT, "the change of service {number} was asked for after {waited:?}");
    }
    let dead = world.metric(Role::ChangeWorker, "interlock_deliveries_total", &[r#"outcome="dead""#]).await;
    assert_eq!(dead, 0.0);
}

/// The end of a deployment of its own, of which nobody opened a change: it travels on as a watch.
fn of_noise(template: &Value, number: usize) -> Value {
    let mut webhook = template.clone();
    webhook["deployment"]["id"] = json!(9_000_000 + number);
    webhook["deployment_status"]["id"] = json!(9_000_000 + number);
    webhook["workflow_run"]["id"] = json!(9_000_000 + number);
    // What is older than a day waits for no change any more.
    webhook["deployment_status"]["created_at"] = json!(Utc::now());
    webhook["deployment_status"]["updated_at"] = json!(Utc::now());
    webhook
}

async fn post(world: &World, webhook: Value, number: usize) -> Result<(), String> {
    let body = webhook.to_string();
    let posted = world.post_github("deployment_status", &format!("noise-{number}"), body.as_bytes()).await;
    match posted {
        Some(posted) if posted.status == 202 => Ok(()),
        other => Err(format!("webhook {number}: {other:?}")),
    }
}
