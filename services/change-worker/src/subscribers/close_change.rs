//! The deployment ended: its change is closed with the result.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use interlock_events::DeploymentFinished;
use interlock_rules::{ChangeState, Goal, RunPhase};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::subscribers::fact::Found;
use crate::walk::{Closing, Walk, failed};

pub(crate) struct CloseChange {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for CloseChange {
    type Data = DeploymentFinished;

    async fn handle(&self, delivery: Delivery<DeploymentFinished>) -> Handled {
        let fact = &delivery.data;
        // Most deployments are held by nothing: they have no change, and cost no call.
        if self.desk.is_followed_by_nobody(&fact.deployment.key.hash()).await {
            return self.desk.wait_for_request(delivery.first_at);
        }
        let terms = self.desk.policies.of(&fact.deployment);
        // In every instance: the policy of the request may have named another one.
        let found = match self.desk.find(&fact.deployment.key).await {
            Ok(Some(found)) => found,
            Ok(None) => return self.desk.wait_for_change(delivery.first_at),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        let (service_now, row) = (found.service_now, &found.row);
        let goal = match self.goal(&delivery, &found).await {
            Ok(goal) => goal,
            Err(why) => {
                let reason = format!("{} is in {:?}: {why}", row.number, row.state);
                return self.desk.wait(reason, delivery.first_at, vec![]);
            }
        };
        let outcome = if let Goal::Close(outcome) = goal { outcome } else { fact.outcome };
        let closing = Closing::of(&terms, &fact.deployment, outcome);
        let reason = format!("The deployment ended before it began: {}.", fact.outcome.as_str());
        let walk = Walk { service_now, key: &fact.deployment.key, goal, reason: &reason, closing, note: "" };
        self.desk.drive_fact(&walk, row, delivery.first_at).await
    }
}

impl CloseChange {
    /// A change in Implement was released. Before that, the release may be on its way: wait the settle
    /// time, then ask the platform whether the job ever began. A change that several go by ends with the last
    /// of them, and with the worst result.
    async fn goal(
        &self,
        delivery: &Delivery<DeploymentFinished>,
        found: &Found<'_>,
    ) -> Result<Goal, &'static str> {
        let fact = &delivery.data;
        if found.row.state.is_some_and(|state| !state.is_live()) {
            return Ok(Goal::Close(fact.outcome));
        }
        let released = found.row.state.is_some_and(|state| state >= ChangeState::Implement);
        let settle = TimeDelta::from_std(self.desk.settle).unwrap_or(TimeDelta::MAX);
        if !released && self.desk.context.clock.now() - delivery.first_at < settle {
            return Err("the deployment ended before its gate was released");
        }
        let own = released.then_some(RunPhase::Ended(fact.outcome));
        let phase = found.phase(&self.desk, own).await.ok_or("the platform cannot be asked how it ended")?;
        let outcome = phase.outcome().ok_or("others that go by it have not ended")?;
        Ok(if phase.has_started() { Goal::Close(outcome) } else { Goal::Abandon })
    }
}
