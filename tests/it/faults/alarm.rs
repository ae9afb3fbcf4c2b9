//! The broker's memory alarm: whoever publishes is blocked, and nothing is lost.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_tests::world::{Role, SOON, Setup, until};

const SOON_DUE: &str = "    approval: { timeout_minutes: 1 }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_whose_deadline_falls_into_a_memory_alarm_are_decided_and_nothing_spins_or_is_lost() {
    let mut world = Setup { private_broker: true, policy: SOON_DUE, ..Setup::default() }.start().await;
    let gates: Vec<_> = (0..6)
        .map(|number| world.deploy_ago(&format!("acme/service-{number}"), TimeDelta::seconds(25)))
        .collect();
    for gate in &gates {
        world.until_asked(gate).await;
    }
    world.private_broker().control(&["set_vm_memory_high_watermark", "0.00001"]);
    let blocked = async || world.metric(Role::ApprovalWorker, "interlock_publish_refused_total", &[]).await;
    until("the worker is blocked", SOON, async || (blocked().await > 0.0).then_some(())).await;
    let due = world.at_github(&gates[5]).created_at + TimeDelta::seconds(62);
    until("the deadlines are over", SOON, async || (chrono::Utc::now() > due).then_some(())).await;
    // Some 48 outcomes wait, each with pauses that grow to half a minute: far from a hot loop.
    assert!(blocked().await < 300.0, "{} publications were tried in vain", blocked().await);
    world.private_broker().control(&["set_vm_memory_high_watermark", "0.4"]);
    for gate in &gates {
        world.until_gate_within(gate, "rejected", Duration::from_secs(75)).await;
        world.until_told(gate, "gate.rejected").await;
        world.judge_not_released(gate);
    }
    assert_eq!(
        world.metric(Role::ApprovalWorker, "interlock_deliveries_total", &[r#"outcome="dead""#]).await,
        0.0
    );
}
