//! Keeps each gate: the request travels as a watch until the gate is decided, and after a release
//! until the deployment has ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::DeploymentRequested;
use interlock_rules::{deadline, next_look};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::Value;

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::look::{By, Next};

/// How long the attempt that an ungated request told is remembered.
const ATTEMPT_LIFE: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct KeepGate {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for KeepGate {
    type Data = DeploymentRequested;

    fn chain(&self, request: &DeploymentRequested) -> Option<String> {
        request.gate.as_ref().map(|_| request.deployment.key.hash().to_string())
    }

    async fn handle(&self, delivery: Delivery<DeploymentRequested>) -> Handled {
        let request = &delivery.data;
        let Some(gate) = Gate::of(request) else {
            self.note_attempt(request).await;
            return Handled::Ignored("it has no gate".into());
        };
        let mut state = match delivery.state.clone().map(serde_json::from_value) {
            Some(Ok(state)) => state,
            // A state that cannot be read is no reason to lose the gate: begin again.
            Some(Err(_)) | None => self.begin(gate).await,
        };
        state.traceparent = delivery.traceparent.clone();
        let now = self.desk.context.clock.now();
        if delivery.spare && now < state.deadline {
            return watch(next_look(now, state.deadline, None), &state, vec![]);
        }
        match self.desk.look(gate, &mut state, delivery.began, By::Watch).await {
            None => watch(Duration::from_secs(1), &state, vec![]),
            Some(looked) => match looked.next {
                Next::After(after) => watch(after, &state, looked.events),
                Next::Never => Handled::Done(looked.events),
            },
        }
    }
}

impl KeepGate {
    /// The policy's terms are taken now, so that a changed file does not change an open gate.
    async fn begin(&self, gate: Gate<'_>) -> GateState {
        let deployment = &gate.request.deployment;
        let terms = self.desk.policies.of(deployment);
        let limit = self
            .desk
            .platforms
            .get(&gate.handle.connection)
            .map_or(Duration::from_secs(86_400), |p| p.gate_limit());
        let deadline = deadline(gate.request.requested_at, &terms, limit, None);
        let told = deployment.run.as_ref().and_then(|run| run.attempt);
        let attempt = match told {
            Some(attempt) => Some(attempt),
            None => self.noted_attempt(gate).await,
        };
        GateState::begin(terms, deadline, attempt)
    }

    async fn note_attempt(&self, request: &DeploymentRequested) {
        if let Some(attempt) = request.deployment.run.as_ref().and_then(|run| run.attempt) {
            let key = format!("attempt:{}", request.deployment.key.hash());
            let _ = self.desk.context.store.put(&key, &attempt.to_string(), ATTEMPT_LIFE).await;
        }
    }

    async fn noted_attempt(&self, gate: Gate<'_>) -> Option<u32> {
        let key = format!("attempt:{}", gate.key());
        self.desk.context.store.get(&key).await.ok().flatten()?.parse().ok()
    }
}

fn watch(after: Duration, state: &GateState, events: Vec<interlock_events::Event>) -> Handled {
    let state = serde_json::to_value(state).unwrap_or(Value::Null);
    Handled::Watch { after, state, events }
}
