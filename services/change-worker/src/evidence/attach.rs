//! The reaction: of a change that was opened or closed, the run's artifacts become attachments, each once.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use interlock_events::{ChangeClosed, ChangeOpened, ChangeRef, DeploymentKey, Event, EventData};
use interlock_runtime::ports::store::Claim;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::Value;

use super::bring::Bringing;
use super::gather::Gathered;
use super::said::MARK;
use crate::Desk;

/// How long a copy sleeps that does not hold its chain.
const SPARE_SLEEP: Duration = Duration::from_secs(30);
/// What could not be attached in this time is given up.
const LIFE: TimeDelta = TimeDelta::days(7);
/// Who attaches to a change holds it for so long: longer than it writes.
const LEASE: Duration = Duration::from_secs(45);
const HELD_PAUSE: Duration = Duration::from_secs(5);
const WITHOUT_STORE_PAUSE: Duration = Duration::from_secs(30);
/// No write of a tick is under way for longer.
const WRITES_MAX: Duration = Duration::from_secs(40);
/// No other artifact is begun so long after the tick.
const BEGINS_MAX: Duration = Duration::from_secs(15);

/// A fact about a change to which evidence belongs.
pub(crate) trait OfChange: EventData {
    fn of(&self) -> (&DeploymentKey, &ChangeRef);
}

impl OfChange for ChangeOpened {
    fn of(&self) -> (&DeploymentKey, &ChangeRef) {
        (&self.key, &self.change)
    }
}

impl OfChange for ChangeClosed {
    fn of(&self) -> (&DeploymentKey, &ChangeRef) {
        (&self.key, &self.change)
    }
}

pub(crate) struct AttachEvidence<F> {
    desk: Arc<Desk>,
    fact: PhantomData<fn() -> F>,
}

impl<F> AttachEvidence<F> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, fact: PhantomData }
    }
}

#[async_trait]
impl<F: OfChange> Subscriber for AttachEvidence<F> {
    type Data = F;

    fn chain(&self, fact: &F) -> Option<String> {
        self.desk.policies.any_evidence().then(|| fact.of().1.sys_id.clone() + fact.of().0.hash().as_str())
    }

    async fn handle(&self, delivery: Delivery<F>) -> Handled {
        let (key, change) = delivery.data.of();
        if delivery.state.is_none() && !self.desk.policies.any_evidence() {
            return Handled::Ignored("no policy wants evidence".into());
        }
        if delivery.spare {
            let state = delivery.state.clone().unwrap_or(Value::Null);
            return Handled::Watch { after: SPARE_SLEEP, state, events: vec![] };
        }
        if self.desk.context.clock.now() - delivery.first_at > LIFE {
            return Handled::Dead {
                reason: format!("{}: its evidence could not be attached in a week", change.number),
            };
        }
        let gathered = match self.desk.gathered((key, change), &delivery).await {
            Ok(gathered) => gathered,
            Err(handled) => return handled,
        };
        self.desk.attach_alone(Bringing::new::<F>(key, change, &delivery), gathered).await
    }
}

impl Desk {
    /// Two at once would both find a file missing. Without the Store nobody knows of the other: evidence waits for it.
    async fn attach_alone(&self, bringing: Bringing<'_>, gathered: Gathered) -> Handled {
        let (store, tag) = (&self.context.store, self.context.clock.tag());
        let lease = format!("evidence:{}", bringing.change.sys_id);
        let after = match store.claim(&lease, &tag, LEASE).await {
            Ok(Claim::Won) => {
                let handled = self.attach_all(&bringing, gathered).await;
                // What fails here ends by itself.
                let _ = store.release(&lease, &tag).await;
                return handled;
            }
            Ok(Claim::Held(_)) => HELD_PAUSE,
            Err(_) => WITHOUT_STORE_PAUSE,
        };
        Handled::Watch { after, state: gathered.json(), events: vec![] }
    }

    async fn attach_all(&self, bringing: &Bringing<'_>, mut gathered: Gathered) -> Handled {
        let change = bringing.change;
        let Some(service_now) = self.service_now.get(&change.connection) else {
            let reason = format!("the connection `{}` is not configured", change.connection);
            return Handled::Dead { reason };
        };
        let service_now = &service_now.before(bringing.began + WRITES_MAX);
        let mut events: Vec<Event> = Vec::new();
        let notes = match service_now.notes_with(&change.sys_id, MARK).await {
            Ok(notes) => notes,
            Err(error) => return bringing.stopped(self, &error.into(), gathered, events).await,
        };
        gathered
            .artifacts
            .retain(|artifact| !notes.iter().any(|note| note.contains(&bringing.mark(artifact))));
        if gathered.artifacts.is_empty() {
            return Handled::Done(events);
        }
        let mut there = match service_now.attachments(&change.sys_id).await {
            Ok(there) => there,
            Err(error) => return bringing.stopped(self, &error.into(), gathered, events).await,
        };
        while let Some(artifact) = gathered.artifacts.first().cloned() {
            if self.context.clock.instant() > bringing.began + BEGINS_MAX {
                let state = gathered.json();
                return Handled::Watch { after: Duration::from_secs(1), state, events };
            }
            let brought = bringing.bring(self, service_now, &gathered, &artifact, &mut there).await;
            match brought {
                Ok(told) => events.extend(told),
                Err(stop) => return bringing.stopped(self, &stop, gathered, events).await,
            }
            gathered.artifacts.remove(0);
        }
        Handled::Done(events)
    }
}
