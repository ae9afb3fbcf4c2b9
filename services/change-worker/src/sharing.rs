//! A change that covers several deployments: jobs that share one gate.

use interlock_events::{DeploymentKey, DeploymentRequested};
use interlock_rules::{RunPhase, SharedGate, Sibling, together};
use interlock_servicenow::ServiceNow;

use crate::Desk;
use crate::following::{Following, Seen};

impl Seen<'_> {
    /// Under whose key the change stands, if not under this one's.
    pub(crate) fn owner_beside(&self, own: &DeploymentKey) -> Option<String> {
        let owner = self.shared.owner_of(self.row).filter(|owner| *owner != own)?;
        Some(owner.occurrence.clone())
    }
}

impl Desk {
    /// That another's change covers this deployment too stands in its notes, for those who look there.
    pub(crate) async fn note_sharing(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        seen: Seen<'_>,
    ) {
        let key = &request.deployment.key;
        let owner = seen.owner_beside(key);
        state.shares = owner.is_some();
        let Some(owner) = owner.filter(|_| !state.noted && seen.row.is_live()) else { return };
        let (marker, text) = note(&key.occurrence, &owner);
        match service_now.note(&seen.row.sys_id, &marker, &text).await {
            Ok(_) => state.noted = true,
            // The next look tries again; nothing hangs on it.
            Err(error) => tracing::debug!(change.number = seen.row.number, %error, "a note is missing yet"),
        }
    }

    /// How far all are that go by the change; `None` where the platform cannot be asked now.
    pub(crate) async fn phase_of(&self, request: &DeploymentRequested, seen: Seen<'_>) -> Option<RunPhase> {
        let own = self.run_of(request).await.ok()?.phase;
        self.phase_with(request, own, seen).await
    }

    /// The same where this deployment's own phase is known.
    pub(crate) async fn phase_with(
        &self,
        request: &DeploymentRequested,
        own: RunPhase,
        seen: Seen<'_>,
    ) -> Option<RunPhase> {
        let siblings = self.siblings_of(request).await.ok()?;
        let key = &request.deployment.key;
        let now = SharedGate::of(key, &siblings);
        // The change of one that the platform does not show beside this one any more, as after a re-run: how that
        // one ended is not for this one to say.
        now.owner_of(seen.row)?;
        let sharers = now.sharers(seen.row, seen.all);
        let phase = |one: &&DeploymentKey| match *one == key {
            true => Some(own),
            false => siblings.iter().find(|sibling| is(sibling, one)).map(|sibling| sibling.phase),
        };
        Some(together(sharers.iter().filter_map(phase).chain([own])))
    }
}

fn is(sibling: &Sibling, key: &DeploymentKey) -> bool {
    sibling.occurrence == key.occurrence
}

fn note(occurrence: &str, owner: &str) -> (String, String) {
    let text = format!(
        "Deployment {occurrence} shares the gate of deployment {owner}: this change covers both, and ends with \
         the last of them."
    );
    (format!("[interlock:deployment {occurrence}]"), text)
}
