//! What the reactions to facts share: a fact is done with only when the record shows it; until then it
//! comes again, and it cannot come for ever.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{ChangeRef, DeploymentKey, DeploymentRequested, Event};
use interlock_rules::{ChangeRow, RunPhase, SharedGate, canonical};
use interlock_runtime::worker::Handled;
use interlock_servicenow::{Lane, ServiceNow, ServiceNowError};
use serde_json::json;

use crate::Desk;
use crate::following::Seen;
use crate::walk::{Walk, Walked, about, failed};

/// A fact whose change does not show or move in this time ends.
const FACT_LIFE: TimeDelta = TimeDelta::hours(24);
/// A request that comes later than this finds out for itself that its deployment has ended.
const REQUEST_BEHIND_MAX: TimeDelta = TimeDelta::minutes(10);

/// The change of a deployment, as a fact finds it.
pub(crate) struct Found<'a> {
    pub service_now: &'a ServiceNow,
    /// The canonical one.
    pub row: ChangeRow,
    /// Of everybody who shares the gate.
    all: Vec<ChangeRow>,
    shared: SharedGate,
    /// Where the platform is asked, while that is remembered.
    request: Option<DeploymentRequested>,
}

impl Found<'_> {
    /// How far all are that go by this change; `own` is what is known of the fact's deployment itself. `None`
    /// where the platform cannot be asked now.
    pub(crate) async fn phase(&self, desk: &Desk, own: Option<RunPhase>) -> Option<RunPhase> {
        let request = self.request.as_ref()?;
        let seen = Seen { shared: &self.shared, row: &self.row, rows: &self.all, all: &self.all };
        match own {
            Some(own) => desk.phase_with(request, own, seen).await,
            None => desk.phase_of(request, seen).await,
        }
    }
}

impl Desk {
    /// The canonical change of a deployment and of all that share its gate, in whichever instance.
    pub(crate) async fn find(&self, key: &DeploymentKey) -> Result<Option<Found<'_>>, ServiceNowError> {
        let request = self.recall(&key.hash()).await;
        let siblings = match &request {
            Some(request) => self.siblings_of(request).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let shared = SharedGate::of(key, &siblings);
        for service_now in self.service_now.values() {
            let all = service_now.changes_to_write(&shared.hashes(), Lane::Close).await?.rows;
            let rows = shared.counting(all.clone());
            if let Some(row) = canonical(&rows, &shared).map(|family| family.canonical.clone()) {
                return Ok(Some(Found { service_now, row, all, shared, request }));
            }
        }
        Ok(None)
    }

    /// The change that a fact names.
    pub(crate) async fn find_named(
        &self,
        change: &ChangeRef,
    ) -> Result<Option<(&ServiceNow, ChangeRow)>, ServiceNowError> {
        let Some(service_now) = self.service_now.get(&change.connection) else { return Ok(None) };
        let row = service_now.change(&change.sys_id, Lane::Close).await?;
        Ok(row.map(|row| (&**service_now, row)))
    }

    /// Takes the change towards the goal of a fact.
    pub(crate) async fn drive_fact(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        first_at: DateTime<Utc>,
    ) -> Handled {
        let mut events = Vec::new();
        match self.walk(walk, row, &mut events).await {
            Ok(Walked::Reached) => Handled::Done(events),
            Ok(Walked::Waits(reason)) => self.wait(reason, first_at, events),
            Ok(Walked::Impossible(reason)) => {
                let change = Some(row.change_ref(walk.service_now.name()));
                events.push(self.fact(&interlock_events::ChangeFailed {
                    key: walk.key.clone(),
                    change,
                    reason,
                }));
                Handled::Done(events)
            }
            Err(error) => about(&row.number, failed(&error, json!({}), events)),
        }
    }

    /// Comes again, less and less often, for a day.
    pub(crate) fn wait(&self, reason: String, first_at: DateTime<Utc>, events: Vec<Event>) -> Handled {
        let age = self.context.clock.now() - first_at;
        if age > FACT_LIFE {
            return Handled::Dead { reason };
        }
        Handled::Watch { after: pause(age), state: json!({}), events }
    }

    /// Nobody has asked for a change of this deployment, yet: its request may be behind this fact.
    pub(crate) fn wait_for_request(&self, first_at: DateTime<Utc>) -> Handled {
        let age = self.context.clock.now() - first_at;
        if age > REQUEST_BEHIND_MAX {
            return Handled::Ignored("no change was asked for: nothing holds this deployment".into());
        }
        Handled::Watch { after: pause_without_change(age), state: json!({}), events: vec![] }
    }

    /// There is no change of this key, yet.
    pub(crate) fn wait_for_change(&self, first_at: DateTime<Utc>) -> Handled {
        let age = self.context.clock.now() - first_at;
        if age > FACT_LIFE {
            return Handled::Ignored("there is no change of this deployment".into());
        }
        Handled::Watch { after: pause_without_change(age), state: json!({}), events: vec![] }
    }
}

/// Most deployments without a change never get one: nothing holds them.
fn pause_without_change(age: TimeDelta) -> Duration {
    Duration::from_secs(match age.num_seconds() {
        ..=19 => 5,
        20..=299 => 30,
        300..=3599 => 600,
        _ => 3600,
    })
}

fn pause(age: TimeDelta) -> Duration {
    Duration::from_secs(match age.num_seconds() {
        ..=9 => 1,
        10..=119 => 5,
        120..=1199 => 30,
        1200..=7199 => 120,
        _ => 600,
    })
}
