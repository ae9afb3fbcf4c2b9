//! Keeping events safe: in every core queue that wants them, or on this machine's disk.

use std::time::Duration;

use interlock_events::{AttributesReader as _, Event};
use interlock_runtime::ports::broker::PublishError;
use interlock_runtime::ports::spool::{Spool, SpoolError};
use tokio::time::timeout;

use crate::Ingress;
use crate::problem::Problem;

/// A confirmed publish takes milliseconds; some senders wait three seconds in all.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);
/// A disk that is slower than this is as good as none.
const DISK_TIMEOUT: Duration = Duration::from_secs(1);

impl Ingress {
    /// Whoever gets `Ok` may answer 2xx.
    pub(crate) async fn keep(&self, events: &[Event]) -> Result<(), Problem> {
        if events.is_empty() {
            return Ok(());
        }
        let Some(spool) = self.inner.parts.spool.as_deref() else {
            return self.publish(events).await?.map_err(|()| Problem::NotConfirmed);
        };
        // What the broker is known not to take costs its sender no second.
        if *self.inner.broker_up.borrow() && self.publish(events).await?.is_ok() {
            return Ok(());
        }
        self.spool(spool, events).await
    }

    /// `Ok(Err(()))`: not, or perhaps not, in every queue; once more does no harm.
    async fn publish(&self, events: &[Event]) -> Result<Result<(), ()>, Problem> {
        let inner = &self.inner;
        let types: Vec<&str> = events.iter().map(|event| event.ty()).collect();
        let closed = |wait| Problem::Full { wait };
        inner.doors.enter(&types, inner.parts.clock.instant()).map_err(closed)?;
        let reason = match timeout(CONFIRM_TIMEOUT, inner.parts.broker.publish(events, false)).await {
            Ok(Err(PublishError::Full { what })) => {
                let wait = inner.doors.close(&types, inner.parts.clock.instant());
                tracing::warn!(event = what, ?wait, "a queue is full: its door is closed for a while");
                return Err(Problem::Full { wait });
            }
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                if matches!(error, PublishError::Gone(_)) {
                    inner.broker_up.send_replace(false);
                }
                Some(error.to_string())
            }
            Err(_) => Some(format!("not confirmed in {} ms", CONFIRM_TIMEOUT.as_millis())),
        };
        inner.doors.open(&types);
        let Some(reason) = reason else { return Ok(Ok(())) };
        tracing::warn!(%reason, "events were not published");
        inner.doubt.notify_one();
        Ok(Err(()))
    }

    async fn spool(&self, spool: &dyn Spool, events: &[Event]) -> Result<(), Problem> {
        let kept = match timeout(DISK_TIMEOUT, spool.keep(events)).await {
            Ok(kept) => kept,
            Err(_) => Err(SpoolError::Storage(format!("nothing in {} ms", DISK_TIMEOUT.as_millis()))),
        };
        self.measure();
        if let Err(reason) = kept {
            tracing::error!(%reason, "events were neither published nor spooled; the sender is asked to come again");
            self.inner.doubt.notify_one();
            return Err(Problem::NotConfirmed);
        }
        metrics::counter!("interlock_spooled_total").increment(1);
        self.inner.spooled.notify_one();
        Ok(())
    }
}
