//! Deployments that nothing holds, where the policy wants a record of them.

use interlock_events::DeploymentRequested;
use interlock_rules::GateRule;

use crate::Desk;

impl Desk {
    /// Nothing holds it, the policy wants a record all the same, and the platform can be asked how it goes on. One that
    /// is held is told twice, with and without its gate: both find the same change.
    pub(crate) fn is_audited(&self, request: &DeploymentRequested) -> bool {
        request.gate.is_none()
            && request.place.is_some()
            && self.policies.of(&request.deployment).gate == GateRule::None
    }

    /// It gets a change: it is held, or audited.
    pub(crate) fn gets_change(&self, request: &DeploymentRequested) -> bool {
        request.gate.is_some() || self.is_audited(request)
    }
}
