//! What is to be attached: asked of the platform once, and kept with the watch.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_events::{ChangeRef, DeploymentKey, GateHandle};
use interlock_platforms::{Artifact, PlatformError};
use interlock_runtime::worker::{Delivery, Handled};
use interlock_servicenow::Class;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::said::MARK;
use crate::Desk;
use crate::memory::in_time;

/// More artifacts of a run than these are not attached.
const ARTIFACTS_MAX: usize = 20;
/// A deployment of which nothing is remembered after this time is followed by nobody any more.
const REMEMBERED_WITHIN: TimeDelta = TimeDelta::hours(24);

/// What travels with the watch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Gathered {
    /// Where the platform is asked.
    pub place: GateHandle,
    /// What is still to be attached.
    pub artifacts: Vec<Artifact>,
    /// What the policy wants too, and there is no room for.
    #[serde(default)]
    pub left_out: usize,
    /// How often it is not known what became of a write.
    #[serde(default)]
    pub unknown: u32,
}

impl Gathered {
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

impl Desk {
    /// What is to be attached, or what becomes of the delivery while that is not known.
    pub(super) async fn gathered<F>(
        &self,
        (key, change): (&DeploymentKey, &ChangeRef),
        delivery: &Delivery<F>,
    ) -> Result<Gathered, Handled> {
        let state = delivery.state.clone();
        if let Some(gathered) = state.and_then(|state| serde_json::from_value(state).ok()) {
            return Ok(gathered);
        }
        let Some(request) = self.recall(&key.hash()).await else {
            return Err(self.forgotten(change, self.context.clock.now() - delivery.first_at).await);
        };
        let ignored = |why: &str| Handled::Ignored(why.to_owned());
        let Some(terms) = self.policies.of(&request.deployment).evidence else {
            return Err(ignored("its policy wants no evidence"));
        };
        let Some(place) = request.gate.or(request.place) else {
            return Err(ignored("nothing says where its run is"));
        };
        let Some(platform) = self.platforms.get(&place.connection) else {
            return Err(ignored("its connection is gone from the configuration"));
        };
        let mut artifacts = match in_time(platform.artifacts(&place)).await {
            Ok(artifacts) => artifacts,
            Err(error) => return Err(unread(&error)),
        };
        artifacts.retain(|artifact| terms.wants(&artifact.name));
        if artifacts.is_empty() {
            return Err(ignored("its run has uploaded nothing that the policy wants"));
        }
        let left_out = artifacts.len().saturating_sub(ARTIFACTS_MAX);
        artifacts.truncate(ARTIFACTS_MAX);
        Ok(Gathered { place: GateHandle { sealed: None, ..place }, artifacts, left_out, unknown: 0 })
    }

    /// The deployment's own watch remembers it again, while there is one. What nobody remembers any more is told where
    /// the record shows that evidence was wanted.
    async fn forgotten(&self, change: &ChangeRef, age: TimeDelta) -> Handled {
        let watch = |seconds| Handled::Watch {
            after: Duration::from_secs(seconds),
            state: json!({}),
            events: vec![],
        };
        if age <= REMEMBERED_WITHIN {
            return watch(if age < TimeDelta::minutes(1) { 5 } else { 600 });
        }
        let Some(service_now) = self.service_now.get(&change.connection) else {
            return Handled::Ignored("its connection is gone from the configuration".into());
        };
        let wanted = match service_now.has_note(&change.sys_id, MARK).await {
            Ok(wanted) => wanted,
            Err(error) if error.class() == Class::Permanent => false,
            Err(_) => return watch(600),
        };
        if wanted {
            let what = "its run is not remembered any more: what it uploaded since is not attached";
            return Handled::Dead {
                reason: format!("{}: evidence: {what}; attach it by hand", change.number),
            };
        }
        Handled::Ignored("nothing of this deployment is remembered, and no evidence was wanted".into())
    }
}

/// What an error of the platform means where only files wait.
pub(super) fn unread(error: &PlatformError) -> Handled {
    let again = |after: Duration| {
        let after = after.clamp(Duration::from_secs(30), Duration::from_secs(600));
        Handled::Watch { after, state: json!({}), events: vec![] }
    };
    match error {
        PlatformError::Gone => Handled::Ignored("the run is gone at its platform".into()),
        PlatformError::Paused(pause) => again(*pause),
        error if error.is_passing() => again(Duration::from_secs(30)),
        error => Handled::Later { reason: format!("evidence: {error}") },
    }
}
