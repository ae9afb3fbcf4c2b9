//! One look at a deployment's change: from the request until the change rests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{ChangeFailed, ChangeOpened, DeploymentRequested, Event, Outcome};
use interlock_platforms::PlatformError;
use interlock_rules::{
    ChangeRow, ChangeState, Goal, RunPhase, SIBLINGS_KEPT, SharedGate, Terms, canonical, deadline,
    run_look_after,
};
use interlock_runtime::worker::{Delivery, Handled};
use interlock_servicenow::{Known, Lane, ServiceNow, ServiceNowError};

use crate::Desk;
use crate::conflict::Recheck;
use crate::create::new_change;
use crate::following::{Following, Seen};
use crate::walk::{Closing, Walk, Walked, about, failed};

/// How often at least where it may be running.
pub(crate) const RUNNING_LOOK: TimeDelta = TimeDelta::hours(1);
/// A platform that was asked so long ago is asked again at once.
const ASKED_AT_ONCE: TimeDelta = TimeDelta::hours(6);
/// While the deployment is young its change is looked at more often.
const YOUNG: TimeDelta = TimeDelta::hours(1);
/// Stands in the note that names them.
const IGNORED_MARK: &str = "[interlock:ignored]";

impl Desk {
    pub(crate) async fn follow(&self, delivery: &Delivery<DeploymentRequested>) -> Handled {
        let request = &delivery.data;
        let state = delivery.state.clone().and_then(|state| serde_json::from_value::<Following>(state).ok());
        let mut state = state.unwrap_or_else(|| {
            let state = Following::begin(self.policies.of(&request.deployment));
            // What comes late, or again, may be of a deployment that is over: the platform is asked first.
            let asked = (!delivery.first_and_direct).then(|| request.requested_at - ASKED_AT_ONCE);
            Following { run_read: asked, ..state }
        });
        let Some(service_now) = self.service_now.get(&state.terms.service_now) else {
            let (policy, name) = (&state.terms.policy, &state.terms.service_now);
            return Handled::Dead {
                reason: format!(
                    "policy `{policy}` names the ServiceNow connection `{name}`, which is not configured"
                ),
            };
        };
        if let Some(until) = state.quiet_until {
            let left = (until - self.context.clock.now()).to_std().unwrap_or_default();
            if !left.is_zero() {
                return Handled::Watch {
                    after: left.max(Duration::from_secs(1)),
                    state: state.json(),
                    events: vec![],
                };
            }
            state.quiet_until = None;
            // Who came to light since counts too; what cannot be read now is not needed yet.
            let _ = self.learn_siblings(request, &mut state).await;
        }
        if state.siblings.is_none()
            && let Err(later) = self.learn_siblings(request, &mut state).await
        {
            return later;
        }
        self.remember(request).await;
        let shared = SharedGate::of(&request.deployment.key, state.siblings.as_deref().unwrap_or_default());
        if self.is_at_rest(request, &mut state, service_now, &shared).await {
            let after = self.next(request, true, self.context.clock.now());
            return Handled::Watch { after, state: state.json(), events: vec![] };
        }
        // Before the look-up: what commits after this moment may be missing in it.
        let looked_at = self.context.clock.now();
        let all = match service_now.changes_to_write(&shared.hashes(), Lane::Gate).await {
            Ok(reading) => {
                state.known = Known::to_write(&reading);
                reading.rows
            }
            Err(error) => return failed(&error, state.json(), vec![]),
        };
        let rows = shared.counting(all.clone());
        match canonical(&rows, &shared).map(|family| family.canonical) {
            None => self.open(delivery, state, service_now, &shared, looked_at).await,
            Some(row) => {
                let seen = Seen { shared: &shared, row, rows: &rows, all: &all };
                self.drive(request, &mut state, service_now, seen, vec![]).await
            }
        }
    }

    /// Asks who shares the gate. Before that is known no change is opened: theirs may be there.
    pub(crate) async fn learn_siblings(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
    ) -> Result<(), Handled> {
        match self.siblings_of(request).await {
            Ok(mut siblings) => {
                siblings.truncate(SIBLINGS_KEPT);
                // One of an attempt that is over keeps those that it had.
                if !siblings.is_empty() || state.siblings.is_none() {
                    state.siblings = Some(siblings);
                }
                Ok(())
            }
            Err(error) if state.siblings.is_some() || !error.is_passing() => {
                state.siblings.get_or_insert_default();
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "who shares the gate is asked again before a change is opened");
                let after = match error {
                    PlatformError::Paused(pause) => {
                        pause.clamp(Duration::from_secs(1), Duration::from_secs(60))
                    }
                    _ => Duration::from_secs(5),
                };
                Err(Handled::Watch { after, state: state.json(), events: vec![] })
            }
        }
    }

    /// A request that was first read after its deadline: its gate is rejected, no change is opened for it.
    pub(crate) fn is_late(&self, request: &DeploymentRequested, terms: &Terms) -> bool {
        // What nothing holds has no deadline.
        let Some(gate) = &request.gate else { return false };
        let limit = self
            .platforms
            .get(&gate.connection)
            .map_or(Duration::from_secs(30 * 86_400), |platform| platform.gate_limit());
        self.context.clock.now() >= deadline(request.requested_at, terms, limit, None)
    }

    /// The change stands: tell of it, take it on, cancel extras, and come again until it rests.
    pub(crate) async fn drive(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        seen: Seen<'_>,
        mut events: Vec<Event>,
    ) -> Handled {
        let Seen { shared, row, rows, .. } = seen;
        let now = self.context.clock.now();
        let known = state.known.take();
        let found_at = *state.found_at.get_or_insert(now);
        if state.told.as_ref() != Some(&row.sys_id) {
            if state.told.is_some() {
                state.ignored.clear();
            }
            self.compare_found(request, state, service_now, seen).await;
            events.push(self.opened(request, state, service_now, seen));
            state.told = Some(row.sys_id.clone());
            state.told_number = Some(row.number.clone());
            state.noted = false;
        }
        state.settle_from = None;
        self.note_sharing(request, state, service_now, seen).await;
        let (goal, reason) = self.goal(request, state, seen).await;
        let deployment = &request.deployment;
        let closing = match goal {
            Goal::Close(outcome) => Closing::of(&state.terms, deployment, outcome).with(&reason),
            _ => Closing::default(),
        };
        let note = ignored_note(&state.ignored);
        let walk = Walk { service_now, key: &deployment.key, goal, reason: &reason, closing, note: &note };
        let left = match self.cancel_extras(&walk, shared, (rows, row), &mut state.extras, &mut events).await
        {
            Ok(left) => left,
            Err(error) => return failed(&error, state.json(), events),
        };
        if let Err(error) = self.tell_crossed(&walk, rows, row, &mut events).await {
            return failed(&error, state.json(), events);
        }
        let walked = match self.walk_once_out_of_new(&walk, row, &mut state.asked, &mut events).await {
            Ok(walked) => walked,
            Err(error) => return about(&row.number, failed(&error, state.json(), events)),
        };
        let recheck = match self.look_for_conflicts(request, state, service_now, row, &mut events).await {
            Ok(recheck) => recheck,
            Err(error) => return about(&row.number, failed(&error, state.json(), events)),
        };
        let settle = TimeDelta::from_std(self.settle).unwrap_or(TimeDelta::MAX);
        let settled = now - found_at >= settle;
        if !settled {
            // Who came to light since is looked up at the next look; what cannot be read now is not needed yet.
            let _ = self.learn_siblings(request, state).await;
        }
        match walked {
            Walked::Reached if !row.is_live() && settled && !left => Handled::Done(events),
            Walked::Impossible(reason) => {
                let change = Some(row.change_ref(service_now.name()));
                events.push(self.fact(&ChangeFailed { key: deployment.key.clone(), change, reason }));
                Handled::Done(events)
            }
            _ if now - request.requested_at > self.given_up(state) => Handled::Dead {
                reason: format!("{} does not come to rest: its state is {:?}", row.number, row.state),
            },
            walked => {
                let reached = matches!(walked, Walked::Reached) && recheck == Recheck::Never;
                let rests = reached && settled && !left;
                state.known = known.filter(|_| rests && row.state <= Some(ChangeState::Implement));
                state.runs = row.state == Some(ChangeState::Implement);
                // What shows up late shows up until then.
                state.quiet_until = (reached && !settled).then(|| found_at + settle);
                let after = self.next(request, settled && !left, now);
                let after = if let Recheck::After(soon) = recheck { after.min(soon) } else { after };
                Handled::Watch { after, state: state.json(), events }
            }
        }
    }

    /// A change that somebody took back to New stays there: asking again, or scheduling it again, would undo that.
    async fn walk_once_out_of_new(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        asked: &mut Option<String>,
        events: &mut Vec<Event>,
    ) -> Result<Walked, ServiceNowError> {
        let is_new = row.state == Some(ChangeState::New);
        if walk.goal == Goal::AskApproval && is_new && asked.as_ref() == Some(&row.sys_id) {
            return Ok(Walked::Reached);
        }
        let told = events.len();
        let walked = self.walk(walk, row, events).await?;
        if !is_new || events.len() > told {
            *asked = Some(row.sys_id.clone());
        }
        Ok(walked)
    }

    fn opened(
        &self,
        request: &DeploymentRequested,
        state: &Following,
        service_now: &ServiceNow,
        seen: Seen<'_>,
    ) -> Event {
        let Seen { row, .. } = seen;
        let owner = seen.owner_beside(&request.deployment.key);
        self.fact(&ChangeOpened {
            key: request.deployment.key.clone(),
            change: row.change_ref(service_now.name()),
            policy: state.terms.policy.clone(),
            found: state.settle_from.is_some() || owner.is_some(),
            shared_with: owner,
            rolls_back: state.terms.rolls_back.clone().filter(|of| row.parent.as_ref() == Some(&of.sys_id)),
            ignored_fields: state.ignored.clone(),
        })
    }

    /// Nobody has read the answer to the create of a change that shows up later: it is compared now, before people
    /// have edited it. What cannot be read is not compared.
    async fn compare_found(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        seen: Seen<'_>,
    ) {
        let is_ours = seen.owner_beside(&request.deployment.key).is_none();
        if state.settle_from.is_none() || !is_ours || seen.row.state != Some(ChangeState::New) {
            return;
        }
        let Ok(wanted) = new_change(request, seen.shared.first(), &state.terms) else { return };
        match service_now.not_taken(&seen.row.sys_id, &wanted).await {
            Ok(fields) => state.not_taken(fields),
            Err(error) => tracing::debug!(change.number = seen.row.number, %error, "not compared"),
        }
    }

    /// Until the platform shows an end, approvals are asked for; facts take the change further.
    async fn goal(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        seen: Seen<'_>,
    ) -> (Goal, String) {
        let row = seen.row;
        let now = self.context.clock.now();
        let last = state.run_read.unwrap_or(request.requested_at);
        let pause = run_look_after(now - request.requested_at);
        let runs = row.state >= Some(ChangeState::Implement);
        if now - last < if runs { pause.min(RUNNING_LOOK) } else { pause } {
            return (Goal::AskApproval, String::new());
        }
        let phase = self.phase_of(request, seen).await.filter(|phase| *phase != RunPhase::Gone);
        if phase.is_some() {
            state.run_read = Some(now);
        }
        match phase {
            Some(RunPhase::Ended(outcome)) => (Goal::Close(outcome), String::new()),
            Some(RunPhase::NeverStarted(outcome)) => {
                (Goal::Abandon, format!("The deployment ended before it began: {}.", outcome.as_str()))
            }
            // Nothing holds it, so nobody tells that it was released.
            Some(RunPhase::Started) if request.gate.is_none() => (Goal::Implement, String::new()),
            // Released, and the platform has said nothing for so long.
            None if row.state == Some(ChangeState::Implement) && now - last > self.finish_within(state) => {
                (Goal::Close(Outcome::Failed), "No result was reported.".into())
            }
            _ => (Goal::AskApproval, String::new()),
        }
    }

    fn finish_within(&self, state: &Following) -> TimeDelta {
        TimeDelta::hours(state.terms.close.finish_within_hours.into())
    }

    /// A month after the request, and the time for its end, nothing moves by itself any more.
    fn given_up(&self, state: &Following) -> TimeDelta {
        TimeDelta::days(31) + self.finish_within(state)
    }

    fn next(&self, request: &DeploymentRequested, settled: bool, now: DateTime<Utc>) -> Duration {
        if !settled {
            return self.settle.max(Duration::from_secs(1));
        }
        let young = now - request.requested_at < YOUNG;
        Duration::from_secs(if young { 120 } else { 600 })
    }
}

/// For people who look at the record.
fn ignored_note(fields: &[String]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    format!(
        "ServiceNow did not take these fields as the policy sends them: {}. {IGNORED_MARK}",
        fields.join(", ")
    )
}
