//! What a platform's answer means for the caller, classified once.

use std::time::Duration;

/// A call to a platform that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The platform does not know the run, or our App is not installed any more.
    #[error("the run is gone at the platform, or hidden from us")]
    Gone,
    /// It was decided already, or does not wait: read, then conclude.
    #[error("the gate was decided already, or the run does not wait")]
    Settled,
    /// The platform limits our calls; nothing was done.
    #[error("the platform limits our calls for {} s", .0.as_secs())]
    Paused(Duration),
    /// Nothing was done, and the same call may succeed later.
    #[error("{0}")]
    Transient(String),
    /// A write may have been carried out: read before anything else.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// It will not succeed by itself: credentials, permissions, configuration. Says the cure.
    #[error("{0}")]
    Refused(String),
}

impl PlatformError {
    /// Coming again can help without anybody's doing.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Paused(_) | Self::Transient(_) | Self::Unknown(_))
    }
}
