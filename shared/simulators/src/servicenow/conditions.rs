//! What a request must look like before it is worked on: its headers and the length of its address.

use axum::response::Response;
use http::{HeaderMap, Uri};

use super::answers;
use super::api::{ApiError, ApiRequest};
use super::world::World;

/// A path of this length is refused before it reaches the API, with a page.
const PATH_BYTES_MAX: usize = 8192;

/// The page for an address that is too long.
pub(super) fn too_long(world: &World, uri: &Uri) -> Option<Response> {
    let whole = uri.path_and_query().map_or(0, |whole| whole.as_str().len());
    let over = world.knobs.uri_bytes_max.is_some_and(|max| whole > max);
    (over || uri.path().len() > PATH_BYTES_MAX).then(|| answers::page(414, "Request-URI Too Long"))
}

/// `Accept` is needed everywhere and `Content-Type` with each body; instances let their absence pass.
pub(super) fn headers(world: &World, asked: &ApiRequest, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let strict = world.knobs.strict_headers;
    let of_files = asked.path.contains("/attachment");
    match header("accept") {
        None if strict => return Err(ApiError::header_missing("Accept")),
        Some(accept) if !of_files && !serves(accept) => return Err(ApiError::not_acceptable(accept)),
        _ => {}
    }
    let writes = matches!(asked.method.as_str(), "POST" | "PUT" | "PATCH") && !asked.body.is_empty();
    match asked.content_type.as_deref() {
        None if strict && writes => Err(ApiError::header_missing("Content-Type")),
        Some(given) if writes && !of_files && !given.contains("json") => {
            Err(ApiError::unsupported_media_type(given))
        }
        _ => Ok(()),
    }
}

fn serves(accept: &str) -> bool {
    accept.split(',').any(|one| {
        let kind = one.split(';').next().unwrap_or_default().trim();
        matches!(kind, "" | "*/*" | "application/*") || kind.contains("json")
    })
}
