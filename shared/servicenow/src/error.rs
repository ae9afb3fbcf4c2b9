//! What can go wrong with a call, and once: what that means for who made it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// A call to a ServiceNow instance failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ServiceNow {connection}: cannot {what}: {fault}")]
pub struct ServiceNowError {
    /// Name of the connection.
    pub connection: String,
    /// What was tried.
    pub what: What,
    /// What went wrong.
    pub fault: Fault,
}

/// What a failure means: the only place where this is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing was changed; trying again later may help.
    Transient,
    /// Nothing was changed; everybody leaves this instance alone for so long.
    Paused(Duration),
    /// Nothing was changed, and nothing will be until somebody acts.
    Permanent,
    /// The write may have been carried out: read back before anything else.
    UnknownOutcome,
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The instance does not know us.
    #[error("{0}")]
    NotAuthenticated(String),
    /// The instance says no: a rule, a policy, a missing right, no such record.
    #[error("{message} ({status})")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// What the instance says, and how to cure it.
        message: String,
    },
    /// It answered, but the record shows something else than was asked for.
    #[error("{0}")]
    NotTaken(String),
    /// Not sent: something about our own input is wrong.
    #[error("{0}")]
    Input(String),
    /// The record lacks what we need to know; an ACL hides it.
    #[error("{0}")]
    Hidden(String),
    /// The instance, or our budget of calls to it, wants a pause.
    #[error("{reason}, again in {} ms", .wait.as_millis())]
    Paused {
        /// How long.
        wait: Duration,
        /// Why.
        reason: String,
    },
    /// No answer of the REST API.
    #[error("{0}")]
    Unavailable(String),
    /// A write without a readable answer.
    #[error("{0}; it may have been carried out")]
    Unknown(String),
}

impl ServiceNowError {
    /// What it means.
    #[must_use]
    pub fn class(&self) -> Class {
        match &self.fault {
            Fault::NotAuthenticated(_)
            | Fault::Refused { .. }
            | Fault::NotTaken(_)
            | Fault::Input(_)
            | Fault::Hidden(_) => Class::Permanent,
            Fault::Paused { wait, .. } => Class::Paused(*wait),
            Fault::Unavailable(_) => Class::Transient,
            Fault::Unknown(_) => Class::UnknownOutcome,
        }
    }

    /// The instance does not take our credentials: no record is the cause.
    #[must_use]
    pub fn is_not_authenticated(&self) -> bool {
        matches!(self.fault, Fault::NotAuthenticated(_))
    }

    /// What was sent is wrong, whoever sends it again: it was not sendable, or the instance answered 400.
    #[must_use]
    pub fn is_of_our_input(&self) -> bool {
        matches!(&self.fault, Fault::Input(_))
            || matches!(&self.fault, Fault::Refused { status, .. } if *status == StatusCode::BAD_REQUEST)
    }

    /// As a metric label names it.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.class() {
            Class::Transient => "transient",
            Class::Paused(_) => "paused",
            Class::Permanent => "permanent",
            Class::UnknownOutcome => "unknown",
        }
    }
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The rows of one key.
    LookUp,
    /// Many rows by their ids.
    Poll,
    /// Open rows that are young.
    Sweep,
    /// Approver rows.
    Approvers,
    /// A new change.
    Create,
    /// A step to another state.
    Move,
    /// The end, with code and notes.
    Close,
    /// The other end.
    Cancel,
    /// A work note.
    Note,
    /// Other planned dates.
    Plan,
    /// A check for conflicts.
    Check,
    /// What it found.
    Conflicts,
    /// A configuration item.
    ReadItem,
    /// Its fields.
    UpdateItem,
    /// Work notes that stand.
    Journal,
    /// Files at a change.
    Attachments,
    /// A file of evidence.
    Attach,
    /// Where a change may go.
    NextStates,
    /// A group or configuration item by its name.
    Name,
    /// A sign of life.
    Probe,
}

/// Whether and how a repeat would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes nothing.
    Read,
    /// Changes a record that stands.
    Update,
    /// Makes a record; twice makes two.
    Create,
}

impl What {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Create | Self::Attach => Kind::Create,
            Self::Move
            | Self::Close
            | Self::Cancel
            | Self::Note
            | Self::Plan
            | Self::Check
            | Self::UpdateItem => Kind::Update,
            _ => Kind::Read,
        }
    }

    /// As a metric label names it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::LookUp => "look_up",
            Self::Poll => "poll",
            Self::Sweep => "sweep",
            Self::Approvers => "approvers",
            Self::Create => "create",
            Self::Move => "move",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Note => "note",
            Self::Plan => "plan",
            Self::Check => "check",
            Self::Conflicts => "conflicts",
            Self::ReadItem => "read_item",
            Self::UpdateItem => "update_item",
            Self::Journal => "journal",
            Self::Attachments => "attachments",
            Self::Attach => "attach",
            Self::NextStates => "next_states",
            Self::Name => "name",
            Self::Probe => "probe",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp => "look up the changes of a deployment",
            Self::Poll => "read changes",
            Self::Sweep => "read open changes",
            Self::Approvers => "read approvals",
            Self::Create => "create a change",
            Self::Move => "move a change",
            Self::Close => "close a change",
            Self::Cancel => "cancel a change",
            Self::Note => "write a work note",
            Self::Plan => "plan a change for other dates",
            Self::Check => "check a change for conflicts",
            Self::Conflicts => "read the conflicts of a change",
            Self::ReadItem => "read a configuration item",
            Self::UpdateItem => "update a configuration item",
            Self::Journal => "read work notes",
            Self::Attachments => "read the attachments of a change",
            Self::Attach => "attach a file to a change",
            Self::NextStates => "ask for the next states of a change",
            Self::Name => "resolve a name",
            Self::Probe => "reach the instance",
        })
    }
}
