//! Follows each deployment that waits at a gate, or of which a record is wanted, until its change rests.

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
        self.desk.gets_change(request).then(|| request.deployment.key.hash().to_string())
    }

    async fn handle(&self, delivery: Delivery<DeploymentRequested>) -> Handled {
        // What is followed already goes on, whatever the file says by now.
        if delivery.state.is_none() && !self.desk.gets_change(&delivery.data) {
            return Handled::Ignored("nothing holds this deployment: no change is opened for it".into());
        }
        if delivery.spare {
            let state = delivery.state.unwrap_or(Value::Null);
            return Handled::Watch { after: SPARE_SLEEP, state, events: vec![] };
        }
        self.desk.follow(&delivery).await
    }
}
