//! The batched poll: one query for many pending changes finds what no webhook told.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::Event;
use interlock_runtime::worker::{Found, Handled, Task};
use interlock_servicenow::Lane;

use crate::Desk;
use crate::gate::seen;
use crate::hint::Hint;
use crate::projection::Copy;

pub(crate) struct PollPendingChanges {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Task for PollPendingChanges {
    async fn turn(&self) -> Found {
        let mut by_instance: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
        for copy in self.desk.open_gates().await {
            by_instance.entry(copy.state.terms.service_now.clone()).or_default().push(copy);
        }
        let mut events = Vec::new();
        for (instance, gates) in by_instance {
            events.extend(self.poll(&instance, gates).await);
        }
        events.into()
    }
}

impl PollPendingChanges {
    async fn poll(&self, instance: &str, gates: Vec<Copy>) -> Vec<Event> {
        let Some(service_now) = self.desk.service_now.get(instance) else { return Vec::new() };
        let ids: Vec<String> =
            gates.iter().filter_map(|copy| Some(copy.state.change.as_ref()?.sys_id.clone())).collect();
        let reading = match service_now.changes(&ids, Lane::Gate).await {
            Ok(reading) => reading,
            Err(fault) => {
                tracing::debug!(instance, %fault, "cannot ask for pending changes; the gates' own looks go on");
                return Vec::new();
            }
        };
        let now_seen: BTreeMap<&str, String> =
            reading.rows.iter().map(|row| (row.sys_id.as_str(), seen(row))).collect();
        let mut events = Vec::new();
        for copy in &gates {
            let Some(change) = &copy.state.change else { continue };
            if now_seen.get(change.sys_id.as_str()).is_some_and(|seen| *seen != copy.state.seen) {
                let key = copy.request.deployment.key.hash();
                if let Handled::Done(found) =
                    self.desk.look_now(&key, Hint::at(self.desk.context.clock.instant())).await
                {
                    events.extend(found);
                }
            }
        }
        events
    }
}
