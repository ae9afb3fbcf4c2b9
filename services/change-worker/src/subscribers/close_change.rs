//! The deployment ended: its change is closed with the result.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use interlock_events::DeploymentFinished;
use interlock_rules::{ChangeRow, ChangeState, Goal};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::{Closing, Walk, failed};

pub(crate) struct CloseChange {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for CloseChange {
    type Data = DeploymentFinished;

    async fn handle(&self, delivery: Delivery<DeploymentFinished>) -> Handled {
        let fact = &delivery.data;
        let terms = self.desk.policies.of(&fact.deployment);
        // In every instance: the policy of the request may have named another one.
        let found = self.desk.find(&fact.deployment.key.hash(), None).await;
        let (service_now, row) = match found {
            Ok(Some((service_now, row, _))) => (service_now, row),
            Ok(None) => return self.desk.wait_for_change(delivery.first_at),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        let Some(goal) = self.goal(&delivery, &row).await else {
            let reason = format!(
                "{} is in {:?}, and the deployment ended before its gate was released",
                row.number, row.state
            );
            return self.desk.wait(reason, delivery.first_at, vec![]);
        };
        let closing = Closing::of(&terms.close, &fact.deployment, fact.outcome);
        let reason = format!("The deployment ended before it began: {}.", fact.outcome.as_str());
        let walk = Walk { service_now, key: &fact.deployment.key, goal, reason: &reason, closing };
        self.desk.drive_fact(&walk, &row, delivery.first_at).await
    }
}

impl CloseChange {
    /// A change in Implement was released. Before that, the release may be on its way: wait the settle
    /// time, then ask the platform whether the job ever began.
    async fn goal(&self, delivery: &Delivery<DeploymentFinished>, row: &ChangeRow) -> Option<Goal> {
        let fact = &delivery.data;
        if row.state.is_some_and(|state| state >= ChangeState::Implement) {
            return Some(Goal::Close(fact.outcome));
        }
        let settle = TimeDelta::from_std(self.desk.settle).unwrap_or(TimeDelta::MAX);
        if self.desk.context.clock.now() - delivery.first_at < settle {
            return None;
        }
        let run = self.desk.ask_platform(&fact.deployment.key.hash()).await?;
        run.phase.outcome()?;
        Some(if run.phase.has_started() { Goal::Close(fact.outcome) } else { Goal::Abandon })
    }
}
