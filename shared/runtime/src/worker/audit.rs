//! The log as last resort: what a queue did not bring is taken up from it.
//!
//! With a log bound to everything, `mandatory` cannot tell that one queue's binding is gone. So a
//! worker leaves a receipt in the Store for each event that reaches it, makes sure every ten seconds
//! that its queue and bindings stand, and compares the log with the receipts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{AttributesReader, Event};
use tokio::task::JoinHandle;

use super::Context;
use super::arrivals::Arrivals;
use crate::ports::broker::{BrokerError, LogEntry};
use crate::ports::store::Claim;
use crate::signals::Shutdown;

const INTERVAL: Duration = Duration::from_secs(8);
/// Younger entries may still be on their way.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(5);
/// How far back a worker looks that finds its queue missing and does not know since when.
const UNKNOWN_HOLE: TimeDelta = TimeDelta::hours(24);
const RECEIPT_LIFE: Duration = Duration::from_secs(3600);
/// So far back every event that arrived has its receipt.
const RECEIPTS_STAND: TimeDelta = TimeDelta::minutes(50);
/// What was in hand when a queue went missing began at most so long before the last look.
const IN_HAND: TimeDelta = TimeDelta::minutes(2);
const LOOK_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
const PAGE: usize = 1000;
/// The largest page: a burst within one moment must fit into it.
const PAGE_MAX: usize = 64 * 1000;

/// Leaves the receipt that an event has reached its worker.
pub(super) async fn receipt(worker: &'static str, id: String, context: Context) {
    // Without a receipt the event is taken up once more, which is harmless.
    let _ = context.store.put(&receipt_key(worker, &id), "1", RECEIPT_LIFE).await;
}

/// The event did not stay with its worker after all.
pub(super) async fn take_back_receipt(worker: &str, event: &Event, context: &Context) {
    let _ = context.store.release(&receipt_key(worker, event.id()), "1").await;
}

fn receipt_key(worker: &str, id: &str) -> String {
    format!("seen:{worker}:{id}")
}

pub(super) fn start(
    worker: &'static str,
    types: Vec<&'static str>,
    arrivals: Arc<Arrivals>,
    context: Context,
    shutdown: Shutdown,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut audit = Audit { worker, types, arrivals, looked: None, context };
        loop {
            if let Err(fault) = audit.turn().await {
                tracing::debug!(worker, %fault, "cannot compare the log with what arrived");
            }
            if tokio::time::timeout(INTERVAL, shutdown.begun()).await.is_ok() {
                return;
            }
        }
    })
}

struct Audit {
    worker: &'static str,
    types: Vec<&'static str>,
    arrivals: Arc<Arrivals>,
    /// Up to when this process itself has compared: a flush of the Store takes the common note of it.
    looked: Option<DateTime<Utc>>,
    context: Context,
}

impl Audit {
    async fn turn(&mut self) -> Result<(), BrokerError> {
        let standing = self.context.broker.reassert(self.worker).await?;
        if !self.context.broker.can_lose() {
            return Ok(());
        }
        if !self.is_ours().await {
            self.looked = self.last_look().await.or(self.looked);
            return Ok(());
        }
        let now = self.context.clock.now();
        let last = self.last_look().await.or(self.looked);
        let since = match (standing.was_missing, last) {
            (true, Some(last)) => last - IN_HAND,
            // Receipts of what is older have ended.
            (false, Some(last)) => (last - ON_ITS_WAY).max(now - RECEIPTS_STAND),
            (true, None) => now - UNKNOWN_HOLE,
            // Nobody remembers a look: the Store was emptied while this process was away, or never used.
            (false, None) => now - IN_HAND,
        };
        // What is ready in the queue has not reached anybody yet; it is no hole.
        if standing.was_missing || standing.ready == 0 {
            let upto = self.take_up_absent(since, now - ON_ITS_WAY).await?;
            self.looked = Some(upto);
            let _ = self.context.store.put(&self.look_key(), &upto.to_rfc3339(), LOOK_LIFE).await;
        }
        Ok(())
    }

    fn look_key(&self) -> String {
        format!("look:{}", self.worker)
    }

    async fn is_ours(&self) -> bool {
        let lease = format!("lease:audit:{}", self.worker);
        matches!(
            self.context.store.claim(&lease, &self.context.clock.tag(), INTERVAL.mul_f64(0.9)).await,
            Ok(Claim::Won)
        )
    }

    async fn last_look(&self) -> Option<DateTime<Utc>> {
        self.context.store.get(&self.look_key()).await.ok().flatten()?.parse().ok()
    }

    /// Takes up what has no receipt, and says up to when the log was compared. After a flush of the Store that may
    /// be an event which another process has had: it comes once more, which is harmless.
    async fn take_up_absent(
        &self,
        since: DateTime<Utc>,
        upto: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, BrokerError> {
        let (page, whole) = self.page(since).await?;
        let reached = if whole { upto } else { page.last().map_or(upto, |entry| entry.at.min(upto)) };
        let due = page.into_iter().filter(|entry| entry.at <= upto && !self.arrivals.has(entry.event.id()));
        let absent = self.without_receipt(due.collect()).await?;
        if !absent.is_empty() {
            tracing::warn!(
                worker = self.worker,
                count = absent.len(),
                "taking up from the log what the queue did not bring"
            );
            metrics::counter!("interlock_taken_up_total", "worker" => self.worker)
                .increment(absent.len() as u64);
            let taken = self.context.broker.take_up(self.worker, &absent).await;
            taken.map_err(|fault| BrokerError::Unavailable(fault.to_string()))?;
        }
        Ok(reached)
    }

    /// The log from `since`, and whether that is all. A page that ends before it gets on grows.
    async fn page(&self, since: DateTime<Utc>) -> Result<(Vec<LogEntry>, bool), BrokerError> {
        let mut limit = PAGE;
        loop {
            let page = self.context.broker.log(since, &self.types, limit).await?;
            let whole = page.len() < limit;
            let gets_on = page.last().is_none_or(|entry| entry.at > since + ON_ITS_WAY * 2);
            if whole || gets_on || limit >= PAGE_MAX {
                return Ok((page, whole));
            }
            limit *= 4;
        }
    }

    async fn without_receipt(&self, entries: Vec<LogEntry>) -> Result<Vec<Event>, BrokerError> {
        let keys: Vec<String> =
            entries.iter().map(|entry| receipt_key(self.worker, entry.event.id())).collect();
        let mut present = Vec::with_capacity(keys.len());
        for keys in keys.chunks(PAGE) {
            let found = self.context.store.present(keys).await;
            present.extend(found.map_err(|fault| BrokerError::Unavailable(fault.to_string()))?);
        }
        let absent = entries.into_iter().zip(present).filter(|(_, present)| !present);
        Ok(absent.map(|(entry, _)| entry.event).collect())
    }
}
