//! Follows each deployment that waits at a gate, until its change rests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::DeploymentRequested;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::Value;

use crate::Desk;

/// How long a copy sleeps that does not hold its chain.
const SPARE_SLEEP: Duration = Duration::from_secs(30);

pub(crate) struct FollowDeployment {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowDeployment {
    type Data = DeploymentRequested;

    fn chain(&self, request: &DeploymentRequested) -> Option<String> {
        request.gate.as_ref().map(|_| request.deployment.key.hash().to_string())
    }

    async fn handle(&self, delivery: Delivery<DeploymentRequested>) -> Handled {
        if delivery.data.gate.is_none() {
            return Handled::Ignored("nothing holds this deployment: no change is opened for it".into());
        }
        if delivery.spare {
            let state = delivery.state.unwrap_or(Value::Null);
            return Handled::Watch { after: SPARE_SLEEP, state, events: vec![] };
        }
        self.desk.follow(&delivery).await
    }
}
