//! The batched poll: one query for many pending changes finds what no webhook told. It also tells, once, that an
//! instance cannot be asked at all until somebody acts.

mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use interlock_events::{Event, KeyHash};
use interlock_runtime::worker::{Found, Handled, Task};
use interlock_servicenow::{Class, Lane};
use tokio::time::Instant;

use crate::Desk;
use crate::gate::seen;
use crate::hint::Hint;
use crate::projection::Copy;
use trouble::{Of, Troubles};

/// Looks under way at once.
const LOOKS_AT_ONCE: usize = 4;
/// A turn begins looks for so many intervals, then tells what it found; a turn that lasts for ten is given up.
const LOOKS_FOR_INTERVALS: u32 = 5;

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
        let (now, until) = (self.desk.context.clock.now(), self.now() + self.desk.poll * LOOKS_FOR_INTERVALS);
        let (soon, others): (Vec<Copy>, Vec<Copy>) =
            self.desk.gates().await.into_iter().partition(|copy| copy.is_wanted_soon(now));
        // What a hint could not bring to an end: the platform was busy, or showed something new.
        let mut events = self.look_at(soon.iter().map(Copy::key).collect(), until).await;
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
                events.extend(self.poll(instance, gates, until).await);
            }
        }
        events.into()
    }
}

impl PollPendingChanges {
    /// Looks at these gates until then; whom it does not reach is found again by the next turn.
    async fn look_at(&self, gates: Vec<KeyHash>, until: Instant) -> Vec<Event> {
        let (mut gates, mut looks) = (gates.into_iter(), FuturesUnordered::new());
        let mut events = Vec::new();
        loop {
            while looks.len() < LOOKS_AT_ONCE
                && self.now() < until
                && let Some(gate) = gates.next()
            {
                looks.push(self.look(gate));
            }
            match looks.next().await {
                Some(found) => events.extend(found),
                None => return events,
            }
        }
    }

    async fn look(&self, gate: KeyHash) -> Vec<Event> {
        match self.desk.look_now(&gate, Hint::at(self.now())).await {
            Handled::Done(found) => found,
            // Somebody else looks at it.
            _ => Vec::new(),
        }
    }

    async fn poll(&self, instance: &str, gates: Vec<Copy>, until: Instant) -> Vec<Event> {
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
        let has_moved = |copy: &&Copy| {
            let sys_id = copy.state.change.as_ref().map(|change| change.sys_id.as_str());
            sys_id.and_then(|sys_id| now_seen.get(sys_id)).is_some_and(|seen| *seen != copy.state.seen)
        };
        let moved = gates.iter().filter(has_moved).map(Copy::key).collect();
        self.look_at(moved, until).await
    }

    fn now(&self) -> Instant {
        self.desk.context.clock.instant()
    }
}
