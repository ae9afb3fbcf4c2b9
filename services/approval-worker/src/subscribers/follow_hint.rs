//! Facts that bear on a gate: it is looked at now, not at its next tick.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{EventData, KeyHash};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use tokio::time::Instant;

use crate::Desk;
use crate::gate::Gate;

/// A fact whose subject is a deployment's key.
pub(crate) struct FollowHint<T> {
    desk: Arc<Desk>,
    fact: PhantomData<fn() -> T>,
}

impl<T> FollowHint<T> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, fact: PhantomData }
    }
}

#[async_trait]
impl<T: EventData> Subscriber for FollowHint<T> {
    type Data = T;

    async fn handle(&self, delivery: Delivery<T>) -> Handled {
        match delivery.data.subject().parse::<KeyHash>() {
            Ok(key) if T::TYPE.starts_with("io.interlock.deployment.") => {
                self.desk.look_at_run(&key, delivery.began).await
            }
            Ok(key) => self.desk.look_now(&key, delivery.began).await,
            Err(fault) => Handled::Ignored(fault.to_string()),
        }
    }
}

impl Desk {
    /// The same, with the run first: what is told of it bears on the gate.
    pub(crate) async fn look_at_run(&self, key: &KeyHash, began: Instant) -> Handled {
        self.look_by_copy(key, began, true).await
    }

    /// Looks at a gate by its copy in the Store. It publishes no watch: the gate's chain goes on.
    pub(crate) async fn look_now(&self, key: &KeyHash, began: Instant) -> Handled {
        self.look_by_copy(key, began, false).await
    }

    async fn look_by_copy(&self, key: &KeyHash, began: Instant, run_first: bool) -> Handled {
        let Some(mut copy) = self.recall(key).await else {
            return Handled::Ignored("no open gate of this deployment".into());
        };
        let Some(gate) = Gate::of(&copy.request) else {
            return Handled::Ignored("it has no gate".into());
        };
        match self.look(gate, &mut copy.state, began, run_first).await {
            Some(looked) => Handled::Done(looked.events),
            None => Handled::Ignored("somebody looks at this gate already".into()),
        }
    }
}
