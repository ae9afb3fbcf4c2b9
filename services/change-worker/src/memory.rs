//! What other reactions need of a deployment's request: where to ask the platform. Rebuilt by the
//! deployment's own watch; without it a fact waits for that watch.

use std::time::Duration;

use interlock_events::{DeploymentRequested, KeyHash};
use interlock_platforms::PlatformError;
use interlock_rules::RunReading;

use crate::Desk;

const LIFE: Duration = Duration::from_secs(48 * 3600);
const RUN_READ_MAX: Duration = Duration::from_secs(15);

impl Desk {
    pub(crate) async fn remember(&self, request: &DeploymentRequested) {
        let key = format!("deployment:{}", request.deployment.key.hash());
        if let Ok(json) = serde_json::to_string(request) {
            let _ = self.context.store.put(&key, &json, LIFE).await;
        }
    }

    async fn recall(&self, key: &KeyHash) -> Option<DeploymentRequested> {
        let json = self.context.store.get(&format!("deployment:{key}")).await.ok()??;
        serde_json::from_str(&json).ok()
    }

    /// How the deployment stands at its platform; `None` where it cannot be asked now.
    pub(crate) async fn ask_platform(&self, key: &KeyHash) -> Option<RunReading> {
        let request = self.recall(key).await?;
        self.run_of(&request).await.ok()
    }

    pub(crate) async fn run_of(&self, request: &DeploymentRequested) -> Result<RunReading, PlatformError> {
        let unknown = || PlatformError::Refused("its connection is gone from the configuration".into());
        let gate = request.gate.as_ref().ok_or_else(unknown)?;
        let platform = self.platforms.get(&gate.connection).ok_or_else(unknown)?;
        let read = tokio::time::timeout(RUN_READ_MAX, platform.read(gate, &request.deployment)).await;
        read.unwrap_or_else(|_| Err(PlatformError::Transient("the platform did not answer in time".into())))
    }
}
