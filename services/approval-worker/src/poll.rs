//! The shared poll finds what no webhook told: it asks what has changed since, and now and then for every open change
//! by its number. It also tells, once, that an instance cannot be asked at all until somebody acts.

mod followed;
mod gates;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use interlock_events::{CorrelationId, Event, KeyHash};
use interlock_rules::ChangeRow;
use interlock_runtime::worker::{Found, Handled, Task};
use interlock_servicenow::{Class, Decision, ServiceNow, ServiceNowError};
use tokio::time::Instant;

use crate::Desk;
use crate::hint::Hint;
use crate::projection::Copy;
use followed::Followed;
use gates::Gates;
use trouble::{Of, Troubles};

/// Looks under way at once.
const LOOKS_AT_ONCE: usize = 4;
/// A turn begins looks for so many intervals, then tells what it found; a turn that lasts for ten is given up.
const LOOKS_FOR_INTERVALS: u32 = 5;
/// So long after a turn all changes count as followed: turns come late, and from other processes.
const FOLLOWED_FOR_INTERVALS: u32 = 4;
const FOLLOWED_MIN: Duration = Duration::from_secs(60);

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
        let (mut events, _) = self.look_at(soon.iter().map(Copy::key).collect(), until).await;
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
    /// Looks at these gates until then, and says whether it reached all of them.
    async fn look_at(&self, gates: Vec<KeyHash>, until: Instant) -> (Vec<Event>, bool) {
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
                None => return (events, gates.next().is_none()),
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

    /// Reads what has changed, and looks at whom it concerns. Whoever was not reached is found again: the marks stay.
    async fn poll(&self, instance: &str, gates: Vec<Copy>, until: Instant) -> Vec<Event> {
        let Some(service_now) = self.desk.service_now.get(instance) else { return Vec::new() };
        let Some(mut followed) = self.desk.followed(instance).await else { return Vec::new() };
        let (gates, mut found) = (Gates::of(gates), BTreeSet::new());
        let read = self.follow(service_now, &mut followed, &gates, &mut found).await;
        let mut events = match &read {
            Ok(()) => {
                self.out_of_trouble(instance).await;
                Vec::new()
            }
            Err(fault) if fault.class() == Class::Permanent => {
                self.in_trouble(instance, Of::Rights, &fault.to_string()).await
            }
            Err(fault) => {
                tracing::debug!(instance, %fault, "cannot ask for changes; the gates' own looks go on");
                Vec::new()
            }
        };
        let (told, is_all) = self.look_at(found.into_iter().collect(), until).await;
        events.extend(told);
        if read.is_ok() && is_all {
            self.desk.keep_followed(instance, &followed).await;
        }
        events
    }

    /// Reads on from the marks, and so much of the pass as is due.
    async fn follow(
        &self,
        service_now: &ServiceNow,
        followed: &mut Followed,
        gates: &Gates,
        found: &mut BTreeSet<KeyHash>,
    ) -> Result<(), ServiceNowError> {
        let changed = service_now.changed_since(&followed.changes).await?;
        let mut is_kept = true;
        for row in &changed.rows {
            found.extend(gates.behind(row));
            is_kept &= self.note_moved(service_now, row).await;
        }
        let decided = service_now.decided_since(&followed.decisions).await?;
        for decision in &decided.rows {
            found.extend(gates.undecided(decision));
            is_kept &= self.note_decided(service_now, decision).await;
        }
        count(service_now.name(), "changed", found.len());
        if is_kept {
            (followed.changes, followed.decisions) = (changed.mark, decided.mark);
            if changed.whole && decided.whole {
                self.tell_followed(service_now, followed).await;
            }
        }
        // What the pass cannot ask now it asks later: nobody waits for it.
        if let Err(fault) = self.pass(service_now, followed, gates, found).await {
            tracing::debug!(connection = service_now.name(), %fault, "the pass over all open changes waits");
        }
        Ok(())
    }

    /// Asks for some of the open changes whatever was seen of them: what was committed too late is found here.
    async fn pass(
        &self,
        service_now: &ServiceNow,
        followed: &mut Followed,
        gates: &Gates,
        found: &mut BTreeSet<KeyHash>,
    ) -> Result<(), ServiceNowError> {
        let (changes, now) = (gates.changes(), self.desk.context.clock.now());
        let soon = TimeDelta::from_std(self.desk.poll).unwrap_or_default();
        for some in followed.pass.next(&changes, (now, soon)) {
            let numbers: Vec<&str> = some.iter().map(|(_, number)| number.as_str()).collect();
            let rows = service_now.numbered(&numbers).await?;
            let mut missed = BTreeSet::new();
            for (sys_id, _) in some {
                match rows.iter().find(|row| row.sys_id == *sys_id) {
                    Some(row) => missed.extend(self.missed(service_now, gates, row).await),
                    None => missed.extend(gates.of_change(sys_id)),
                }
            }
            count(service_now.name(), "pass", missed.difference(found).count());
            found.append(&mut missed);
            if let Some((last, _)) = some.last() {
                followed.pass.went_on(some.len(), last);
            }
        }
        if followed.pass.end(&changes, now) {
            let labels = [("connection", service_now.name().to_owned())];
            metrics::counter!("interlock_poll_passes_total", &labels).increment(1);
        }
        Ok(())
    }

    async fn missed(&self, service_now: &ServiceNow, gates: &Gates, row: &ChangeRow) -> BTreeSet<KeyHash> {
        let behind = gates.behind(row);
        if !behind.is_empty() {
            self.note_moved(service_now, row).await;
        }
        behind
    }

    async fn note_moved(&self, service_now: &ServiceNow, row: &ChangeRow) -> bool {
        match CorrelationId::hash_in(&row.correlation_id) {
            Some(key) => service_now.note_moved(&key, row).await,
            None => true,
        }
    }

    async fn note_decided(&self, service_now: &ServiceNow, decision: &Decision) -> bool {
        match (&decision.key, decision.approver.at) {
            (Some(key), Some(at)) => service_now.note_decided(key, at).await,
            _ => true,
        }
    }

    async fn tell_followed(&self, service_now: &ServiceNow, followed: &Followed) {
        let for_so_long = (self.desk.poll * FOLLOWED_FOR_INTERVALS).max(FOLLOWED_MIN);
        service_now.note_followed(followed.since, &followed.epoch, for_so_long).await;
        let labels = [("connection", service_now.name().to_owned())];
        let now = self.desk.context.clock.now().timestamp();
        #[expect(clippy::cast_precision_loss, reason = "a gauge takes floats; seconds fit for ages")]
        metrics::gauge!("interlock_poll_followed_timestamp_seconds", &labels).set(now as f64);
    }

    fn now(&self) -> Instant {
        self.desk.context.clock.instant()
    }
}

fn count(connection: &str, by: &'static str, found: usize) {
    let labels = [("connection", connection.to_owned()), ("by", by.to_owned())];
    metrics::counter!("interlock_poll_found_total", &labels).increment(found as u64);
}
