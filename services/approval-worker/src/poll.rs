//! The batched poll: one query for many pending changes finds what no webhook told. It also tells, once, that an
//! instance cannot be asked at all until somebody acts.

mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::Event;
use interlock_runtime::worker::{Found, Handled, Task};
use interlock_servicenow::{Class, Lane};

use crate::Desk;
use crate::gate::seen;
use crate::hint::Hint;
use crate::projection::Copy;
use trouble::{Of, Troubles};

/// Gates that one turn looks at again; the others wait for the next, or for their own watch.
const SOON_AT_ONCE: usize = 50;

pub(crate) struct PollPendingChanges {
    desk: Arc<Desk>,
    troubles: Troubles,
}

impl PollPendingChanges {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, troubles: Troubles::default() }
    }
}

#[async_trait]
impl Task for PollPendingChanges {
    async fn turn(&self) -> Found {
        let now = self.desk.context.clock.now();
        let (soon, others): (Vec<Copy>, Vec<Copy>) =
            self.desk.gates().await.into_iter().partition(|copy| copy.is_wanted_soon(now));
        let mut events = self.look_again(&soon).await;
        let mut by_instance: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
        for copy in others.into_iter().filter(Copy::is_open) {
            by_instance.entry(copy.state.terms.service_now.clone()).or_default().push(copy);
        }
        for (instance, service_now) in &self.desk.service_now {
            let gates = by_instance.remove(instance).unwrap_or_default();
            if let Some(said) = service_now.refused() {
                events.extend(self.in_trouble(instance, Of::Credentials, &said).await);
                continue;
            }
            if self.troubles.is_of_credentials(instance) {
                self.out_of_trouble(instance).await;
            }
            if !gates.is_empty() && !self.troubles.is_left_alone(instance, self.now()) {
                events.extend(self.poll(instance, gates).await);
            }
        }
        events.into()
    }
}

impl PollPendingChanges {
    /// What a hint could not bring to an end: the platform was busy, or showed something new.
    async fn look_again(&self, soon: &[Copy]) -> Vec<Event> {
        let mut events = Vec::new();
        for copy in soon.iter().take(SOON_AT_ONCE) {
            events.extend(self.look(copy).await);
        }
        events
    }

    async fn look(&self, copy: &Copy) -> Vec<Event> {
        let key = copy.request.deployment.key.hash();
        match self.desk.look_now(&key, Hint::at(self.now())).await {
            Handled::Done(found) => found,
            // Somebody else looks at it.
            _ => Vec::new(),
        }
    }

    async fn poll(&self, instance: &str, gates: Vec<Copy>) -> Vec<Event> {
        let Some(service_now) = self.desk.service_now.get(instance) else { return Vec::new() };
        let ids: Vec<String> =
            gates.iter().filter_map(|copy| Some(copy.state.change.as_ref()?.sys_id.clone())).collect();
        let reading = match service_now.changes(&ids, Lane::Gate).await {
            Ok(reading) => reading,
            Err(fault) if fault.class() == Class::Permanent => {
                return self.in_trouble(instance, Of::Rights, &fault.to_string()).await;
            }
            Err(fault) => {
                tracing::debug!(instance, %fault, "cannot ask for pending changes; the gates' own looks go on");
                return Vec::new();
            }
        };
        self.out_of_trouble(instance).await;
        let now_seen: BTreeMap<&str, String> =
            reading.rows.iter().map(|row| (row.sys_id.as_str(), seen(row))).collect();
        let mut events = Vec::new();
        for copy in &gates {
            let Some(change) = &copy.state.change else { continue };
            if now_seen.get(change.sys_id.as_str()).is_some_and(|seen| *seen != copy.state.seen) {
                events.extend(self.look(copy).await);
            }
        }
        events
    }

    fn now(&self) -> tokio::time::Instant {
        self.desk.context.clock.instant()
    }
}
