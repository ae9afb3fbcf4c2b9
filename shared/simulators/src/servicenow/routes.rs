//! Which API answers a request.

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::world::World;
use super::{attachment_api, batch_api, change_api, devops_api, import_api, stats_api, table_api, tiny_api};

/// Answers a request that is known to be authentic.
pub(super) fn dispatch(world: &mut World, request: &ApiRequest) -> ApiResponse {
    let tiny = tiny_api::resolved(world, request);
    let request = tiny.as_ref().unwrap_or(request);
    let segments: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let answer = match unversioned(&segments).as_slice() {
        ["api", "now", "table", rest @ ..] => table_api::answer(world, request, rest),
        ["api", "now", "attachment", rest @ ..] => attachment_api::answer(world, request, rest),
        ["api", "now", "tinyurl"] => tiny_api::answer(world, request),
        ["api", "now", "batch"] => batch_api::answer(world, request),
        ["api", "now", "stats", table] => stats_api::answer(world, request, table),
        ["api", "now", "import", rest @ ..] => import_api::answer(world, request, rest),
        ["api", "sn_chg_rest", "change", rest @ ..] => change_api::answer(world, request, rest),
        ["api", "sn_devops", "devops", rest @ ..] => devops_api::answer(world, request, rest),
        _ => Err(ApiError::no_resource(&request.path)),
    };
    answer.unwrap_or_else(ApiResponse::from)
}

/// The newest version is served without one, and each version answers alike.
fn unversioned<'a>(segments: &[&'a str]) -> Vec<&'a str> {
    match segments {
        ["api", api, "v1" | "v2", rest @ ..] => {
            ["api", *api].into_iter().chain(rest.iter().copied()).collect()
        }
        other => other.to_vec(),
    }
}

/// Whether a path names the rows of a table and not one of them.
pub(super) fn is_table_list(path: &str) -> bool {
    path.split_once("/table/").is_some_and(|(_, rest)| !rest.trim_end_matches('/').contains('/'))
}
