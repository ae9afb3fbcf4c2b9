//! The Store: what can be rebuilt. Losing it costs time and calls, never an outcome.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Idempotency hints, leases, chains, projections, shared budgets: Redis, or SQLite in one process.
///
/// Every key has an expiry. Keys are `<what>:<rest>`; values are short text, projections JSON.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Sets `key` if it is absent.
    ///
    /// # Errors
    /// [`StoreError`]; the outcome is then unknown.
    async fn claim(&self, key: &str, value: &str, ttl: Duration) -> Result<Claim, StoreError>;

    /// Sets `key` to `value` if it holds exactly `expected`. `Ok(false)` where it does not.
    ///
    /// # Errors
    /// [`StoreError`]; the outcome is then unknown.
    async fn swap(&self, key: &str, expected: &str, value: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// Removes `key` if it holds exactly `expected`: ends a lease.
    ///
    /// # Errors
    /// [`StoreError`]; the lease then ends by itself.
    async fn release(&self, key: &str, expected: &str) -> Result<bool, StoreError>;

    /// What `key` holds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Sets `key`, whatever it held.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(&self, key: &str, value: &str, ttl: Duration) -> Result<(), StoreError>;

    /// Says which of `keys` exist, in their order; at most 1,000 at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn present(&self, keys: &[String]) -> Result<Vec<bool>, StoreError>;

    /// The chain rule, atomically: `key` becomes (`tick`, `tag`) if it is absent or its tick is lower;
    /// the same pair holds it already.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn advance(&self, key: &str, tick: u64, tag: &str, ttl: Duration) -> Result<Chain, StoreError>;

    /// Sets one entry of a projection (a map kept for look-ups, such as `gates`).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn project(&self, projection: &str, field: &str, value: &str) -> Result<(), StoreError>;

    /// Removes one entry of a projection.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unproject(&self, projection: &str, field: &str) -> Result<(), StoreError>;

    /// Reads one entry of a projection.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn projected(&self, projection: &str, field: &str) -> Result<Option<String>, StoreError>;

    /// All entries of a projection, at most `limit`, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn projection(&self, projection: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError>;

    /// When this Store's memory begins: set at the first look after it was emptied.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// Asks for one of `limit` permits to call `instance`; it ends by itself after `lease`.
    ///
    /// # Errors
    /// [`StoreError`]; the caller then goes on with one permit a process.
    async fn acquire(
        &self,
        instance: &str,
        holder: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Admission, StoreError>;

    /// Gives a permit back.
    ///
    /// # Errors
    /// [`StoreError`]; the permit then ends by its lease.
    async fn give_back(&self, instance: &str, holder: &str) -> Result<(), StoreError>;

    /// Pauses all calls to `instance` for `pause`; never shortens a longer pause.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn pause(&self, instance: &str, pause: Duration) -> Result<(), StoreError>;

    /// How long calls to `instance` are still paused; `None` where they are not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn paused(&self, instance: &str) -> Result<Option<Duration>, StoreError>;

    /// Answers when the Store does, for health.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Whether a claim was won.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key was absent and is ours now.
    Won,
    /// It is held, with this value.
    Held(String),
}

/// Whether a watch keeps its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// This pair holds the chain.
    Holder,
    /// Another pair holds it, at this tick.
    Other {
        /// The holder's tick.
        tick: u64,
    },
}

/// The beginning of a Store's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Differs after every loss of the Store's content.
    pub id: String,
    /// Since when it remembers, by the Store's own clock.
    pub since: DateTime<Utc>,
    /// How long that is, by the Store's own clock.
    pub age: Duration,
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes; give the permit back afterwards.
    Admitted,
    /// All permits are out; ask again after about this time.
    Busy(Duration),
    /// The instance is paused for everybody, for this long.
    Paused(Duration),
}

/// The Store did not answer, or not in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub String);
