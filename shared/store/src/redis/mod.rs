//! The Store on Redis 7 or anything that speaks like it.
//!
//! Needs `maxmemory-policy noeviction`: an evicted claim would be forgotten within an epoch.

mod connection;
mod scripts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::DateTime;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::{Admission, Chain, Claim, Epoch, Store, StoreError};
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, Pipeline, ScriptInvocation};

pub use self::connection::CALL_TIMEOUT;
use self::connection::Connection;
use self::scripts::Scripts;
use crate::{busy_hint, within_bound};

/// How long a projection stays after its last entry was written: longer than any gate.
const PROJECTION_TTL: Duration = Duration::from_secs(35 * 24 * 3600);
/// How many entries one step of a scan asks for.
const SCAN_COUNT: usize = 1_000;

/// The Store on Redis. Connects at the first call; each call that fails leaves its outcome unknown.
pub struct RedisStore {
    connection: Connection,
    prefix: String,
    scripts: Scripts,
    clock: Arc<dyn Clock>,
}

impl RedisStore {
    /// A Store at `url` (`redis://`, `rediss://`) whose keys all begin with `prefix`. Contacts nobody yet.
    ///
    /// # Errors
    /// When the URL cannot be read. The message does not repeat it, since it may hold a password.
    pub fn open(url: &str, prefix: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let client =
            Client::open(url).context("the Store's URL is not one of Redis (redis://host:6379/0)")?;
        Ok(Arc::new(Self {
            connection: Connection::new(client),
            prefix: prefix.to_owned(),
            scripts: Scripts::new(),
            clock,
        }))
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn projection_key(&self, projection: &str) -> String {
        format!("{}projection:{projection}", self.prefix)
    }

    /// In a cluster, keys of one script must share a slot: that of what stands in braces.
    fn instance_key(&self, what: &str, instance: &str) -> String {
        format!("{}{what}:{{{instance}}}", self.prefix)
    }

    async fn run<T>(&self, verb: &str, script: ScriptInvocation<'_>) -> Result<T, StoreError>
    where
        T: FromRedisValue + Send,
    {
        self.connection
            .call(verb, async |mut connection: MultiplexedConnection| {
                script.invoke_async(&mut connection).await
            })
            .await
    }

    async fn ask<T>(&self, verb: &str, command: redis::Cmd) -> Result<T, StoreError>
    where
        T: FromRedisValue + Send,
    {
        self.connection
            .call(verb, async |mut connection: MultiplexedConnection| {
                command.query_async(&mut connection).await
            })
            .await
    }

    async fn ask_all<T>(&self, verb: &str, commands: Pipeline) -> Result<T, StoreError>
    where
        T: FromRedisValue + Send,
    {
        self.connection
            .call(verb, async |mut connection: MultiplexedConnection| {
                commands.query_async(&mut connection).await
            })
            .await
    }
}

/// Redis refuses an expiry of 0.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 50)
}

#[async_trait]
impl Store for RedisStore {
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError> {
        let mut script = self.scripts.claim.prepare_invoke();
        script.key(self.key(key)).arg(value).arg(millis(ttl));
        let held: Option<String> = self.run("claim", script).await?;
        Ok(held.map_or(Claim::Won, Claim::Held))
    }

    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError> {
        let mut script = self.scripts.swap.prepare_invoke();
        script.key(self.key(key)).arg(expected).arg(value).arg(millis(ttl));
        self.run("swap", script).await
    }

    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError> {
        let mut script = self.scripts.release.prepare_invoke();
        script.key(self.key(key)).arg(expected);
        self.run("release", script).await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.ask("get", redis::cmd("GET").arg(self.key(key)).take()).await
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError> {
        let command = redis::cmd("SET").arg(self.key(key)).arg(value).arg("PX").arg(millis(ttl)).take();
        self.ask("put", command).await
    }

    async fn present(&self, keys: &[String]) -> Result<Vec<bool>, StoreError> {
        within_bound(keys)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        for key in keys {
            commands.cmd("EXISTS").arg(self.key(key));
        }
        self.ask_all("present", commands).await
    }

    async fn advance(&self, key: &str, tick: u64, tag: &str, ttl: Duration) -> Result<Chain, StoreError> {
        let mut script = self.scripts.advance.prepare_invoke();
        script.key(self.key(key)).arg(format!("{tick:020}")).arg(tag).arg(millis(ttl));
        let holder: Option<String> = self.run("advance", script).await?;
        let Some(holder) = holder else { return Ok(Chain::Holder) };
        let tick = holder.parse().map_err(|_| StoreError(format!("advance: {key} holds no tick")))?;
        Ok(Chain::Other { tick })
    }

    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<(), StoreError> {
        let mut script = self.scripts.project.prepare_invoke();
        script.key(self.projection_key(projection)).arg(field).arg(value).arg(millis(PROJECTION_TTL));
        self.run("project", script).await
    }

    async fn unproject(&self, projection: &str, field: &str) -> Result<(), StoreError> {
        let command = redis::cmd("HDEL").arg(self.projection_key(projection)).arg(field).take();
        self.ask("unproject", command).await
    }

    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>, StoreError> {
        self.ask("projected", redis::cmd("HGET").arg(self.projection_key(projection)).arg(field).take()).await
    }

    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        // A scan may name an entry twice (Redis, "SCAN guarantees").
        let mut entries = BTreeMap::new();
        let mut cursor = 0_u64;
        loop {
            let step = redis::cmd("HSCAN")
                .arg(self.projection_key(projection))
                .arg(cursor)
                .arg("COUNT")
                .arg(SCAN_COUNT)
                .take();
            let (next, page): (u64, Vec<(String, String)>) = self.ask("projection", step).await?;
            entries.extend(page);
            cursor = next;
            if cursor == 0 || entries.len() >= limit {
                return Ok(entries.into_iter().take(limit).collect());
            }
        }
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        let mut script = self.scripts.epoch.prepare_invoke();
        script.key(self.key("epoch")).arg(self.clock.tag());
        let (id, since, now): (String, i64, i64) = self.run("epoch", script).await?;
        let since_at = DateTime::from_timestamp_millis(since)
            .ok_or_else(|| StoreError("epoch: its beginning is no time".into()))?;
        let age = Duration::from_millis(u64::try_from(now - since).unwrap_or(0));
        Ok(Epoch { id, since: since_at, age })
    }

    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Admission, StoreError> {
        let mut script = self.scripts.acquire.prepare_invoke();
        script
            .key(self.instance_key("pause", instance))
            .key(self.instance_key("permits", instance))
            .arg(holder)
            .arg(limit)
            .arg(millis(lease));
        let (answer, wait_ms): (String, u64) = self.run("acquire", script).await?;
        let wait = Duration::from_millis(wait_ms);
        Ok(match answer.as_str() {
            "admitted" => Admission::Admitted,
            "paused" => Admission::Paused(wait),
            _ => Admission::Busy(busy_hint(wait)),
        })
    }

    async fn give_back(&self, instance: &str, holder: &str) -> Result<(), StoreError> {
        let command = redis::cmd("ZREM").arg(self.instance_key("permits", instance)).arg(holder).take();
        self.ask("give_back", command).await
    }

    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError> {
        let mut script = self.scripts.pause.prepare_invoke();
        script.key(self.instance_key("pause", instance)).arg(millis(pause));
        self.run("pause", script).await
    }

    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError> {
        let mut script = self.scripts.paused.prepare_invoke();
        script.key(self.instance_key("pause", instance));
        let left: u64 = self.run("paused", script).await?;
        Ok((left > 0).then(|| Duration::from_millis(left)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask("ping", redis::cmd("PING").take()).await
    }
}
