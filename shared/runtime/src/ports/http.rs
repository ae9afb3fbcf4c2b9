//! HTTP to the outside: one port, so that a simulator can be called in process on the same wire format.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

/// Sends one request and reads the whole answer.
///
/// Implementations follow no redirects, bound the answer's size and never retry: who sends knows
/// whether a repeat is safe.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends `request`, connect included, before `deadline` and with its answer read before it.
    ///
    /// # Errors
    /// [`HttpError`] tells whether the far side can have seen the request.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Instant,
    ) -> Result<http::Response<Bytes>, HttpError>;
}

/// No answer, or none that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request did not leave: no connection, or the deadline was over before it began.
    #[error("not sent to {host}: {reason}")]
    NotSent {
        /// Host and port that were called.
        host: String,
        /// What failed.
        reason: String,
    },
    /// The request may have been carried out; its answer did not come.
    #[error("no answer from {host}: {reason}")]
    Unknown {
        /// Host and port that were called.
        host: String,
        /// What failed.
        reason: String,
    },
    /// The answer is larger than we read. It was carried out, but we do not know what it says.
    #[error("answer of {host} exceeds {limit} bytes")]
    TooLarge {
        /// Host and port that were called.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
}
