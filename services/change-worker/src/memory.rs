//! What other reactions need of a deployment's request: where to ask the platform. Rebuilt by the
//! deployment's own watch; without it a fact waits for that watch.

use std::time::Duration;

use interlock_events::{DeploymentRequested, GateHandle, KeyHash, RunFinished};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{RunReading, Sibling};

use crate::Desk;

const LIFE: Duration = Duration::from_secs(48 * 3600);
/// A Store that is older has heard of each deployment that is followed: its watch comes every ten minutes at least.
const HAS_HEARD_OF_ALL: Duration = Duration::from_secs(20 * 60);
/// Deployments of one run that its end finds; the others find out by themselves.
const OF_RUN_MAX: usize = 300;
const RUN_READ_MAX: Duration = Duration::from_secs(15);

impl Desk {
    pub(crate) async fn remember(&self, request: &DeploymentRequested) {
        let key = format!("deployment:{}", request.deployment.key.hash());
        if let Ok(json) = serde_json::to_string(request) {
            let _ = self.context.store.put(&key, &json, LIFE).await;
        }
        self.remember_run(request).await;
    }

    /// Adds a deployment to those of its run. Two at once may lose one: its watch adds it again.
    async fn remember_run(&self, request: &DeploymentRequested) {
        let deployment = &request.deployment;
        let Some(run) = &deployment.run else { return };
        let place = run_place(&deployment.key.connection, &deployment.key.project, &run.id);
        let key = deployment.key.hash();
        let Ok(held) = self.context.store.get(&place).await else { return };
        let mut keys: Vec<&str> = held.as_deref().unwrap_or_default().split_whitespace().collect();
        keys.retain(|one| *one != key.as_str());
        keys.push(key.as_str());
        let newest = keys.split_off(keys.len().saturating_sub(OF_RUN_MAX));
        let _ = self.context.store.put(&place, &newest.join(" "), LIFE).await;
    }

    /// The deployments of a run, as far as they are remembered.
    pub(crate) async fn requests_of_run(&self, run: &RunFinished) -> Vec<DeploymentRequested> {
        let place = run_place(&run.connection, &run.project.id, &run.run.id);
        let held = self.context.store.get(&place).await.ok().flatten().unwrap_or_default();
        let mut requests = Vec::new();
        for key in held.split_whitespace().filter_map(|key| key.parse().ok()) {
            requests.extend(self.recall(&key).await);
        }
        requests
    }

    /// No watch follows this deployment, so that it has no change. `false` where the Store cannot tell.
    pub(crate) async fn is_followed_by_nobody(&self, key: &KeyHash) -> bool {
        let store = &self.context.store;
        let has_heard = store.epoch().await.is_ok_and(|epoch| epoch.age >= HAS_HEARD_OF_ALL);
        has_heard && matches!(store.get(&format!("deployment:{key}")).await, Ok(None))
    }

    pub(crate) async fn recall(&self, key: &KeyHash) -> Option<DeploymentRequested> {
        let json = self.context.store.get(&format!("deployment:{key}")).await.ok()??;
        serde_json::from_str(&json).ok()
    }

    pub(crate) async fn run_of(&self, request: &DeploymentRequested) -> Result<RunReading, PlatformError> {
        let (platform, gate) = self.platform_of(request)?;
        in_time(platform.read(gate, &request.deployment)).await
    }

    /// Who shares its gate.
    pub(crate) async fn siblings_of(
        &self,
        request: &DeploymentRequested,
    ) -> Result<Vec<Sibling>, PlatformError> {
        let (platform, gate) = self.platform_of(request)?;
        in_time(platform.siblings(gate, &request.deployment)).await
    }

    fn platform_of<'a>(
        &'a self,
        request: &'a DeploymentRequested,
    ) -> Result<(&'a dyn Platform, &'a GateHandle), PlatformError> {
        let unknown = || PlatformError::Refused("its connection is gone from the configuration".into());
        let gate = request.gate.as_ref().or(request.place.as_ref()).ok_or_else(unknown)?;
        let platform = self.platforms.get(&gate.connection).ok_or_else(unknown)?;
        Ok((&**platform, gate))
    }
}

/// Who asks a platform has an answer in this time, or another look.
pub(crate) async fn in_time<T>(
    read: impl Future<Output = Result<T, PlatformError>>,
) -> Result<T, PlatformError> {
    let late = || PlatformError::Transient("the platform did not answer in time".into());
    tokio::time::timeout(RUN_READ_MAX, read).await.unwrap_or_else(|_| Err(late()))
}

fn run_place(connection: &str, project: &str, run: &str) -> String {
    format!("run:{connection}/{project}/{run}")
}
