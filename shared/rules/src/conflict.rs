//! Conflicts with other changes: the instance looks for them, and its record says what came of it. What was not looked
//! for, or for other dates, is never "no conflict".

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{ChangeRow, ChangeState};

/// A check that has not ended by then is started again; each time it is waited for longer.
const RESULT_WITHIN: TimeDelta = TimeDelta::minutes(2);
/// While a conflict stands it is looked for again so often: people move or cancel the other change.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(10);
/// How long the instance may take to plan a change for a free slot.
const SLOT_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// So often at most a change is moved to another slot.
pub const MOVES_MAX: u8 = 3;
/// A computed slot begins so long after what it makes way for.
const GAP: TimeDelta = TimeDelta::minutes(1);

/// What a conflict with another change, a blackout or a maintenance window means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictRule {
    /// Nothing; none is looked for.
    #[default]
    Ignore,
    /// The gate waits until a check shows none any more.
    Wait,
    /// The gate is rejected at once.
    Reject,
    /// The change is moved to the next free slot, and checked again.
    NextSlot,
}

/// The record's `conflict_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStatus {
    /// `Not Run`
    NotRun,
    /// `No Conflict`
    Free,
    /// `Conflict`
    Conflict,
    /// Anything else; empty where the field is not shown to us.
    Other(String),
}

impl ConflictStatus {
    /// The status of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "Not Run" => Self::NotRun,
            "No Conflict" => Self::Free,
            "Conflict" => Self::Conflict,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// What a record says of its last check for conflicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCheck {
    /// What came of it.
    pub status: ConflictStatus,
    /// `conflict_last_run`
    pub last_run: Option<DateTime<Utc>>,
}

impl Default for ConflictCheck {
    fn default() -> Self {
        Self { status: ConflictStatus::Other(String::new()), last_run: None }
    }
}

/// What a check looks at: another item or other dates, and it says nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The change.
    pub sys_id: String,
    /// Its configuration item.
    pub cmdb_ci: String,
    /// Planned start.
    pub start: DateTime<Utc>,
    /// Planned end.
    pub end: DateTime<Utc>,
}

impl Plan {
    /// The plan of a change; else what it lacks (ServiceNow docs, "Detect conflicts manually": a check needs all three).
    ///
    /// # Errors
    /// The name of the field, for people.
    pub fn of(row: &ChangeRow) -> Result<Self, &'static str> {
        Ok(Self {
            sys_id: row.sys_id.clone(),
            cmdb_ci: row.cmdb_ci.clone().ok_or("a configuration item")?,
            start: row.start.ok_or("a planned start")?,
            end: row.end.ok_or("a planned end")?,
        })
    }
}

/// A check as it was first seen: instances differ in whether other dates take its result back, so who judges must know
/// of which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The change.
    pub sys_id: String,
    /// When it ran.
    pub at: DateTime<Utc>,
    /// Of what; nothing, where the change lacked an item or a date.
    pub of: Option<Plan>,
    /// Numbers of the changes that it found in conflict, where the instance shows them, once they were read.
    pub with: Option<Vec<String>>,
}

impl Checked {
    /// What is known of the record's last check, by what was known before.
    #[must_use]
    pub fn seen(known: Option<Self>, row: &ChangeRow) -> Option<Self> {
        let at = row.conflict.last_run?;
        let is_known = |known: &Self| known.at == at && known.sys_id == row.sys_id;
        let seen = || Self { sys_id: row.sys_id.clone(), at, of: Plan::of(row).ok(), with: None };
        Some(known.filter(is_known).unwrap_or_else(seen))
    }

    fn is_of(&self, row: &ChangeRow) -> bool {
        let plan = Plan::of(row).ok();
        plan.is_some() && plan == self.of && row.conflict.last_run == Some(self.at)
    }
}

/// What keeps a change from being free of conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflicting {
    /// It is not known whether there is one.
    Unknown(String),
    /// There is one.
    Found(String),
}

/// `None`: there is no conflict, by a check of this very plan, or the policy does not ask.
pub(crate) fn conflicting(
    row: &ChangeRow,
    rule: ConflictRule,
    checked: Option<&Checked>,
) -> Option<Conflicting> {
    let number = &row.number;
    if rule == ConflictRule::Ignore {
        return None;
    }
    let unknown = |text: String| Some(Conflicting::Unknown(text));
    if let Err(lacks) = Plan::of(row) {
        return unknown(format!("{number} cannot be checked for conflicts: it has not got {lacks}"));
    }
    match &row.conflict.status {
        ConflictStatus::NotRun => return unknown(format!("{number} has not been checked for conflicts yet")),
        ConflictStatus::Other(word) if word.is_empty() => {
            return unknown(format!(
                "the check of {number} for conflicts is not shown: let us read conflict_status"
            ));
        }
        ConflictStatus::Other(word) => {
            return unknown(format!(
                "the check of {number} for conflicts came to `{word}`, which we do not know"
            ));
        }
        ConflictStatus::Free | ConflictStatus::Conflict => {}
    }
    let Some(checked) = checked.filter(|checked| checked.is_of(row)) else {
        return unknown(format!("{number} was checked for conflicts at other dates than it has now"));
    };
    (row.conflict.status == ConflictStatus::Conflict).then(|| Conflicting::Found(found(number, checked)))
}

fn found(number: &str, checked: &Checked) -> String {
    match checked.with.as_deref() {
        Some(with) if !with.is_empty() => format!("{number} conflicts with {}", with.join(", ")),
        _ => format!("{number} is in conflict by ServiceNow's check; its record shows with what"),
    }
}

/// A check that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAsked {
    /// Of what.
    pub of: Plan,
    /// When.
    pub at: DateTime<Utc>,
    /// The last run that the record showed then: a later one is the answer.
    pub before: Option<DateTime<Utc>>,
    /// How often it was asked for this plan without an answer.
    pub times: u8,
    /// How often the change was moved.
    pub moves: u8,
    /// When the instance was asked to plan the change for a free slot.
    pub slot_asked: Option<DateTime<Utc>>,
}

impl CheckAsked {
    /// Asked for now, after what was asked for before.
    #[must_use]
    pub fn now(of: Plan, row: &ChangeRow, known: Option<&Self>, now: DateTime<Utc>) -> Self {
        let again = known.filter(|known| known.of == of && !known.is_answered(row));
        let moves = known.filter(|known| known.of.sys_id == of.sys_id).map_or(0, |known| known.moves);
        let times = again.map_or(1, |known| known.times.saturating_add(1));
        Self { of, at: now, before: row.conflict.last_run, times, moves, slot_asked: None }
    }

    fn is_answered(&self, row: &ChangeRow) -> bool {
        let ran = row.conflict.last_run.is_some() && row.conflict.last_run != self.before;
        ran && row.conflict.status != ConflictStatus::NotRun
    }
}

/// What is to be done about conflicts of a change that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckStep {
    /// Nothing.
    Rest,
    /// Nothing yet: the conflict stands, and is looked for again later.
    Stands,
    /// Start a check.
    Start(Plan),
    /// Wait for what the instance does.
    Await,
    /// Let the instance plan the change for the next free slot.
    AskSlot,
    /// It has not: plan it ourselves.
    TakeSlot,
}

/// The next step of looking for conflicts of `row`, which a gate waits for.
#[must_use]
pub fn next_check(
    rule: ConflictRule,
    row: &ChangeRow,
    asked: Option<&CheckAsked>,
    now: DateTime<Utc>,
) -> CheckStep {
    // What was released is not moved any more.
    let waits = row.state.is_some_and(|state| state <= ChangeState::Scheduled);
    let Some(plan) = Plan::of(row).ok().filter(|_| waits && rule != ConflictRule::Ignore) else {
        return CheckStep::Rest;
    };
    let Some(asked) = asked.filter(|asked| asked.of == plan) else { return CheckStep::Start(plan) };
    if let Some(at) = asked.slot_asked {
        return if now - at < SLOT_WITHIN { CheckStep::Await } else { CheckStep::TakeSlot };
    }
    let age = now - asked.at;
    if !asked.is_answered(row) {
        let patience = (RESULT_WITHIN * i32::from(asked.times)).min(AGAIN_AFTER);
        return if age < patience { CheckStep::Await } else { CheckStep::Start(plan) };
    }
    match (&row.conflict.status, rule) {
        (ConflictStatus::Free, _) | (ConflictStatus::Conflict, ConflictRule::Reject) => CheckStep::Rest,
        (ConflictStatus::Conflict, ConflictRule::NextSlot) if asked.moves < MOVES_MAX => CheckStep::AskSlot,
        _ if age >= AGAIN_AFTER => CheckStep::Start(plan),
        _ => CheckStep::Stands,
    }
}

/// The first time from the planned start on, and not before `now`, in which nothing else is planned, as long as the
/// change is planned for. `None` where nothing else is in its way: no slot of ours would be better.
#[must_use]
pub fn next_free(
    plan: &Plan,
    others: &[(DateTime<Utc>, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let length = plan.end - plan.start;
    let mut start = plan.start.max(now);
    let mut others = others.to_vec();
    others.sort_unstable();
    let mut moved = false;
    for (from, until) in others {
        // Whoever ends when another begins is counted as in its way too.
        if from <= start + length && until >= start {
            (start, moved) = (until + GAP, true);
        }
    }
    moved.then_some((start, start + length))
}

#[cfg(test)]
mod tests;
