//! The Table API (vendor page "Table API").

use http::header::{self, HeaderName};
use serde_json::Value;

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::input::{self, Input};
use super::shapes::{self, Display, View};
use super::world::World;
use super::{approvals, changes, dictionary, select};

const LIMIT_DEFAULT: usize = 10_000;
const FIELDS_MAX: usize = 500;
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Answers `/api/now[/v1|/v2]/table/{table}[/{sys_id}]`; `path` is what follows `table`.
pub(super) fn answer(
    world: &mut World,
    request: &ApiRequest,
    path: &[&str],
) -> Result<ApiResponse, ApiError> {
    let (table, sys_id) = match path {
        [table] => (*table, None),
        [table, sys_id] => (*table, Some(*sys_id)),
        _ => return Err(ApiError::no_resource(&request.path)),
    };
    if !dictionary::has_table(table) {
        return Err(ApiError::invalid_table(table));
    }
    match (request.method.as_str(), sys_id) {
        ("GET" | "HEAD", None) => list(world, request, table),
        ("GET" | "HEAD", Some(sys_id)) => show(world, request, table, sys_id, 200),
        ("POST", None) => insert(world, request, table),
        ("PATCH" | "PUT", Some(sys_id)) => update(world, request, table, sys_id),
        ("DELETE", Some(sys_id)) => world
            .delete(table, sys_id, &request.actor.user_name)
            .map(|_| ApiResponse::no_content())
            .ok_or_else(ApiError::no_record),
        (method, _) => Err(ApiError::method_not_supported(method)),
    }
}

fn view(request: &ApiRequest) -> View {
    let fields = request.parameter("sysparm_fields").map(|names| {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.take(FIELDS_MAX).map(str::to_owned).collect()
    });
    View {
        fields,
        display: Display::of(request.parameter("sysparm_display_value")),
        exclude_links: request.flag("sysparm_exclude_reference_link"),
        base_url: request.base_url.clone(),
    }
}

fn number(request: &ApiRequest, name: &str, default: usize) -> usize {
    let given = request.parameter(name).and_then(|value| value.parse().ok());
    given.unwrap_or(default)
}

fn list(world: &World, request: &ApiRequest, table: &str) -> Result<ApiResponse, ApiError> {
    let rows = select::select(world, table, request)?;
    let v1 = request.path.starts_with("/api/now/v1/");
    if rows.is_empty() && v1 && world.knobs.empty_list_v1_404 {
        return Err(ApiError::no_record());
    }
    let limit = number(request, "sysparm_limit", LIMIT_DEFAULT).min(LIMIT_DEFAULT);
    let offset = number(request, "sysparm_offset", 0);
    let view = view(request);
    let page: Vec<Value> =
        rows.iter().skip(offset).take(limit).map(|(of, row)| shapes::render(world, of, row, &view)).collect();
    let mut response = ApiResponse::result(200, Value::Array(page));
    if !request.flag("sysparm_no_count") {
        response = response.with_header(TOTAL_COUNT, rows.len().to_string());
    }
    if !request.flag("sysparm_suppress_pagination_header") {
        let links = links(request, limit, offset, rows.len());
        response = response.with_header(header::LINK, links);
    }
    Ok(response)
}

/// `first`, and where they exist `prev`, `next` and `last`.
fn links(request: &ApiRequest, limit: usize, offset: usize, total: usize) -> String {
    let step = limit.max(1);
    let last = total.saturating_sub(1) / step * step;
    let mut targets = vec![(0, "first")];
    if offset > 0 {
        targets.push((offset.saturating_sub(step), "prev"));
    }
    if offset + step < total {
        targets.push((offset + step, "next"));
    }
    targets.push((last, "last"));
    let links: Vec<_> =
        targets.into_iter().map(|(at, rel)| format!("<{}>;rel=\"{rel}\"", page_url(request, at))).collect();
    links.join(",")
}

fn page_url(request: &ApiRequest, offset: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &request.query {
        if name != "sysparm_offset" {
            query.append_pair(name, value);
        }
    }
    query.append_pair("sysparm_offset", &offset.to_string());
    format!("{}{}?{}", request.base_url, request.path, query.finish())
}

fn show(
    world: &World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
    status: u16,
) -> Result<ApiResponse, ApiError> {
    let row = world.row(table, sys_id).ok_or_else(ApiError::no_record)?;
    let shown = shapes::render(world, table, row, &view(request));
    Ok(ApiResponse::result(status, shown))
}

fn read(world: &World, request: &ApiRequest, table: &str) -> Result<Input, ApiError> {
    let display_values = request.flag("sysparm_input_display_value");
    input::read(world, table, &request.body, display_values)
}

fn insert(world: &mut World, request: &ApiRequest, table: &str) -> Result<ApiResponse, ApiError> {
    let input = read(world, request, table)?;
    let sys_id = match table {
        "change_request" => changes::create(world, input, None, &request.actor)?,
        // Journal entries and approvals are made by the platform.
        "sysapproval_approver" if !request.actor.has_role("approval_admin") => {
            return Err(ApiError::acl("Insert"));
        }
        _ => plain_insert(world, table, input, &request.actor.user_name)?,
    };
    let location = format!("{}/api/now/table/{table}/{sys_id}", request.base_url);
    let shown = show(world, request, table, &sys_id, 201)?;
    Ok(shown.with_header(header::LOCATION, location))
}

fn plain_insert(world: &mut World, table: &str, input: Input, actor: &str) -> Result<String, ApiError> {
    let mut record = input.fields;
    if let Some(sys_id) = input.sys_id.filter(|_| world.knobs.honour_chosen_sys_id) {
        record.set("sys_id", &sys_id);
    }
    world.add(table, record, actor)
}

fn update(
    world: &mut World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
) -> Result<ApiResponse, ApiError> {
    let input = read(world, request, table)?;
    let actor = &request.actor;
    match table {
        "change_request" => {
            changes::update(world, sys_id, input, actor)?;
        }
        "sysapproval_approver" => approvals::answer(world, sys_id, input.fields, actor)?,
        _ => {
            world.save(table, sys_id, input.fields, &actor.user_name);
        }
    }
    show(world, request, table, sys_id, 200)
}
