//! The platforms that exist, and those that a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_runtime::config::{Config, Connection, Faults};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;

use crate::{Platform, github};

/// Connections that other crates read.
const NO_PLATFORM: [&str; 1] = ["servicenow"];

/// A platform by the name of its connection, and by each name that this connection had.
pub type Platforms = BTreeMap<String, Arc<dyn Platform>>;

/// What an adapter is to the table below.
pub(crate) trait Adapter: Platform + Sized {
    /// The `kind` of its connections.
    const KIND: &'static str;

    /// Reads its own keys of the connection.
    fn new(
        connection: &Connection,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        store: Option<Arc<dyn Store>>,
    ) -> Result<Self, Faults>;
}

type Build = fn(
    &Connection,
    Arc<dyn Http>,
    Arc<dyn Clock>,
    Option<Arc<dyn Store>>,
) -> Result<Arc<dyn Platform>, Faults>;

/// One kind of platform.
pub struct Entry {
    /// The `kind` of its connections.
    pub kind: &'static str,
    build: Build,
}

/// Every kind of platform, always compiled; a connection turns one on.
#[must_use]
pub fn adapters() -> Vec<Entry> {
    vec![adapter::<github::GitHub>()]
}

fn adapter<A: Adapter>() -> Entry {
    let build: Build = |connection, http, clock, store| Ok(Arc::new(A::new(connection, http, clock, store)?));
    Entry { kind: A::KIND, build }
}

/// The platforms of a configuration. What a platform's limits ask for is kept by all processes that share
/// `store`; without one, by this process alone.
///
/// # Errors
/// All faults of all their connections, and each connection of an unknown kind.
pub fn platforms(
    config: &Config,
    http: &Arc<dyn Http>,
    clock: &Arc<dyn Clock>,
    store: Option<&Arc<dyn Store>>,
) -> Result<Platforms, Faults> {
    let adapters = adapters();
    let (mut platforms, mut faults) = (Platforms::new(), Faults::default());
    for connection in config.connections().filter(|connection| !NO_PLATFORM.contains(&&*connection.kind)) {
        let Some(entry) = adapters.iter().find(|entry| entry.kind == connection.kind) else {
            let known: Vec<_> = adapters.iter().map(|entry| entry.kind).chain(NO_PLATFORM).collect();
            let what = format!("there is no kind `{}`", connection.kind);
            faults.0.push(connection.fault("kind", what, Some(format!("known: {}", known.join(", ")))));
            continue;
        };
        let built = (entry.build)(connection, http.clone(), clock.clone(), store.cloned());
        let Some(platform) = faults.gather(built) else { continue };
        for name in connection.aliases.iter().chain([&connection.name]) {
            platforms.insert(name.clone(), platform.clone());
        }
    }
    faults.into_result().map(|()| platforms)
}

#[cfg(test)]
mod tests;
