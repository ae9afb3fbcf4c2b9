//! Other workers' queues: full, or bound to nothing. A gate's watch does not notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use interlock_broker::topology::{self, RESUME};
use interlock_events::AttributesReader;
use interlock_runtime::ports::broker::{Broker, Tier};
use interlock_runtime::worker::Handled;
use interlock_tests::broker_conformance::hint;
use interlock_tests::servers::{PrivateRedis, shared_broker};
use interlock_tests::world::{Role, SOON, Setup, World, until};
use lapin::options::BasicPublishOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::time::Instant;

use super::staff::{connect, employ, store};

const NEIGHBOUR: &str = "change-worker";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ticks_on_time_while_sixty_messages_of_another_worker_expire_to_a_target_that_is_gone() {
    let url = shared_broker().amqp_url;
    let redis = tokio::task::spawn_blocking(PrivateRedis::start).await.expect("it starts");
    let broker = connect(&url).await;
    sixty_expire_into_nothing(&url).await;
    broker.publish(&[hint("gate")], false).await.expect("published");
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let noted = ticks.clone();
    let worker = employ(broker.clone(), store(&redis), move |_| {
        noted.lock().unwrap().push(Instant::now());
        let state = serde_json::json!("open");
        async { Handled::Watch { after: Duration::from_secs(1), state, events: vec![] } }
    });
    until("the gate ticks", SOON, async || (ticks.lock().unwrap().len() >= 8).then_some(())).await;
    worker.abort();
    let ticks = ticks.lock().unwrap().clone();
    let longest = ticks.windows(2).map(|pair| pair[1] - pair[0]).max().expect("ticks");
    assert!(longest < Duration::from_secs(4), "a tick of 1 s came after {longest:?}");
    broker.close().await;
}

/// The broker keeps one window of 32 messages for each queue that dead-letters, and tries refused ones again
/// after minutes.
async fn sixty_expire_into_nothing(url: &str) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    let watch = topology::watch(NEIGHBOUR);
    channel
        .queue_unbind(watch.as_str().into(), RESUME.into(), NEIGHBOUR.into(), FieldTable::default())
        .await
        .expect("unbound");
    let (exchange, key) = (topology::DELAY, topology::delay_key(NEIGHBOUR, Tier::OneSecond));
    for _ in 0..60 {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sent = channel.basic_publish(exchange.into(), key.as_str().into(), options, b"{}", properties);
        sent.await.expect("sent").await.expect("taken");
    }
}

/// More than a worker takes in hand at once.
const GATES: usize = 60;
const SOON_DUE: &str = "    approval: { timeout_minutes: 1 }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_are_decided_on_time_while_the_queue_of_another_worker_is_full() {
    let mut world = Setup { private_broker: true, policy: SOON_DUE, ..Setup::default() }.start().await;
    let gates: Vec<_> = (0..GATES)
        .map(|number| world.deploy_ago(&format!("acme/service-{number}"), TimeDelta::seconds(15)))
        .collect();
    for gate in &gates {
        world.until_asked(gate).await;
    }
    world.stop(Role::ChangeWorker);
    let full = topology::intake(NEIGHBOUR);
    world.private_broker().fill(&full);
    for gate in &gates {
        // The deadline is 60 s after the request, and it is decided within 60 s more.
        let late = world.at_github(gate).created_at + TimeDelta::seconds(120);
        world.until_gate_within(gate, "rejected", SOON * 3).await;
        let rejected = world.at_gate(gate, "gate.rejected");
        assert!(rejected[0].at <= late, "decided at {}, which is after {late}", rejected[0].at);
    }
    copies_are_few(&world).await;
    world.private_broker().empty(&full);
    world.start_role(Role::ChangeWorker).await;
    for gate in &gates {
        world.until_told(gate, "gate.rejected").await;
        let canceled = format!("the change of deployment {} is canceled", gate.id);
        until(&canceled, SOON * 2, async || {
            world.changes_of(gate).iter().all(|change| change["state"] == "4").then_some(())
        })
        .await;
    }
    copies_are_few(&world).await;
}

/// What one queue refuses the others have taken: it must not be sent again and again.
async fn copies_are_few(world: &World) {
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.events().await.iter().filter(|event| event.ty().contains("gate.rejected")) {
        *copies.entry(event.id().to_owned()).or_default() += 1;
    }
    let all: usize = copies.values().sum();
    assert!(all <= copies.len() * 3, "{all} copies of {} events: {copies:?}", copies.len());
}
