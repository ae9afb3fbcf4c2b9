//! A policy that observes: its gates are released whatever their records say. That is the one exception by
//! configuration, so it is told each time, with what would have been said instead.

use std::time::Duration;

use chrono::TimeDelta;
use interlock_events::GateObserved;
use interlock_platforms::Platform;
use interlock_rules::{Mode, RunPhase, may_observe};

use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::look::{Looked, Next, SEND_WITHIN};

/// So long a gate waits for its change to be opened, so that what is observed has something to be observed in.
const WAITS_FOR_CHANGE: TimeDelta = TimeDelta::seconds(60);

impl GateState {
    pub(crate) fn observes(&self) -> bool {
        self.terms.mode == Mode::Observe
    }
}

impl Desk {
    /// Releases a gate that nothing holds. `instead_of` is what its record would have been answered with.
    pub(crate) async fn observe(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
        instead_of: String,
    ) -> Looked {
        let waited = self.context.clock.now() - gate.request.requested_at;
        if state.change.is_none() && waited < WAITS_FOR_CHANGE {
            state.reason = "its change is opened".into();
            return Looked::again(Duration::from_secs(5));
        }
        let began = self.context.clock.instant();
        let run = match self.read_run(gate, state, platform).await {
            Ok(run) => run,
            Err(error) => return self.platform_failed(gate, state, &error),
        };
        let sha = &gate.request.deployment.sha;
        let now = self.context.clock.now();
        let Some(permit) = may_observe(&state.terms, &run, (sha, state.attempt), now) else {
            return match run.phase {
                RunPhase::Queued => Looked::again(Duration::from_secs(5)),
                _ => self.conclude(gate, state, platform, &run, began).await,
            };
        };
        let policy = &state.terms.policy;
        let comment =
            format!("Interlock: released without a permit, because the policy `{policy}` only observes.");
        tracing::warn!(policy, instead_of, "releasing a gate without a permit: its policy only observes");
        metrics::counter!("interlock_gates_observed_total").increment(1);
        let deadline = began + SEND_WITHIN;
        let sent = platform.release(gate.handle, permit, &comment, deadline).await;
        self.answered(gate, state, platform, (true, instead_of, false), sent, began).await
    }

    /// The platform shows that it went on: the end of a gate that nothing holds.
    pub(crate) fn observed(&self, gate: Gate<'_>, state: &GateState) -> Looked {
        let answered = state.answered();
        let at = answered.map_or_else(|| self.context.clock.now(), |answered| answered.at);
        let fact = GateObserved {
            key: gate.request.deployment.key.clone(),
            change: state.change.clone(),
            policy: state.terms.policy.clone(),
            instead_of: answered.map_or_else(|| state.reason.clone(), |answered| answered.reason.clone()),
            at,
        };
        Looked { events: vec![self.fact(&fact)], next: Next::Never }
    }
}
