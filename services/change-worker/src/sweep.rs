//! The sweep: changes of ours that are open and that no watch follows any more. A create may commit long
//! after everybody stopped waiting for it, when its deployment's change was closed and its watch had ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{
    AttributesReader, CorrelationId, DeploymentRequested, Event, EventData, KeyHash, data_of,
};
use interlock_rules::ChangeRow;
use interlock_runtime::worker::{Found, Task, chain_key};
use interlock_servicenow::ServiceNow;

use crate::{Desk, NAME};

/// How often one process looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(600);
/// Where the Store does not know when it was last looked.
const UNKNOWN_LOOK: TimeDelta = TimeDelta::hours(24);
/// A watch that ended is remembered for a quarter of an hour: what came to be meanwhile is seen again.
const OVERLAP: TimeDelta = TimeDelta::minutes(30);
/// A change is created at most so long after its request, but for outages.
const REQUESTED_BEFORE: TimeDelta = TimeDelta::hours(6);
const LOOK_LIFE: Duration = Duration::from_secs(24 * 3600);
const LOG_PAGE: usize = 1_000;
/// A million events; what lies further on is found by the next sweep's own beginning.
const LOG_PAGES_MAX: usize = 1_000;

pub(crate) struct FindStrays {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Task for FindStrays {
    async fn turn(&self) -> Found {
        let mut take_up = Vec::new();
        for service_now in self.desk.service_now.values() {
            match self.sweep(service_now).await {
                Ok(requests) => take_up.extend(requests),
                Err(fault) => tracing::debug!(connection = service_now.name(), fault, "no sweep this time"),
            }
        }
        Found { take_up, ..Found::default() }
    }
}

impl FindStrays {
    async fn sweep(&self, service_now: &ServiceNow) -> Result<Vec<Event>, String> {
        let now = self.desk.context.clock.now();
        let look = format!("look:sweep:{}", service_now.name());
        let last = self.desk.context.store.get(&look).await.map_err(|fault| fault.to_string())?;
        let last = last.and_then(|last| last.parse::<DateTime<Utc>>().ok()).unwrap_or(now - UNKNOWN_LOOK);
        let rows = service_now.open_since(last - OVERLAP).await.map_err(|fault| fault.to_string())?;
        let strays = self.unfollowed(rows, now).await?;
        let requests = if strays.is_empty() { Vec::new() } else { self.requests_of(strays).await? };
        let _ = self.desk.context.store.put(&look, &now.to_rfc3339(), LOOK_LIFE).await;
        Ok(requests)
    }

    /// Those that no watch follows. A young one may not be told to its follower yet.
    async fn unfollowed(
        &self,
        rows: Vec<ChangeRow>,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<KeyHash, ChangeRow>, String> {
        let settle = TimeDelta::from_std(self.desk.settle).unwrap_or(TimeDelta::MAX);
        let grown = rows.into_iter().filter(|row| now - row.created >= settle);
        let by_key: BTreeMap<KeyHash, ChangeRow> =
            grown.filter_map(|row| Some((CorrelationId::hash_in(&row.correlation_id)?, row))).collect();
        let mut strays = BTreeMap::new();
        let mut rows = by_key.into_iter().peekable();
        while rows.peek().is_some() {
            let some: Vec<_> = rows.by_ref().take(LOG_PAGE).collect();
            let chains: Vec<String> = some
                .iter()
                .map(|(key, _)| chain_key(NAME, DeploymentRequested::TYPE, key.as_str()))
                .collect();
            let lives = self.desk.context.store.present(&chains).await.map_err(|fault| fault.to_string())?;
            strays.extend(some.into_iter().zip(lives).filter(|(_, lives)| !lives).map(|(row, _)| row));
        }
        Ok(strays)
    }

    /// The key that a request is of. A deployment that is held was told without its gate too, which nobody follows.
    fn followed(&self, request: &Event) -> Option<KeyHash> {
        let request = data_of::<DeploymentRequested>(request).ok()?;
        self.desk.gets_change(&request).then(|| request.deployment.key.hash())
    }

    /// Their requests, out of the log: with them their watches begin anew.
    async fn requests_of(&self, mut strays: BTreeMap<KeyHash, ChangeRow>) -> Result<Vec<Event>, String> {
        let oldest = strays.values().map(|row| row.created).min().unwrap_or_default();
        let mut since = oldest - REQUESTED_BEFORE;
        let mut requests = Vec::new();
        for _ in 0..LOG_PAGES_MAX {
            let page = self.desk.context.broker.log(since, &[DeploymentRequested::TYPE], LOG_PAGE).await;
            let page = page.map_err(|fault| fault.to_string())?;
            let end = page.last().map(|entry| entry.at).filter(|_| page.len() >= LOG_PAGE);
            for entry in page {
                if let Some(row) = self.followed(&entry.event).and_then(|key| strays.remove(&key)) {
                    tracing::warn!(
                        change.number = row.number,
                        event.id = entry.event.id(),
                        "taking up an open change that nobody followed"
                    );
                    metrics::counter!("interlock_strays_total").increment(1);
                    requests.push(entry.event);
                }
            }
            match end {
                Some(end) if !strays.is_empty() && end > since => since = end,
                _ => break,
            }
        }
        for row in strays.values() {
            tracing::warn!(
                change.number = row.number,
                "nobody follows this open change, and the log does not hold its request; close it by hand"
            );
        }
        Ok(requests)
    }
}
