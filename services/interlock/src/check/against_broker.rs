//! What the broker knows that the file does not: whether its topology stands, and open gates of connections
//! that the file has no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use interlock_events::{AttributesReader, DeploymentRequested, data_of};
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::store::Store;
use serde_json::Value;

use crate::ports::Bench;
use crate::{ports, say};

const GATES_MAX: usize = 100_000;

/// Says what the broker knows.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let bench = ports::bench(config).await?;
    say::line("broker: the topology stands");
    let connections = match bench {
        Bench::File(file) => file
            .waiting(approval_worker::NAME, GATES_MAX)?
            .into_iter()
            .filter_map(|waiting| waiting.event.ok())
            .filter(|event| event.ty() == <DeploymentRequested as interlock_events::EventData>::TYPE)
            .filter_map(|event| data_of::<DeploymentRequested>(&event).ok())
            .map(|request| request.deployment.key.connection)
            .collect(),
        Bench::Server(broker) => {
            broker.close().await;
            projected(config).await?
        }
    };
    orphans(config, connections)
}

/// RabbitMQ does not show what waits in a queue; the Store has a copy of each open gate.
async fn projected(config: &Config) -> anyhow::Result<Vec<String>> {
    let Place::Remote(_) = &config.store.place else { return Ok(Vec::new()) };
    let store: Arc<dyn Store> = ports::store(config, Arc::new(SystemClock))?;
    let gates = store.projection("gates", GATES_MAX).await?;
    let connection = |json: &str| {
        let copy: Value = serde_json::from_str(json).ok()?;
        Some(copy.pointer("/request/deployment/key/connection")?.as_str()?.to_owned())
    };
    Ok(gates.iter().filter_map(|(_, json)| connection(json)).collect())
}

fn orphans(config: &Config, of_gates: Vec<String>) -> anyhow::Result<()> {
    let known = |name: &str| {
        config.connections().any(|one| one.name == name || one.aliases.iter().any(|alias| alias == name))
    };
    let total = of_gates.len();
    let mut orphans: BTreeMap<String, usize> = BTreeMap::new();
    for connection in of_gates.into_iter().filter(|name| !known(name)) {
        *orphans.entry(connection).or_default() += 1;
    }
    say::line(format_args!("broker: {total} open gates"));
    if orphans.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = orphans.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    bail!(
        "open gates hang on connections that the file does not have: {}; keep them until their gates are decided, or \
         name them as `aliases` of what replaces them",
        named.join(", ")
    )
}
