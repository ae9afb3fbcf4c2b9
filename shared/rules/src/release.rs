//! May this gate be released now? The only maker of a [`Permit`]: by the record, or, by a policy that observes, by name.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::canonical::canonical;
use crate::conflict::{Checked, ConflictRule, Conflicting, conflicting};
use crate::freeze::Freeze;
use crate::policy::{Mode, OnRejection, Terms, WindowRule};
use crate::promise::broken_promise;
use crate::record::{Approval, ChangeRow, ChangeState, Reading};
use crate::run::{RunPhase, RunReading};
use crate::separation::{Party, broken_separation};
use crate::shared::Whose;

/// How long a permit is good for after the record was read.
pub const PERMIT_LIFETIME: TimeDelta = TimeDelta::seconds(5);
const LIFETIME: Duration = Duration::from_secs(5);
/// Beyond this difference of clocks no window is judged.
const SKEW_SECONDS_MAX: i64 = 60;

/// The right to release one gate, once, within five seconds after its change was read.
///
/// Not to be cloned, stored or read back: [`may_release`] alone makes one, and [`may_observe`] where nothing is held.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    sys_id: String,
    number: String,
    approvers: Vec<String>,
    read_at: DateTime<Utc>,
}

impl Permit {
    /// `sys_id` of the change that permits.
    #[must_use]
    pub fn sys_id(&self) -> &str {
        &self.sys_id
    }

    /// Number of the change that permits.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Who approved it, as the approver rows say.
    #[must_use]
    pub fn approvers(&self) -> &[String] {
        &self.approvers
    }

    /// The record was read less than five seconds before `now`.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let age = now - self.read_at;
        age >= TimeDelta::zero() && age < PERMIT_LIFETIME
    }

    /// How long it is still good for.
    #[must_use]
    pub fn left(&self, now: DateTime<Utc>) -> Duration {
        (self.read_at + PERMIT_LIFETIME - now).to_std().unwrap_or_default().min(LIFETIME)
    }
}

/// All that the decision hangs on.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseInputs<'a> {
    /// The deployment's key, or all that share its gate.
    pub whose: &'a dyn Whose,
    /// The correlation id that the record must have, to the letter.
    pub correlation_id: &'a str,
    /// The commit that the gate is of.
    pub sha: &'a str,
    /// The attempt that the gate is of, once bound.
    pub attempt: Option<u32>,
    /// The record's rows, or why they could not be read.
    pub reading: Result<&'a Reading, &'a str>,
    /// The run, if it was read in this tick.
    pub run: Option<&'a RunReading>,
    /// The highest state that this watch has seen.
    pub highest: Option<ChangeState>,
    /// The policy's terms.
    pub terms: &'a Terms,
    /// `sys_id` of the template that they promise, where the instance knows it.
    pub template: Option<&'a str>,
    /// Who may not approve, where the terms look at that; `None`: it is not known yet.
    pub parties: Option<&'a [Party]>,
    /// What is known of the record's last check for conflicts, where the terms look at that.
    pub checked: Option<&'a Checked>,
    /// Freezes that concern the deployment, whether they hold now or not.
    pub freezes: &'a [&'a Freeze],
    /// Our clock.
    pub now: DateTime<Utc>,
}

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet. At the deadline this becomes a rejection.
    Wait {
        /// Why, for people.
        reason: String,
        /// When it may change by itself.
        until: Option<DateTime<Utc>>,
    },
    /// No.
    Reject {
        /// Why, for people.
        reason: String,
    },
    /// The gate is not there any more: no call.
    Lost {
        /// What the platform shows.
        reason: String,
    },
    /// The record permits; the run must be read before the answer.
    AskPlatform,
    /// Yes.
    Release(Permit),
}

/// Judges one gate. The first row that fits wins; what cannot be read or understood waits.
#[must_use]
pub fn may_release(inputs: ReleaseInputs<'_>) -> Verdict {
    let row = match readable(inputs) {
        Ok(row) => row,
        Err(reason) => return Verdict::Wait { reason, until: None },
    };
    let state = row.state.unwrap_or(ChangeState::New);
    let on_rejection = inputs.terms.approval.on_rejection;
    if let Some(reason) = rejection(row, state, inputs.highest, on_rejection) {
        return match on_rejection {
            OnRejection::Wait if state != ChangeState::Canceled => {
                let reason = format!("{reason}; it may be submitted again until the deadline");
                Verdict::Wait { reason, until: None }
            }
            _ => Verdict::Reject { reason },
        };
    }
    let conflict = conflicting(row, inputs.terms.conflict, inputs.checked);
    let rejects = inputs.terms.conflict == ConflictRule::Reject && state <= ChangeState::Implement;
    if let Some(Conflicting::Found(reason)) = conflict.clone().filter(|_| rejects) {
        return Verdict::Reject { reason };
    }
    if row.on_hold || state < ChangeState::Scheduled {
        return Verdict::Wait { reason: waiting(row, state, conflict.as_ref()), until: None };
    }
    if let Some(reason) = inputs.run.and_then(|run| not_there(run, inputs.sha, inputs.attempt)) {
        return Verdict::Lost { reason };
    }
    if !matches!(state, ChangeState::Scheduled | ChangeState::Implement) {
        return Verdict::Reject {
            reason: format!("{} is {state:?} already: it is too late for this change", row.number),
        };
    }
    if let Some(reason) = broken_promise(row, inputs.terms, inputs.template) {
        return Verdict::Wait { reason, until: None };
    }
    if !row.is_approved() {
        return Verdict::Wait {
            reason: format!("{} is {state:?} but not approved", row.number),
            until: None,
        };
    }
    if let Some(reason) = broken_separation(row, inputs.terms.separation.as_ref(), inputs.parties) {
        return Verdict::Wait { reason, until: None };
    }
    if let Some(Conflicting::Found(reason) | Conflicting::Unknown(reason)) = conflict {
        return Verdict::Wait { reason, until: None };
    }
    let not_yet = || frozen(row, inputs).or_else(|| in_window(row, inputs));
    not_yet().unwrap_or_else(|| permit(row, inputs))
}

/// The right to release a gate that its policy only observes: the record has no say, but the run must be read at
/// `now`, be the one that asked, and wait. `None` for every other policy.
#[must_use]
pub fn may_observe(
    terms: &Terms,
    run: &RunReading,
    (sha, attempt): (&str, Option<u32>),
    now: DateTime<Utc>,
) -> Option<Permit> {
    let observes = terms.mode == Mode::Observe && not_there(run, sha, attempt).is_none();
    let nobody = String::new;
    observes.then(|| Permit { sys_id: nobody(), number: nobody(), approvers: Vec::new(), read_at: now })
}

/// The canonical row, if all of the record can be trusted.
fn readable(inputs: ReleaseInputs<'_>) -> Result<&ChangeRow, String> {
    let reading = inputs.reading.map_err(|reason| format!("the change cannot be read: {reason}"))?;
    let age = inputs.now - reading.at;
    if age < TimeDelta::zero() || age >= PERMIT_LIFETIME {
        return Err("the change was read too long ago".into());
    }
    let family = canonical(&reading.rows, inputs.whose).ok_or("there is no change yet")?;
    let unknown = reading.rows.iter().find(|row| inputs.whose.has(row) && row.state.is_none());
    if let Some(row) = unknown {
        return Err(format!("{} is in a state that is not in the state map of the connection", row.number));
    }
    if family.canonical.correlation_id != inputs.correlation_id {
        return Err(format!("{} is of another commit: its correlation id differs", family.canonical.number));
    }
    let rival = family.extras.iter().find(|row| row.approved_by_a_person());
    match rival {
        Some(rival) => Err(format!(
            "{} and {} were both approved for this deployment",
            family.canonical.number, rival.number
        )),
        None => Ok(family.canonical),
    }
}

/// Where the policy waits, people may overrule a rejection; elsewhere any rejection was the end.
fn rejection(
    row: &ChangeRow,
    state: ChangeState,
    highest: Option<ChangeState>,
    on_rejection: OnRejection,
) -> Option<String> {
    let number = &row.number;
    if state == ChangeState::Canceled {
        return Some(format!("{number} was canceled"));
    }
    if matches!(state, ChangeState::Review | ChangeState::Closed) {
        return None;
    }
    let by = match on_rejection {
        OnRejection::Reject => row.rejection(),
        OnRejection::Wait => row.standing_rejection(),
    };
    if let Some(approver) = by {
        return Some(format!("{} rejected {number}", approver.by));
    }
    if row.approval == Approval::Rejected {
        return Some(format!("{number} was rejected"));
    }
    let fell_back = state == ChangeState::New && highest > Some(ChangeState::New);
    fell_back.then(|| format!("{number} went back to New: it was rejected or taken back"))
}

/// Who approves should know of a conflict.
fn waiting(row: &ChangeRow, state: ChangeState, conflict: Option<&Conflicting>) -> String {
    let waits = match row.on_hold {
        true => format!("{} is on hold", row.number),
        false => format!("{} is in {state:?} and waits for approval", row.number),
    };
    match conflict {
        Some(Conflicting::Found(reason)) => format!("{waits}; {reason}"),
        Some(Conflicting::Unknown(_)) | None => waits,
    }
}

fn not_there(run: &RunReading, sha: &str, attempt: Option<u32>) -> Option<String> {
    run.another_than(sha, attempt).or_else(|| match run.phase {
        RunPhase::Waiting => None,
        phase => Some(format!("the run does not wait any more ({phase:?})")),
    })
}

/// `None`: no freeze stops it. Of those that do, the one that ends last is told.
fn frozen(row: &ChangeRow, inputs: ReleaseInputs<'_>) -> Option<Verdict> {
    let stopping = || inputs.freezes.iter().filter(|freeze| freeze.stops(row));
    stopping().next()?;
    if let Some(reason) = skewed(inputs, "freeze") {
        return Some(Verdict::Wait { reason, until: None });
    }
    let held = stopping().filter_map(|freeze| Some((freeze, freeze.holds(inputs.now)?)));
    // One that names no end outlasts all others.
    let (freeze, until) = held.max_by_key(|(_, until)| until.unwrap_or(DateTime::<Utc>::MAX_UTC))?;
    let reason = format!("{} is approved, but {}", row.number, freeze.told(until));
    Some(Verdict::Wait { reason, until })
}

/// Why times of people cannot be judged; `None`: they can.
fn skewed(inputs: ReleaseInputs<'_>, what: &str) -> Option<String> {
    let skew = inputs.reading.ok().and_then(|reading| reading.skew_seconds).unwrap_or(0);
    (skew.abs() > SKEW_SECONDS_MAX)
        .then(|| format!("our clock and the instance's differ by {skew} s: no {what} can be judged"))
}

/// `None`: inside the window.
fn in_window(row: &ChangeRow, inputs: ReleaseInputs<'_>) -> Option<Verdict> {
    let number = &row.number;
    let wait = |reason: String, until| Some(Verdict::Wait { reason, until });
    if inputs.terms.window == WindowRule::Required && (row.start.is_none() || row.end.is_none()) {
        return wait(format!("{number} has no planned start and end, which the policy requires"), None);
    }
    if row.start.is_none() && row.end.is_none() {
        return None;
    }
    if let Some(reason) = skewed(inputs, "window") {
        return wait(reason, None);
    }
    if let Some(start) = row.start.filter(|start| inputs.now < *start) {
        return wait(format!("{number} is approved; its window begins at {start}"), Some(start));
    }
    row.end
        .filter(|end| inputs.now > *end)
        .map(|end| Verdict::Reject { reason: format!("the window of {number} ended at {end}") })
}

fn permit(row: &ChangeRow, inputs: ReleaseInputs<'_>) -> Verdict {
    let (Some(_), Ok(reading)) = (inputs.run, inputs.reading) else { return Verdict::AskPlatform };
    let approved = row.approvers.iter().filter(|approver| approver.state == "approved");
    Verdict::Release(Permit {
        sys_id: row.sys_id.clone(),
        number: row.number.clone(),
        approvers: approved.map(|approver| approver.by.clone()).collect(),
        read_at: reading.at,
    })
}

/// After a release: what shows that the record does not permit it any more. `None`: it does, or
/// nothing can be said.
#[must_use]
pub fn withdrawn(reading: &Reading, whose: &dyn Whose, sys_id: &str) -> Option<String> {
    let row = reading.rows.iter().find(|row| whose.has(row) && row.sys_id == sys_id)?;
    let state = row.state?;
    let number = &row.number;
    match state {
        ChangeState::Review | ChangeState::Closed => None,
        ChangeState::Canceled => Some(format!("{number} was canceled after the release")),
        ChangeState::New | ChangeState::Assess | ChangeState::Authorize => {
            Some(format!("{number} went back to {state:?} after the release"))
        }
        ChangeState::Scheduled | ChangeState::Implement => {
            match (row.is_approved(), row.standing_rejection(), row.on_hold) {
                (_, Some(approver), _) => {
                    Some(format!("{} rejected {number} after the release", approver.by))
                }
                (true, None, false) => None,
                (true, None, true) => Some(format!("{number} was put on hold after the release")),
                _ => Some(format!("the approval of {number} was withdrawn after the release")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
