//! The ports of a configuration: RabbitMQ and Redis, or SQLite in a folder.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use interlock_broker::embedded::{Embedded, Inspection};
use interlock_broker::rabbitmq::{Options, RabbitMq};
use interlock_broker::spool::{Bounds, FileSpool};
use interlock_runtime::config::{Config, Endpoint, Place};
use interlock_runtime::http_client::ReqwestHttp;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::{Clock, SystemClock};
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::spool::Spool;
use interlock_runtime::ports::store::Store;
use interlock_store::embedded::EmbeddedStore;
use interlock_store::redis::RedisStore;
use secrecy::ExposeSecret;

/// Several products may share one Redis.
const KEY_PREFIX: &str = "interlock:";

/// Time and chance, and the outside.
pub fn machine() -> anyhow::Result<(Arc<dyn Clock>, Arc<dyn Http>)> {
    Ok((Arc::new(SystemClock), Arc::new(ReqwestHttp::new()?)))
}

/// Opens the broker. A RabbitMQ that is not there yet is no error.
///
/// `declare` the topology where the user may; `name` is shown in RabbitMQ's list of connections.
pub async fn broker(
    config: &Config,
    clock: Arc<dyn Clock>,
    declare: bool,
    name: &str,
) -> anyhow::Result<Arc<dyn Broker>> {
    match &config.broker.place {
        Place::Embedded(folder) => Ok(Embedded::open(folder, clock)?),
        Place::Remote(endpoint) => Ok(rabbitmq(endpoint, clock, declare, name).await?),
    }
}

async fn rabbitmq(
    endpoint: &Endpoint,
    clock: Arc<dyn Clock>,
    declare: bool,
    name: &str,
) -> anyhow::Result<Arc<RabbitMq>> {
    let url = endpoint.resolve().context("broker")?;
    let options = Options { declare, name: format!("interlock {name}"), ..Options::default() };
    RabbitMq::connect(url.expose_secret(), clock, options).await
}

/// Opens the spool of ingress, where there is one: an embedded broker is on the same disk.
pub fn spool(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Arc<dyn Spool>>> {
    let (Place::Remote(_), Some(spool)) = (&config.broker.place, &config.ingress.spool) else {
        return Ok(None);
    };
    let bounds = Bounds { entries: spool.entries_max, bytes: spool.bytes_max };
    let opened = FileSpool::open(&spool.folder, bounds, clock);
    Ok(Some(opened.context("ingress.spool: name a folder of this process alone, or write off")?))
}

/// Opens the Store. A Redis that is not there yet is no error.
pub fn store(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    match &config.store.place {
        Place::Embedded(folder) => Ok(EmbeddedStore::open(folder, clock)?),
        Place::Remote(endpoint) => redis(endpoint, clock),
    }
}

fn redis(endpoint: &Endpoint, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    let url = endpoint.resolve().context("store")?;
    Ok(RedisStore::open(url.expose_secret(), KEY_PREFIX, clock)?)
}

/// The broker as a tool sees it: a file that another process holds, or a server.
pub enum Bench {
    /// The embedded broker's file; it can be read, but not written.
    File(Box<Inspection>),
    /// RabbitMQ.
    Server(Arc<dyn Broker>),
}

/// Opens the broker for a tool.
pub async fn bench(config: &Config) -> anyhow::Result<Bench> {
    match &config.broker.place {
        Place::Embedded(folder) => Ok(Bench::File(Box::new(inspect(folder)?))),
        Place::Remote(endpoint) => {
            let broker = rabbitmq(endpoint, Arc::new(SystemClock), false, "tools").await?;
            broker.check().await?;
            Ok(Bench::Server(broker))
        }
    }
}

fn inspect(folder: &Path) -> anyhow::Result<Inspection> {
    Embedded::inspect(folder)
        .with_context(|| format!("no broker can be read in {}; has interlock run there?", folder.display()))
}
