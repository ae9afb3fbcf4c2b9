//! What can go wrong in the file, and what that means at the port.

use interlock_runtime::ports::broker::{BrokerError, PublishError};

/// Why a request was not carried out. Nothing of it is in the file then, except where a commit failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// A bound was reached.
    #[error("{what}: {reason}")]
    Refused { what: String, reason: String },
    /// The delivery is not, or no longer, in the hand of that session.
    #[error("the delivery is no longer in hand")]
    NotInHand,
    /// The broker was closed.
    #[error("the broker is closed")]
    Closed,
    /// SQLite could not: disk full, input or output.
    #[error("{0}")]
    Storage(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Storage(fault.to_string())
    }
}

impl Failure {
    pub(crate) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), reason: reason.into() }
    }

    /// A full disk is a refusal: the delivery stays in hand, and trying again is safe.
    pub(crate) fn at_publish(self) -> PublishError {
        match self {
            Self::Refused { what, reason } => PublishError::Refused { what, reason },
            Self::NotInHand | Self::Closed => PublishError::Gone(self.to_string()),
            Self::Storage(reason) => PublishError::Refused { what: "the file".to_owned(), reason },
        }
    }

    pub(crate) fn at_broker(self) -> BrokerError {
        match self {
            Self::Refused { .. } => BrokerError::Refused(self.to_string()),
            Self::NotInHand | Self::Closed | Self::Storage(_) => BrokerError::Unavailable(self.to_string()),
        }
    }
}
