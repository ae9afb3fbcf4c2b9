//! Short names for long queries: `POST /api/now/tinyurl`, then `sysparm_tiny` instead of the query.

use serde_json::json;

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::input;
use super::record::Record;
use super::world::World;

const TABLE: &str = "sys_tiny_url";

/// Keeps an address and gives its short name.
pub(super) fn answer(world: &mut World, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    if request.method != "POST" {
        return Err(ApiError::method_not_supported(&request.method));
    }
    let body = input::object(&request.body)?;
    let url = body.get("url").map(input::text).ok_or_else(|| ApiError::bad_request("Missing url"))?;
    let page = url.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    let sys_id = world.add(TABLE, Record::of(&[("url", &url)]), &request.actor.user_name)?;
    Ok(ApiResponse::result(201, json!(format!("{page}?sysparm_tiny={sys_id}"))))
}

/// The request with the parameters of the address that its `sysparm_tiny` stands for.
pub(super) fn resolved(world: &World, request: &ApiRequest) -> Option<ApiRequest> {
    let url = world.row(TABLE, request.parameter("sysparm_tiny")?)?.get("url");
    let (_, query) = url.split_once('?')?;
    let mut request = request.clone();
    request.query.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    Some(request)
}
