//! The pause that a platform asked for, kept by all processes: in the Store, and in this process for when
//! the Store is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::Store;
use tokio::time::Instant;

use crate::PlatformError;

/// Beyond it pauses that are over are forgotten, and if that does not help, all.
const REMEMBERED_MAX: usize = 1_000;

/// Pauses by whom they were asked of: an account, an installation.
pub(crate) struct Pause {
    clock: Arc<dyn Clock>,
    store: Option<Arc<dyn Store>>,
    until: Mutex<HashMap<String, Instant>>,
}

impl Pause {
    /// Without a Store the pause is kept by this process alone.
    pub fn new(clock: Arc<dyn Clock>, store: Option<Arc<dyn Store>>) -> Self {
        Self { clock, store, until: Mutex::default() }
    }

    /// May `whom` be called?
    ///
    /// # Errors
    /// [`PlatformError::Paused`] with the time that is left.
    pub async fn check(&self, whom: &str) -> Result<(), PlatformError> {
        if let Some(left) = self.left_here(whom) {
            return Err(PlatformError::Paused(left));
        }
        let Some(store) = &self.store else { return Ok(()) };
        match store.paused(whom).await {
            Ok(Some(left)) => Err(PlatformError::Paused(left)),
            // A pause that is not known hurts less than a call that is not made.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Keeps what an answer asked for.
    pub async fn keep(&self, whom: &str, error: &PlatformError) {
        let PlatformError::Paused(pause) = error else { return };
        self.remember(whom, *pause);
        let Some(store) = &self.store else { return };
        if let Err(fault) = store.pause(whom, *pause).await {
            tracing::warn!(%fault, whom, "other processes do not learn that the platform wants a pause");
        }
    }

    fn left_here(&self, whom: &str) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner).get(whom)?;
        until.checked_duration_since(self.clock.instant()).filter(|left| !left.is_zero())
    }

    fn remember(&self, whom: &str, pause: Duration) {
        let now = self.clock.instant();
        let mut all = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, until| *until > now);
        }
        if all.len() >= REMEMBERED_MAX {
            all.clear();
        }
        let until = all.entry(whom.to_owned()).or_insert(now);
        *until = (*until).max(now + pause);
    }
}
