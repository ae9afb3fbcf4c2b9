//! Reads a request's raw body: of the right type, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;

/// GitHub itself gives up after ten seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// JSON, as it came.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next()).map(str::trim);
    let json = media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    // A signature is over what was sent: nothing is unpacked.
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    if json && plain { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

/// The length that the body may have: as announced, else the limit.
pub(crate) fn announced(headers: &HeaderMap, limit: usize) -> Result<usize, Problem> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else { return Ok(limit) };
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or(Problem::TooLarge { limit })
}

/// The whole body.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(TIMEOUT, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge { limit }),
        Ok(Err(_)) | Err(_) => Err(Problem::Incomplete),
    }
}
