//! The Table API (vendor page "Table API").

use http::header::{self, HeaderName};
use serde_json::Value;

use super::api::{ApiError, ApiRequest, ApiResponse};
use super::input::{self, Input};
use super::shapes::{self, Display, View};
use super::world::World;
use super::{approvals, changes, dictionary, records, select};

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
        ("DELETE", Some(sys_id)) => delete(world, request, table, sys_id),
        (method, _) => Err(ApiError::method_not_supported(method)),
    }
}

fn view(world: &World, request: &ApiRequest) -> View {
    let fields = request.parameter("sysparm_fields").map(|names| {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.take(FIELDS_MAX).map(str::to_owned).collect()
    });
    View {
        fields,
        display: Display::of(request.parameter("sysparm_display_value")),
        exclude_links: request.flag("sysparm_exclude_reference_link"),
        base_url: request.base_url.clone(),
        zone: world.asker(&request.actor).zone,
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
    let view = view(world, request);
    let page = rows.iter().skip(offset).take(limit);
    // The limit counts rows that the caller may then not see, so a page can be short while more follow.
    let seen = page.filter(|(_, row)| !request.rights.hides(row.get("sys_id")));
    let page: Vec<Value> = seen.map(|(_, row)| shapes::render(world, table, row, &view)).collect();
    let mut response = ApiResponse::result(200, Value::Array(page)).in_order(view.fields);
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
    let row = world.row(table, sys_id).filter(|_| !request.rights.hides(sys_id));
    let row = row.ok_or_else(ApiError::no_record)?;
    let view = view(world, request);
    let shown = shapes::render(world, table, row, &view);
    Ok(ApiResponse::result(status, shown).in_order(view.fields))
}

fn delete(
    world: &mut World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
) -> Result<ApiResponse, ApiError> {
    let class = world.class_of(table, sys_id);
    let gone = world.row(class, sys_id).filter(|_| !request.rights.hides(sys_id)).is_some();
    if !gone || world.delete(class, sys_id, &request.actor.user_name).is_none() {
        return Err(ApiError::no_record());
    }
    Ok(ApiResponse::no_content())
}

fn read(world: &World, request: &ApiRequest, table: &str) -> Result<Input, ApiError> {
    let zone = request.flag("sysparm_input_display_value").then(|| world.asker(&request.actor).zone);
    let mut input = input::read(world, table, &request.body, zone.as_ref())?;
    input.leave_out(&request.rights.unwritable);
    Ok(input)
}

fn insert(world: &mut World, request: &ApiRequest, table: &str) -> Result<ApiResponse, ApiError> {
    let input = read(world, request, table)?;
    let sys_id = match table {
        "change_request" => changes::create(world, input, None, &request.actor)?,
        // Approvals are made by the platform.
        "sysapproval_approver" if !request.actor.has_role("approval_admin") => {
            return Err(ApiError::acl("Insert"));
        }
        _ => records::insert(world, table, input, &request.actor)?,
    };
    let location = format!("{}/api/now/table/{table}/{sys_id}", request.base_url);
    let shown = show(world, request, table, &sys_id, 201)?;
    Ok(shown.with_header(header::LOCATION, location))
}

fn update(
    world: &mut World,
    request: &ApiRequest,
    table: &str,
    sys_id: &str,
) -> Result<ApiResponse, ApiError> {
    if world.row(table, sys_id).is_none() || request.rights.hides(sys_id) {
        return Err(ApiError::no_record());
    }
    // A row that is written through its parent's table is still of its own class.
    let class = world.class_of(table, sys_id);
    let input = read(world, request, class)?;
    let actor = &request.actor;
    match class {
        "change_request" => {
            changes::update(world, sys_id, input, actor)?;
        }
        "sysapproval_approver" => approvals::answer(world, sys_id, input.fields, actor)?,
        _ => records::update(world, class, sys_id, input, actor)?,
    }
    show(world, request, table, sys_id, 200)
}
