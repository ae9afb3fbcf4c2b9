//! The Store port on Redis, and on SQLite within one process.
#![doc = include_str!("../README.md")]

pub mod embedded;
pub mod redis;

pub use embedded::EmbeddedStore;
pub use redis::RedisStore;

use std::time::Duration;

use interlock_runtime::ports::store::StoreError;

/// How many keys one look may ask for.
pub const PRESENT_MAX: usize = 1_000;

fn within_bound(keys: &[String]) -> Result<(), StoreError> {
    if keys.len() <= PRESENT_MAX {
        return Ok(());
    }
    Err(StoreError(format!("cannot look for {} keys at once, at most {PRESENT_MAX}", keys.len())))
}

/// When to ask again for a permit: the holders give theirs back sooner than their leases end.
fn busy_hint(first_lease_ends_in: Duration) -> Duration {
    first_lease_ends_in.clamp(Duration::from_millis(20), Duration::from_millis(250))
}
