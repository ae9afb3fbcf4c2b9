//! A change record as the rules see it: what ServiceNow answered, in our terms.

use chrono::{DateTime, Utc};
use interlock_events::{CORRELATION_DISPLAY, ChangeRef, CorrelationId, KeyHash};
use serde::{Deserialize, Serialize};

use crate::conflict::ConflictCheck;
use crate::policy::ChangeType;

/// Stands in the close notes of every row that we canceled.
pub const CANCELED_MARK: &str = "[interlock:canceled]";
/// Stands in the note that tells of a withdrawn approval.
pub const WITHDRAWN_MARK: &str = "[interlock:withdrawn]";

/// State of a change, by the numbers of the state model (ServiceNow docs, "Change state model").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i32", try_from = "i32")]
pub enum ChangeState {
    /// -5
    New,
    /// -4
    Assess,
    /// -3
    Authorize,
    /// -2
    Scheduled,
    /// -1
    Implement,
    /// 0
    Review,
    /// 3
    Closed,
    /// 4
    Canceled,
}

impl ChangeState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Assess,
        Self::Authorize,
        Self::Scheduled,
        Self::Implement,
        Self::Review,
        Self::Closed,
        Self::Canceled,
    ];

    /// The state's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::New => -5,
            Self::Assess => -4,
            Self::Authorize => -3,
            Self::Scheduled => -2,
            Self::Implement => -1,
            Self::Review => 0,
            Self::Closed => 3,
            Self::Canceled => 4,
        }
    }

    /// The state of that number; `None` for a number that we do not know.
    #[must_use]
    pub fn of_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Neither closed nor canceled.
    #[must_use]
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Closed | Self::Canceled)
    }

    /// The platform lets it be canceled (ServiceNow docs: from New to Implement).
    #[must_use]
    pub fn can_be_canceled(self) -> bool {
        self <= Self::Implement
    }
}

impl From<ChangeState> for i32 {
    fn from(state: ChangeState) -> Self {
        state.number()
    }
}

impl TryFrom<i32> for ChangeState {
    type Error = String;

    fn try_from(number: i32) -> Result<Self, String> {
        Self::of_number(number).ok_or_else(|| format!("{number} is no state of a change"))
    }
}

/// The record's `approval` field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// `approved`
    Approved,
    /// `rejected`
    Rejected,
    /// `requested`
    Requested,
    /// `not requested`
    NotRequested,
    /// Anything else.
    Other(String),
}

/// One row of `sysapproval_approver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproverRow {
    /// The row's id.
    pub sys_id: String,
    /// Its state, as it stands (`approved`, `rejected`, `requested`, …).
    pub state: String,
    /// The approver, for people.
    pub by: String,
    /// The approver's `sys_id`.
    pub user: String,
    /// When the row last changed.
    pub at: Option<DateTime<Utc>>,
}

/// One change request, as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// The record's id.
    pub sys_id: String,
    /// The number that people use.
    pub number: String,
    /// Correlation id, as it stands.
    pub correlation_id: String,
    /// Correlation display, as it stands.
    pub correlation_display: String,
    /// Its type; `None` where it is none that we know.
    pub change_type: Option<ChangeType>,
    /// `sys_id` of the template that it was made from, where it was, and where that is shown.
    pub template: Option<String>,
    /// `sys_id` of the record that it is linked to, where it is, and where that is shown.
    pub parent: Option<String>,
    /// `sys_id` of its configuration item, where it has one, and where that is shown.
    pub cmdb_ci: Option<String>,
    /// Its last check for conflicts.
    pub conflict: ConflictCheck,
    /// Its state; `None` where the number is none that we know.
    pub state: Option<ChangeState>,
    /// The `approval` field.
    pub approval: Approval,
    /// The `on_hold` flag.
    pub on_hold: bool,
    /// Planned start.
    pub start: Option<DateTime<Utc>>,
    /// Planned end.
    pub end: Option<DateTime<Utc>>,
    /// `sys_created_on`.
    pub created: DateTime<Utc>,
    /// `sys_updated_on`.
    pub updated: DateTime<Utc>,
    /// `sys_mod_count`.
    pub mod_count: String,
    /// `close_notes`.
    pub close_notes: String,
    /// Its approver rows.
    pub approvers: Vec<ApproverRow>,
}

impl ChangeRow {
    /// The record is ours and of this key; a query alone proves nothing, since an instance
    /// ignores parts of a query that it does not understand.
    #[must_use]
    pub fn belongs_to(&self, key: &KeyHash) -> bool {
        self.correlation_display == CORRELATION_DISPLAY
            && CorrelationId::hash_in(&self.correlation_id).as_ref() == Some(key)
    }

    /// A person approved it: an approver row says so.
    #[must_use]
    pub fn approved_by_a_person(&self) -> bool {
        self.approvers.iter().any(|row| row.state == "approved")
    }

    /// A person rejected it: an approver row says so.
    #[must_use]
    pub fn rejection(&self) -> Option<&ApproverRow> {
        self.approvers.iter().find(|row| row.state == "rejected")
    }

    /// A person rejected it, and nobody has overruled that: the record is not approved and scheduled again by an
    /// approval that was given later. The rows of a first round may stand beside those of the second.
    #[must_use]
    pub fn standing_rejection(&self) -> Option<&ApproverRow> {
        let approvals = self.approvers.iter().filter(|row| row.state == "approved");
        let last = approvals.filter_map(|row| row.at).max();
        let approved = self.is_approved() && self.state >= Some(ChangeState::Scheduled);
        let overruled = |row: &ApproverRow| approved && row.at.is_some_and(|at| Some(at) < last);
        self.approvers.iter().find(|row| row.state == "rejected" && !overruled(row))
    }

    /// The record says that it is approved. A standard change is so by its template once it is Scheduled: some
    /// instances write that into `approval`, others leave it as it was. What is asked for is not given.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        if self.change_type != Some(ChangeType::Standard) {
            return self.approval == Approval::Approved;
        }
        let beforehand = match &self.approval {
            Approval::Approved | Approval::NotRequested => true,
            Approval::Other(other) => other == "not_required",
            Approval::Rejected | Approval::Requested => false,
        };
        beforehand && self.state >= Some(ChangeState::Scheduled)
    }

    /// When the last approval was given, by the record.
    #[must_use]
    pub fn approved_at(&self) -> Option<DateTime<Utc>> {
        if !self.is_approved() {
            return None;
        }
        let last = self.approvers.iter().filter(|row| row.state == "approved").filter_map(|row| row.at).max();
        last.or(Some(self.updated))
    }

    /// We canceled it, by our mark.
    #[must_use]
    pub fn canceled_by_us(&self) -> bool {
        self.state == Some(ChangeState::Canceled) && self.close_notes.contains(CANCELED_MARK)
    }

    /// Live, as far as we can tell: an unknown state counts as live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state.is_none_or(ChangeState::is_live)
    }

    /// As events name it.
    #[must_use]
    pub fn change_ref(&self, connection: &str) -> ChangeRef {
        ChangeRef { connection: connection.into(), number: self.number.clone(), sys_id: self.sys_id.clone() }
    }
}

/// The rows of one key, as read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// All rows of the key, the inactive ones too.
    pub rows: Vec<ChangeRow>,
    /// When it was read, by our clock. Who judges an age counts from the question: an answer may be as old.
    pub at: DateTime<Utc>,
    /// Seconds by which the instance's clock differs from ours; `None` where it did not say.
    pub skew_seconds: Option<i64>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::policy::tests::deployment;

    pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_768_209_302 + seconds, 0).unwrap()
    }

    pub(crate) fn row(number: &str, state: ChangeState) -> ChangeRow {
        let deployment = deployment();
        let approved = matches!(
            state,
            ChangeState::Scheduled | ChangeState::Implement | ChangeState::Review | ChangeState::Closed
        );
        ChangeRow {
            sys_id: format!("{number:0>32}"),
            number: number.into(),
            correlation_id: CorrelationId::new(&deployment.key, &deployment.sha, &deployment.project.name)
                .to_string(),
            correlation_display: CORRELATION_DISPLAY.into(),
            change_type: Some(ChangeType::Normal),
            template: None,
            parent: None,
            cmdb_ci: None,
            conflict: ConflictCheck::default(),
            state: Some(state),
            approval: if approved { Approval::Approved } else { Approval::Requested },
            on_hold: false,
            start: None,
            end: None,
            created: at(10),
            updated: at(20),
            mod_count: "1".into(),
            close_notes: String::new(),
            approvers: Vec::new(),
        }
    }

    pub(crate) fn approver(state: &str, seconds: i64) -> ApproverRow {
        ApproverRow {
            sys_id: "a".repeat(32),
            state: state.into(),
            by: "alice.approver".into(),
            user: "b".repeat(32),
            at: Some(at(seconds)),
        }
    }

    #[test]
    fn a_standard_change_is_approved_by_being_scheduled_unless_somebody_is_asked() {
        let standard = |state, approval| {
            ChangeRow { change_type: Some(ChangeType::Standard), approval, ..row("CHG1", state) }
                .is_approved()
        };
        let silent = || Approval::NotRequested;
        assert!(!standard(ChangeState::New, silent()));
        assert!(standard(ChangeState::Scheduled, silent()) && standard(ChangeState::Implement, silent()));
        assert!(standard(ChangeState::Scheduled, Approval::Other("not_required".into())));
        for other in [Approval::Requested, Approval::Rejected, Approval::Other("cancelled".into())] {
            assert!(!standard(ChangeState::Scheduled, other.clone()), "{other:?}");
        }
        let normal = ChangeRow { approval: silent(), ..row("CHG1", ChangeState::Scheduled) };
        assert!(!normal.is_approved(), "nobody approved it");
    }

    #[test]
    fn a_row_of_another_key_or_product_is_not_ours() {
        let key = deployment().key.hash();
        assert!(row("CHG1", ChangeState::New).belongs_to(&key));
        let foreign = ChangeRow { correlation_display: "Exalate".into(), ..row("CHG1", ChangeState::New) };
        assert!(!foreign.belongs_to(&key));
        let other = ChangeRow {
            correlation_id: "il1.aaaaaaaaaaaaaaaaaaaaaaaaaa.x".into(),
            ..row("CHG1", ChangeState::New)
        };
        assert!(!other.belongs_to(&key));
    }

    #[test]
    fn states_round_trip_by_number_and_unknown_numbers_are_none() {
        for state in ChangeState::ALL {
            assert_eq!(ChangeState::of_number(state.number()), Some(state));
        }
        for number in [-6, 1, 2, 5, 7, 100] {
            assert_eq!(ChangeState::of_number(number), None);
        }
    }
}
