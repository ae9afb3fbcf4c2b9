//! One look at a gate at a time: by whoever holds its lease in the Store.

use std::pin::pin;
use std::time::Duration;

use interlock_events::KeyHash;
use interlock_runtime::ports::store::Claim;

use crate::Desk;

/// So long a process that died holds up a gate; one that lives renews.
const LEASE: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(3);

impl Desk {
    /// Works on a gate alone; `None` if somebody does so already. Without the Store everybody works:
    /// each reads before it writes.
    pub(crate) async fn alone<T>(&self, key: &KeyHash, work: impl Future<Output = T>) -> Option<T> {
        let store = &self.context.store;
        let (lease, token) = (format!("gate:{key}"), self.context.clock.tag());
        if let Ok(Claim::Held(_)) = store.claim(&lease, &token, LEASE).await {
            return None;
        }
        let mut work = pin!(work);
        let worked = loop {
            match tokio::time::timeout(RENEWAL, &mut work).await {
                Ok(worked) => break worked,
                // Whoever was frozen for longer than its lease finds it gone: its writes are past their send deadline.
                Err(_) => drop(store.swap(&lease, &token, &token, LEASE).await),
            }
        };
        let _ = store.release(&lease, &token).await;
        Some(worked)
    }
}
