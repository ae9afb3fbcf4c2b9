//! Looks for conflicts of a change that waits, where the policy asks for that, and moves it to another slot where it
//! says so. What came of each step is read from the record at the next look.

use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_events::{ChangeUpdated, DeploymentRequested, Event, Planned};
use interlock_rules::{ChangeRow, CheckAsked, CheckStep, MOVES_MAX, Plan, next_check, next_free};
use interlock_servicenow::{Class, ServiceNow, ServiceNowError};

use crate::Desk;
use crate::following::Following;

/// How soon is looked for what the instance does by itself.
const SOON: Duration = Duration::from_secs(5);
const AT_ONCE: Duration = Duration::from_secs(1);

/// When the change is to be looked at again for the sake of its conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recheck {
    /// When anything of it changes.
    Never,
    /// Now and then.
    Sometime,
    /// Then.
    After(Duration),
}

impl Desk {
    /// The next step of looking for conflicts, if any is due.
    pub(crate) async fn look_for_conflicts(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        row: &ChangeRow,
        events: &mut Vec<Event>,
    ) -> Result<Recheck, ServiceNowError> {
        if request.gate.is_none() {
            return Ok(Recheck::Never);
        }
        let now = self.context.clock.now();
        match next_check(state.terms.conflict, row, state.check.as_ref(), now) {
            CheckStep::Rest => Ok(Recheck::Never),
            CheckStep::Stands => Ok(Recheck::Sometime),
            CheckStep::Await => Ok(Recheck::After(SOON)),
            CheckStep::Start(plan) => {
                self.note_slot(request, state, service_now, row, events).await;
                service_now.check_conflicts(&row.sys_id).await?;
                state.check = Some(CheckAsked::now(plan, row, state.check.as_ref(), now));
                Ok(Recheck::After(AT_ONCE))
            }
            CheckStep::AskSlot => {
                let Some(check) = &mut state.check else { return Ok(Recheck::Sometime) };
                check.moves += 1;
                match service_now.plan_first_slot(&row.sys_id).await {
                    Ok(()) => {
                        check.slot_asked = Some(now);
                        Ok(Recheck::After(AT_ONCE))
                    }
                    Err(error) if error.class() == Class::Permanent => {
                        tracing::info!(%error, "the instance offers no slot; one is looked for among its changes");
                        self.take_slot(request, state, service_now, row, events).await
                    }
                    Err(error) => {
                        // It may have been asked all the same: then the record shows other dates.
                        check.slot_asked = (error.class() == Class::UnknownOutcome).then_some(now);
                        Err(error)
                    }
                }
            }
            CheckStep::TakeSlot => self.take_slot(request, state, service_now, row, events).await,
        }
    }

    /// Plans the change for the first time in which no other change of its item is planned.
    async fn take_slot(
        &self,
        request: &DeploymentRequested,
        state: &mut Following,
        service_now: &ServiceNow,
        row: &ChangeRow,
        events: &mut Vec<Event>,
    ) -> Result<Recheck, ServiceNowError> {
        let (Ok(plan), Some(check)) = (Plan::of(row), &mut state.check) else { return Ok(Recheck::Sometime) };
        check.slot_asked = None;
        let others = service_now.planned_beside(&plan).await?;
        let Some(slot) = next_free(&plan, &others, self.context.clock.now()) else {
            tracing::warn!(
                change.number = row.number,
                "no other change is in its way: it stays where it is planned"
            );
            check.moves = MOVES_MAX;
            return Ok(Recheck::Sometime);
        };
        match service_now.plan(&row.sys_id, slot, &moved_note(&plan, slot.0, slot.1)).await {
            Ok(moved) => {
                events.push(self.moved(request, service_now, &moved));
                Ok(Recheck::After(AT_ONCE))
            }
            // The conflict stands, and the gate waits with its reason; people may plan it otherwise.
            Err(error) if error.class() == Class::Permanent => {
                tracing::warn!(change.number = row.number, %error, "the change cannot be planned for another slot");
                check.moves = MOVES_MAX;
                Ok(Recheck::Sometime)
            }
            Err(error) => Err(error),
        }
    }

    /// The instance has planned the change for another slot, because we asked for that.
    async fn note_slot(
        &self,
        request: &DeploymentRequested,
        state: &Following,
        service_now: &ServiceNow,
        row: &ChangeRow,
        events: &mut Vec<Event>,
    ) {
        let Some(check) = state.check.as_ref().filter(|check| check.slot_asked.is_some()) else { return };
        let (Ok(plan), before) = (Plan::of(row), &check.of) else { return };
        if plan.sys_id != before.sys_id || (plan.start, plan.end) == (before.start, before.end) {
            return;
        }
        events.push(self.moved(request, service_now, row));
        let marker = format!("[interlock:moved:{}]", plan.start.timestamp());
        let text = moved_note(before, plan.start, plan.end);
        if let Err(error) = service_now.note(&row.sys_id, &marker, &text).await {
            tracing::warn!(change.number = row.number, %error, "the record does not say that it was moved");
        }
    }

    fn moved(&self, request: &DeploymentRequested, service_now: &ServiceNow, row: &ChangeRow) -> Event {
        tracing::info!(change.number = row.number, start = ?row.start, end = ?row.end, "moved to a free slot");
        self.fact(&ChangeUpdated {
            key: request.deployment.key.clone(),
            change: row.change_ref(service_now.name()),
            state: row.state.map_or(0, interlock_rules::ChangeState::number),
            planned: row.start.zip(row.end).map(|(start, end)| Planned { start, end }),
            ignored_fields: Vec::new(),
        })
    }
}

fn moved_note(before: &Plan, start: DateTime<Utc>, end: DateTime<Utc>) -> String {
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    format!(
        "Planned for {} to {} instead of {} to {}, where ServiceNow's check found a conflict.",
        time(start),
        time(end),
        time(before.start),
        time(before.end)
    )
}
