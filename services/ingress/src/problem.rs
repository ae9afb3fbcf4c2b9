//! What a sender did wrong, or we cannot do now: one problem detail each (RFC 9457), and one counter.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use interlock_runtime::webhook::Unreadable;
use serde_json::json;

/// A sender that can wait comes back after so long.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a request is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is nothing at this address")]
    NotFound,
    #[error("this address takes POST only")]
    MethodNotAllowed,
    #[error("no connection of this name is configured")]
    UnknownConnection,
    #[error("the broker is not ready: nothing can be kept safe now")]
    NotReady,
    #[error("too many requests are in hand")]
    Busy,
    #[error("the content type must be application/json, without content encoding")]
    UnsupportedMediaType,
    #[error("the body exceeds {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive in time, or not whole")]
    Incomplete,
    #[error("the signature is missing or does not fit")]
    NotAuthentic,
    #[error("the connection's secret cannot be read: see our log")]
    NoSecret,
    #[error("{0}")]
    Unreadable(Unreadable),
    #[error("a queue that wants this is full")]
    Full { wait: Duration },
    #[error("the broker did not confirm in time and no spool took the events; sending again is safe")]
    NotConfirmed,
}

impl Problem {
    /// Its name, in `type` and as the counter's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::UnknownConnection => "unknown-connection",
            Self::NotReady => "not-ready",
            Self::Busy => "busy",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::TooLarge { .. } => "too-large",
            Self::Incomplete => "incomplete",
            Self::NotAuthentic => "not-authentic",
            Self::NoSecret => "no-secret",
            Self::Unreadable(_) => "unreadable",
            Self::Full { .. } => "full",
            Self::NotConfirmed => "not-confirmed",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::UnknownConnection => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::NotAuthentic => StatusCode::UNAUTHORIZED,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::NotReady | Self::Busy | Self::NoSecret | Self::Full { .. } | Self::NotConfirmed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Nobody comes before the door is open again.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Full { wait } => (*wait).max(RETRY_AFTER),
            _ => RETRY_AFTER,
        }
    }

    /// Counts it. `connection` must be one of ours: a sender's words would make labels without end.
    pub fn count(&self, connection: &str) {
        metrics::counter!(
            "interlock_ingress_problems_total",
            "problem" => self.name(), "connection" => connection.to_owned()
        )
        .increment(1);
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut body = json!({
            "type": format!("urn:interlock:problem:{}", self.name()),
            "title": self.name().replace('-', " "),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        if let Self::Unreadable(Unreadable { at, .. }) = &self {
            body["at"] = at.as_str().into();
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after().as_secs()));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 demands a challenge; ours is the signature of the connection's platform.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature"));
        }
        response
    }
}
