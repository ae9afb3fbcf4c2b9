//! Ready is who can keep a webhook safe: all queues of all core workers exist. Looked at every ten
//! seconds, and at once after a publication that was not confirmed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use interlock_runtime::signals::Shutdown;

use crate::{Ingress, NAME};

const INTERVAL: Duration = Duration::from_secs(10);
/// A broker that takes longer to answer is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Not more often than this, however many publications fail.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

impl Ingress {
    /// Whether webhooks are taken in.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Acquire)
    }

    /// Looks whether the broker can take events, and says so in health.
    pub async fn look(&self) {
        let parts = &self.inner.parts;
        let checked = tokio::time::timeout(TIMEOUT, parts.broker.check()).await;
        let state = match checked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the broker did not answer in {} s", TIMEOUT.as_secs())),
        };
        self.set_ready(state);
    }

    pub(crate) fn set_ready(&self, state: Result<(), String>) {
        let was = self.inner.ready.swap(state.is_ok(), Ordering::AcqRel);
        match &state {
            Ok(()) if !was => tracing::info!("ingress is ready"),
            Err(reason) if was => tracing::warn!(%reason, "ingress is not ready: webhooks are answered 503"),
            Ok(()) | Err(_) => {}
        }
        self.inner.parts.health.set(NAME, state);
    }

    /// Looks for as long as the process runs.
    pub(crate) async fn keep_looking(self, shutdown: Shutdown) {
        while !shutdown.has_begun() {
            self.look().await;
            tokio::select! {
                () = shutdown.begun() => {}
                () = tokio::time::sleep(INTERVAL) => {}
                () = async {
                    tokio::time::sleep(INTERVAL_MIN).await;
                    self.inner.doubt.notified().await;
                } => {}
            }
        }
        self.set_ready(Err("shutting down".to_owned()));
    }
}
