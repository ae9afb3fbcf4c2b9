//! Tells whether the Store is there. It may be away without harm, so it does not decide readiness.

use std::sync::Arc;
use std::time::Duration;

use interlock_runtime::ports::store::Store;
use interlock_runtime::signals::Shutdown;

/// How often the Store is asked whether it is there.
const STORE_LOOK: Duration = Duration::from_secs(10);

/// Asks until the shutdown; logs each turn, and sets the gauge `interlock_store_up`.
pub async fn watch(store: Arc<dyn Store>, shutdown: Shutdown) {
    let mut was_there = true;
    loop {
        let answer = store.ping().await;
        metrics::gauge!("interlock_store_up").set(if answer.is_ok() { 1.0 } else { 0.0 });
        match &answer {
            Err(fault) if was_there => tracing::warn!(%fault, "the store is away: this costs time and calls"),
            Ok(()) if !was_there => tracing::info!("the store is back"),
            Ok(()) | Err(_) => {}
        }
        was_there = answer.is_ok();
        if tokio::time::timeout(STORE_LOOK, shutdown.begun()).await.is_ok() {
            return;
        }
    }
}
