//! A run ended: its deployments that told no end of their own have one now. A canceled job tells nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::{DeploymentRequested, RunFinished};
use interlock_rules::Goal;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::{Closing, Walk, failed};

/// Deployments tell their own ends at the same moment, and close their changes: what is left then is for this.
const DEPLOYMENTS_FIRST: Duration = Duration::from_secs(1);

pub(crate) struct FollowRun {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowRun {
    type Data = RunFinished;

    async fn handle(&self, delivery: Delivery<RunFinished>) -> Handled {
        if delivery.state.is_none() {
            return Handled::Watch { after: DEPLOYMENTS_FIRST, state: json!({}), events: vec![] };
        }
        let requests = self.desk.requests_of_run(&delivery.data).await;
        if requests.is_empty() {
            return Handled::Ignored("no deployment of this run is remembered; its watches find out".into());
        }
        let mut events = Vec::new();
        for request in &requests {
            match self.end(request, &delivery).await {
                Handled::Done(told) => events.extend(told),
                // What was done before is found done.
                Handled::Watch { after, state, events: told } => {
                    events.extend(told);
                    return Handled::Watch { after, state, events };
                }
                Handled::Ignored(_) => {}
                other => return other,
            }
        }
        Handled::Done(events)
    }
}

impl FollowRun {
    /// Takes the change to where its deployment, and all that go by it, ended at the platform.
    async fn end(&self, request: &DeploymentRequested, delivery: &Delivery<RunFinished>) -> Handled {
        let deployment = &request.deployment;
        let found = match self.desk.find(&deployment.key).await {
            Ok(Some(found)) if found.row.is_live() => found,
            Ok(_) => return Handled::Ignored("it has no open change".into()),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        let Some(phase) = found.phase(&self.desk, None).await else {
            let reason = format!("{}: the platform cannot be asked how its run ended", found.row.number);
            return self.desk.wait(reason, delivery.first_at, vec![]);
        };
        let Some(outcome) = phase.outcome() else { return Handled::Ignored("it has not ended".into()) };
        let goal = if phase.has_started() { Goal::Close(outcome) } else { Goal::Abandon };
        let closing = Closing::of(&self.desk.policies.of(deployment), deployment, outcome);
        let reason = format!("The deployment ended before it began: {}.", outcome.as_str());
        let walk = Walk {
            service_now: found.service_now,
            key: &deployment.key,
            goal,
            reason: &reason,
            closing,
            note: "",
        };
        self.desk.drive_fact(&walk, &found.row, delivery.first_at).await
    }
}
