//! Ready is who can keep a webhook safe: all queues of all core workers exist, or the spool has room. The
//! broker is looked at every ten seconds, while it is away every second, and at once after a failed publication.

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

    /// Looks whether events can be kept safe, and says so in health.
    pub async fn look(&self) {
        let state = self.check().await;
        let was_up = self.inner.broker_up.send_replace(state.is_ok());
        self.measure();
        let Some(fill) = self.inner.parts.spool.as_ref().map(|spool| spool.fill()) else {
            return self.set_ready(state);
        };
        match &state {
            Err(reason) if was_up => tracing::warn!(%reason, "the broker is away: webhooks are spooled"),
            Ok(()) if !was_up => tracing::info!("the broker takes events"),
            Ok(()) | Err(_) => {}
        }
        let full = |reason| format!("{reason}; the spool is full ({} entries)", fill.entries);
        self.set_ready(if fill.has_room { Ok(()) } else { state.map_err(full) });
    }

    /// The broker takes events and no core queue is missing.
    pub(crate) async fn is_well(&self) -> bool {
        self.check().await.is_ok()
    }

    async fn check(&self) -> Result<(), String> {
        match tokio::time::timeout(TIMEOUT, self.inner.parts.broker.check()).await {
            Ok(checked) => checked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the broker did not answer in {} s", TIMEOUT.as_secs())),
        }
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

    /// Without a spool nobody waits for the broker but senders, who come again by themselves.
    fn interval(&self) -> Duration {
        let waits = self.inner.parts.spool.is_some() && !*self.inner.broker_up.borrow();
        if waits { INTERVAL_MIN } else { INTERVAL }
    }

    /// Looks for as long as the process runs.
    pub(crate) async fn keep_looking(self, shutdown: Shutdown) {
        while !shutdown.has_begun() {
            self.look().await;
            tokio::select! {
                () = shutdown.begun() => {}
                () = tokio::time::sleep(self.interval()) => {}
                () = async {
                    tokio::time::sleep(INTERVAL_MIN).await;
                    self.inner.doubt.notified().await;
                } => {}
            }
        }
        self.set_ready(Err("shutting down".to_owned()));
    }
}
