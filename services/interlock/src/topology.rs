//! `topology apply`: declares every exchange, queue and binding.

use std::sync::Arc;

use interlock_broker::topology::{EXCHANGES, queues};
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::clock::SystemClock;

use crate::{ports, say};

/// Declares the whole topology, for users that may where the roles' user may not.
pub async fn apply(config: &Config) -> anyhow::Result<()> {
    if let Place::Embedded(folder) = &config.broker.place {
        say::line(format_args!("{} has every queue from the start: nothing to apply", folder.display()));
        return Ok(());
    }
    let broker = ports::broker(config, Arc::new(SystemClock), true, "topology").await?;
    broker.apply_topology().await?;
    broker.check().await?;
    say::line(format_args!("{} exchanges and {} queues stand", EXCHANGES.len(), queues().len()));
    broker.close().await;
    Ok(())
}
