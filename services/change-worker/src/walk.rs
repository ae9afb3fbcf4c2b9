//! Takes a change towards a goal, one legal step at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use interlock_events::{
    ChangeCanceled, ChangeClosed, ChangeUpdated, Deployment, DeploymentKey, Event, Outcome,
};
use interlock_rules::{ChangeRow, ChangeState, CmdbTerms, Goal, Step, Terms, next_step, render};
use interlock_runtime::worker::Handled;
use interlock_servicenow::{Class, ServiceNow, ServiceNowError};

use crate::Desk;

/// More steps than the longest path has.
const STEPS_MAX: usize = 6;

/// How far a walk came.
pub(crate) enum Walked {
    /// The change is where it should be.
    Reached,
    /// Somebody else must move it first.
    Waits(String),
    /// It cannot get there any more.
    Impossible(String),
}

/// What a walk needs beside the row.
pub(crate) struct Walk<'a> {
    pub service_now: &'a ServiceNow,
    pub key: &'a DeploymentKey,
    pub goal: Goal,
    /// Why it is canceled, if it is.
    pub reason: &'a str,
    /// Close code and notes, if it is closed.
    pub closing: Closing,
    /// What stands in the work notes of the move out of New.
    pub note: &'a str,
}

impl Walk<'_> {
    /// A change that should be closed and cannot be: its deployment ran without an approval that stands.
    fn why_canceled(&self) -> String {
        match self.goal {
            Goal::Close(outcome) if outcome != Outcome::Skipped => {
                format!("The deployment went on without an approval that stands: {}.", outcome.as_str())
            }
            _ => self.reason.to_owned(),
        }
    }
}

/// Close code and notes for one outcome.
#[derive(Default)]
pub(crate) struct Closing {
    pub code: String,
    pub notes: String,
    /// What the configuration item is to say, and of what, where it went well.
    pub item: Option<(CmdbTerms, Deployment)>,
}

impl Closing {
    /// By the policy's terms. Notes that cannot be rendered still say how it ended.
    pub(crate) fn of(terms: &Terms, deployment: &Deployment, outcome: Outcome) -> Self {
        let went_well = outcome == Outcome::Succeeded;
        let item = terms.cmdb.clone().filter(|_| went_well).map(|item| (item, deployment.clone()));
        let terms = &terms.close;
        let code = if went_well { &terms.successful } else { &terms.unsuccessful };
        let notes = render(&terms.notes, deployment, Some(outcome))
            .unwrap_or_else(|fault| format!("The deployment {}. ({fault})", outcome.as_str()));
        Self { code: code.clone(), notes, item }
    }

    /// With what else is to be said.
    pub(crate) fn with(mut self, reason: &str) -> Self {
        if !reason.is_empty() {
            self.notes = format!("{} {reason}", self.notes);
        }
        self
    }
}

impl Desk {
    /// Walks as far as it can now. What was done before an error is in `events` too.
    pub(crate) async fn walk(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        events: &mut Vec<Event>,
    ) -> Result<Walked, ServiceNowError> {
        let mut row = row.clone();
        for _ in 0..STEPS_MAX {
            let step = next_step(walk.goal, &row);
            let echo = match step {
                Step::Reached => return Ok(Walked::Reached),
                Step::WaitFor(reason) => return Ok(Walked::Waits(reason)),
                Step::Impossible(reason) => return Ok(Walked::Impossible(reason)),
                Step::Move(state) => self.step_to(walk, &row, state, events).await?,
                Step::Close(outcome) => self.close(walk, &row, outcome, events).await?,
                Step::Cancel => self.cancel(walk, &row, &walk.why_canceled(), events).await?,
            };
            // The echo of a write does not carry the approver rows.
            row = ChangeRow { approvers: std::mem::take(&mut row.approvers), ..echo };
        }
        Ok(Walked::Waits(format!("{} does not come to rest", row.number)))
    }

    async fn step_to(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        state: ChangeState,
        events: &mut Vec<Event>,
    ) -> Result<ChangeRow, ServiceNowError> {
        let with_note = row.state == Some(ChangeState::New) && !walk.note.is_empty();
        let fields = with_note.then(|| ("work_notes".to_owned(), walk.note.to_owned()));
        let fields: BTreeMap<String, String> = fields.into_iter().collect();
        let echo = walk.service_now.move_to(&row.sys_id, state, &fields).await?;
        tracing::info!(change.number = row.number, state = ?echo.state, "moved a change");
        events.push(self.fact(&ChangeUpdated {
            key: walk.key.clone(),
            change: row.change_ref(walk.service_now.name()),
            state: state.number(),
            planned: None,
            ignored_fields: Vec::new(),
        }));
        Ok(echo)
    }

    async fn close(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        outcome: Outcome,
        events: &mut Vec<Event>,
    ) -> Result<ChangeRow, ServiceNowError> {
        let Closing { code, notes, .. } = &walk.closing;
        let told = self.update_item(walk, row, events).await?;
        let echo = walk.service_now.close(&row.sys_id, code, &format!("{notes}{told}")).await?;
        tracing::info!(change.number = row.number, close_code = code, "closed a change");
        events.push(self.fact(&ChangeClosed {
            key: walk.key.clone(),
            change: row.change_ref(walk.service_now.name()),
            outcome,
            close_code: code.clone(),
        }));
        Ok(echo)
    }

    pub(crate) async fn cancel(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        reason: &str,
        events: &mut Vec<Event>,
    ) -> Result<ChangeRow, ServiceNowError> {
        let echo = walk.service_now.cancel(&row.sys_id, reason).await?;
        tracing::info!(change.number = row.number, reason, "canceled a change");
        events.push(self.fact(&ChangeCanceled {
            key: walk.key.clone(),
            change: row.change_ref(walk.service_now.name()),
            reason: reason.into(),
        }));
        Ok(echo)
    }
}

/// Says in a dead letter what it is about: the policy that asked, or the change that was refused.
pub(crate) fn about(what: &str, handled: Handled) -> Handled {
    match handled {
        Handled::Dead { reason } => Handled::Dead { reason: format!("{what}: {reason}") },
        Handled::Later { reason } => Handled::Later { reason: format!("{what}: {reason}") },
        other => other,
    }
}

/// What an error of the instance means for a watch: outages pause and are not counted; what is refused
/// for good is a failed attempt, so that it ends in the dead letters with the instance's words.
pub(crate) fn failed(error: &ServiceNowError, state: serde_json::Value, events: Vec<Event>) -> Handled {
    let something_done = !events.is_empty();
    let watch = |after| Handled::Watch { after, state, events };
    match error.class() {
        Class::Transient => watch(Duration::from_secs(5)),
        Class::Paused(pause) => watch(pause.clamp(Duration::from_secs(1), Duration::from_secs(120))),
        Class::UnknownOutcome => watch(Duration::from_secs(1)),
        // What was done before the refusal is told first.
        Class::Permanent if something_done => watch(Duration::from_secs(1)),
        Class::Permanent if error.is_of_our_input() => Handled::Dead { reason: error.to_string() },
        // A right or a rule may be put right in the meantime.
        Class::Permanent => Handled::Later { reason: error.to_string() },
    }
}
