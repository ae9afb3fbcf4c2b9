//! The gate was rejected or is gone: the deployment does not happen, its change is canceled.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{ChangeRef, DeploymentKey, EventData, GateLost, GateRejected};
use interlock_rules::{ChangeState, Goal};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::{Closing, Walk, failed};

/// A fact that says that the deployment does not happen.
pub(crate) trait End: EventData {
    fn key(&self) -> &DeploymentKey;
    fn change(&self) -> Option<&ChangeRef>;
    fn reason(&self) -> &str;
}

impl End for GateRejected {
    fn key(&self) -> &DeploymentKey {
        &self.key
    }
    fn change(&self) -> Option<&ChangeRef> {
        self.change.as_ref()
    }
    fn reason(&self) -> &str {
        &self.reason
    }
}

impl End for GateLost {
    fn key(&self) -> &DeploymentKey {
        &self.key
    }
    fn change(&self) -> Option<&ChangeRef> {
        self.change.as_ref()
    }
    fn reason(&self) -> &str {
        &self.reason
    }
}

pub(crate) struct AbandonChange<T> {
    desk: Arc<Desk>,
    fact: PhantomData<fn() -> T>,
}

impl<T> AbandonChange<T> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, fact: PhantomData }
    }
}

#[async_trait]
impl<T: End> Subscriber for AbandonChange<T> {
    type Data = T;

    async fn handle(&self, delivery: Delivery<T>) -> Handled {
        let fact = &delivery.data;
        let key = fact.key().hash();
        let connection = fact.change().map(|change| change.connection.as_str());
        let (service_now, row) = match self.desk.find(&key, connection).await {
            Ok(Some((service_now, row, _))) => (service_now, row),
            Ok(None) => return self.desk.wait_for_change(delivery.first_at),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        // A release absorbs what comes after it: the platform, not this fact, says how the deployment ends.
        let released = row.state.is_some_and(|state| state >= ChangeState::Implement && state.is_live());
        let running = self.desk.ask_platform(&key).await.is_some_and(|run| run.phase.has_started());
        if released || running {
            return Handled::Ignored("the deployment runs; its end closes the change".into());
        }
        let reason = format!("The deployment does not happen: {}.", fact.reason().trim_end_matches('.'));
        let walk = Walk {
            service_now,
            key: fact.key(),
            goal: Goal::Abandon,
            reason: &reason,
            closing: Closing::default(),
        };
        self.desk.drive_fact(&walk, &row, delivery.first_at).await
    }
}
