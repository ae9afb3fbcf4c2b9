//! Opening a change: exactly one, although ServiceNow knows no idempotency key.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{CorrelationId, DeploymentKey, DeploymentRequested};
use interlock_rules::{ChangeType, CreateFacts, Creation, RunPhase, SharedGate, Terms, draft, may_create};
use interlock_runtime::ports::store::Claim;
use interlock_runtime::worker::{Delivery, Handled};
use interlock_servicenow::{Class, NewChange, NewKind, ServiceNow};

use crate::Desk;
use crate::following::{Following, Seen};
use crate::walk::{about, failed};

/// How long the marker of a create is kept.
const MARKER_LIFE: Duration = Duration::from_secs(3600);
/// Outward writes leave within this time after the tick began.
const SEND_WITHIN: Duration = Duration::from_secs(10);

impl Desk {
    /// The look-up that began at `now` found nothing: create, or settle first.
    pub(crate) async fn open(
        &self,
        delivery: &Delivery<DeploymentRequested>,
        mut state: Following,
        service_now: &ServiceNow,
        shared: &SharedGate,
        now: DateTime<Utc>,
    ) -> Handled {
        let request = &delivery.data;
        if state.shares {
            // The change of an earlier job is closed, and this one still waits: it gets one of its own.
            state = state.anew();
        }
        if let Some(number) = state.told_number.clone() {
            return self.vanished(&number, state, now);
        }
        if self.is_late(request, &state.terms) {
            return Handled::Ignored("it came after its deadline: no change is opened for it".into());
        }
        let first = shared.first();
        let creation = may_create(CreateFacts {
            redelivered: delivery.redelivered,
            first_and_direct: delivery.first_and_direct,
            settled_for: state.settle_from.map(|from| (now - from).to_std().unwrap_or_default()),
            store_age: self.context.store.epoch().await.ok().map(|epoch| epoch.age),
            settle: self.settle,
            comes_first: *first == request.deployment.key,
        });
        if let Creation::Settle(wait) = creation {
            state.settle_from.get_or_insert(now);
            return watch(wait, &state);
        }
        if state.settle_from.is_some()
            && let Some(over) = self.not_waited_for(request, &state).await
        {
            return over;
        }
        let known = state.siblings.clone();
        if state.settle_from.is_some() {
            if let Err(later) = self.learn_siblings(request, &mut state).await {
                return later;
            }
            if state.siblings != known {
                return watch(Duration::from_secs(1), &state);
            }
        }
        if let Err(later) = self.learn_rollback(request, &mut state, service_now).await {
            return later;
        }
        let markers = match creation {
            Creation::WithMarker => self.win_all(shared, now).await,
            _ => Some(Vec::new()),
        };
        match markers {
            Some(markers) => self.create(delivery, state, service_now, shared, &markers).await,
            None => {
                state.settle_from = Some(now);
                watch(self.settle, &state)
            }
        }
    }

    /// We know of a change that the look-up does not show any more. A second one is not the answer.
    fn vanished(&self, number: &str, mut state: Following, now: DateTime<Utc>) -> Handled {
        let since = *state.settle_from.get_or_insert(now);
        let settle = TimeDelta::from_std(self.settle).unwrap_or(TimeDelta::MAX);
        if now - since < settle {
            return watch(self.settle, &state);
        }
        let reason = format!(
            "{number} is not found by its correlation id any more: it was deleted, hidden from us, or its \
             correlation id was overwritten; put that right, then replay this dead letter"
        );
        Handled::Dead { reason }
    }

    /// Time has passed since the request: is anybody still waiting for a change?
    async fn not_waited_for(&self, request: &DeploymentRequested, state: &Following) -> Option<Handled> {
        match self.run_of(request).await {
            // A record is wanted of what has run, also of what has ended by now.
            Ok(run) if request.gate.is_none() && run.phase.has_started() => None,
            Ok(run)
                if matches!(run.phase, RunPhase::Waiting | RunPhase::Queued | RunPhase::Started)
                    && !run.superseded =>
            {
                None
            }
            Ok(run) => Some(Handled::Ignored(format!(
                "the deployment is over ({:?}): no change is opened for it",
                run.phase
            ))),
            Err(_) => Some(watch(Duration::from_secs(5), state)),
        }
    }

    /// Wins the markers of all who wait at the gate: who of them comes first changes with what is known.
    async fn win_all(&self, shared: &SharedGate, now: DateTime<Utc>) -> Option<Vec<Marker>> {
        let value = format!("{} {}", now.to_rfc3339(), self.context.clock.tag());
        let mut won = Vec::new();
        for hash in shared.waiting() {
            let marker = Marker { key: format!("create:{hash}"), value: value.clone() };
            if !self.win(&marker, now).await {
                self.give_back(&won).await;
                return None;
            }
            won.push(marker);
        }
        Some(won)
    }

    /// Nothing was created under them: the next try need not wait.
    async fn give_back(&self, markers: &[Marker]) {
        for Marker { key, value } in markers {
            let _ = self.context.store.release(key, value).await;
        }
    }

    /// Wins the marker, or takes over one whose create must have shown by now.
    async fn win(&self, marker: &Marker, now: DateTime<Utc>) -> bool {
        let Marker { key, value } = marker;
        let held = match self.context.store.claim(key, value, MARKER_LIFE).await {
            Ok(Claim::Won) => return true,
            Ok(Claim::Held(held)) => held,
            Err(fault) => {
                tracing::debug!(key, %fault, "cannot win the marker of a create");
                return false;
            }
        };
        let settle = TimeDelta::from_std(self.settle).unwrap_or(TimeDelta::MAX);
        let since = held.split(' ').next().and_then(|time| time.parse::<DateTime<Utc>>().ok());
        let spent = since.is_none_or(|since| now - since >= settle);
        spent && matches!(self.context.store.swap(key, &held, value, MARKER_LIFE).await, Ok(true))
    }

    async fn create(
        &self,
        delivery: &Delivery<DeploymentRequested>,
        mut state: Following,
        service_now: &ServiceNow,
        shared: &SharedGate,
        markers: &[Marker],
    ) -> Handled {
        let request = &delivery.data;
        let change = match new_change(request, shared.first(), &state.terms) {
            Ok(change) => change,
            Err(reason) => return Handled::Dead { reason },
        };
        let within = service_now.before(delivery.began + SEND_WITHIN);
        match within.create(&change).await {
            Ok(created) => {
                tracing::info!(change.number = created.row.number, ignored = ?created.ignored, "opened a change");
                metrics::counter!("interlock_changes_opened_total").increment(1);
                state.settle_from = None;
                state.not_taken(created.ignored);
                let rows = [created.row];
                let seen = Seen { shared, row: &rows[0], rows: &rows, all: &rows };
                self.drive(request, &mut state, service_now, seen, vec![]).await
            }
            Err(error) if error.class() == Class::UnknownOutcome => {
                tracing::warn!(%error, "it is not known whether a change was created; settling");
                state.settle_from = Some(self.context.clock.now());
                watch(self.settle, &state)
            }
            Err(error) => {
                // A refusal may come although the change was created: whoever tries next waits for it to show.
                if error.class() != Class::Permanent {
                    self.give_back(markers).await;
                }
                about(&format!("policy `{}`", state.terms.policy), failed(&error, state.json(), vec![]))
            }
        }
    }
}

struct Marker {
    key: String,
    value: String,
}

pub(crate) fn watch(after: Duration, state: &Following) -> Handled {
    Handled::Watch { after, state: state.json(), events: vec![] }
}

pub(crate) fn new_change(
    request: &DeploymentRequested,
    first: &DeploymentKey,
    terms: &Terms,
) -> Result<NewChange, String> {
    let deployment = &request.deployment;
    let draft = draft(request, terms)?;
    Ok(NewChange {
        kind: match draft.change_type {
            ChangeType::Normal => NewKind::Normal,
            ChangeType::Emergency => NewKind::Emergency,
            ChangeType::Standard => NewKind::Standard { template: draft.template.unwrap_or_default() },
        },
        sys_id: Some(first.chosen_sys_id()),
        correlation_id: CorrelationId::new(first, &deployment.sha, &deployment.project.name),
        short_description: draft.short_description,
        description: draft.description,
        assignment_group: draft.assignment_group,
        cmdb_ci: draft.cmdb_ci,
        parent: draft.parent,
        start: draft.start,
        end: draft.end,
        fields: draft.fields,
    })
}
