//! The gate was rejected or is gone: the deployment does not happen, its change is canceled.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{DeploymentKey, EventData, GateLost, GateRejected};
use interlock_rules::{ChangeState, Goal, RunPhase};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::{Closing, Walk, failed};

/// A fact that says that the deployment does not happen.
pub(crate) trait End: EventData {
    /// It was concluded from a run that had ended before it began.
    const NEVER_STARTED: bool;
    fn key(&self) -> &DeploymentKey;
    fn reason(&self) -> &str;
}

impl End for GateRejected {
    const NEVER_STARTED: bool = true;
    fn key(&self) -> &DeploymentKey {
        &self.key
    }
    fn reason(&self) -> &str {
        &self.reason
    }
}

impl End for GateLost {
    const NEVER_STARTED: bool = false;
    fn key(&self) -> &DeploymentKey {
        &self.key
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
        let found = match self.desk.find(fact.key()).await {
            Ok(Some(found)) => found,
            Ok(None) => return self.desk.wait_for_change(delivery.first_at),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        let (service_now, row) = (found.service_now, &found.row);
        // A release absorbs what comes after it: the platform, not this fact, says how the deployment ends.
        if row.state.is_some_and(|state| state >= ChangeState::Implement && state.is_live()) {
            return Handled::Ignored("the gate was released; the deployment's end closes the change".into());
        }
        match found.phase(&self.desk, None).await {
            Some(RunPhase::Started | RunPhase::Ended(_)) => {
                return Handled::Ignored("the deployment runs; its end closes the change".into());
            }
            Some(RunPhase::Waiting | RunPhase::Queued) => {
                let reason = format!("{} stays: its deployment still waits at the platform", row.number);
                return self.desk.wait(reason, delivery.first_at, vec![]);
            }
            None if !T::NEVER_STARTED => {
                let reason =
                    format!("{} stays: the platform cannot be asked whether its deployment runs", row.number);
                return self.desk.wait(reason, delivery.first_at, vec![]);
            }
            Some(RunPhase::NeverStarted(_) | RunPhase::Gone) | None => {}
        }
        let reason = format!("The deployment does not happen: {}.", fact.reason().trim_end_matches('.'));
        let walk = Walk {
            service_now,
            key: fact.key(),
            goal: Goal::Abandon,
            reason: &reason,
            closing: Closing::default(),
            note: "",
        };
        self.desk.drive_fact(&walk, row, delivery.first_at).await
    }
}
