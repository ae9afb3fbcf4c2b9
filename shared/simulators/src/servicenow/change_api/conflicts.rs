//! `/{change}/conflict`: a job looks for other open changes of the same CI whose planned times overlap, and for
//! blackouts. What it found stands in the record, and in the job.

use serde_json::{Value, json};

use super::TABLE;
use super::plans::WORKERS;
use crate::servicenow::api::{ApiError, ApiRequest, ApiResponse};
use crate::servicenow::record::Record;
use crate::servicenow::states;
use crate::servicenow::world::{Later, World, wire_time};

const KIND: &str = "conflict_check";
const DONE: &str = "Complete";

pub(super) fn answer(world: &mut World, request: &ApiRequest, change: &str) -> Result<ApiResponse, ApiError> {
    let row = world.row(TABLE, change).ok_or_else(ApiError::no_record)?;
    match request.method.as_str() {
        "GET" => Ok(ApiResponse::result(200, told(world, row))),
        "POST" => {
            let job = start(world, change, &request.actor.user_name)?;
            Ok(ApiResponse::result(200, json!(job)))
        }
        "DELETE" => {
            let last = told(world, row);
            while let Some(job) = job_of(world, change).map(|job| job.get("sys_id").to_owned()) {
                world.delete(WORKERS, &job, &request.actor.user_name);
            }
            note(world, change, "Not Run");
            Ok(ApiResponse::result(200, last))
        }
        method => Err(ApiError::method_not_supported(method)),
    }
}

/// Starts a job; its sys_id.
pub(in crate::servicenow) fn start(world: &mut World, change: &str, by: &str) -> Result<String, ApiError> {
    let job = Record::of(&[("type", KIND), ("change", change), ("state", "Running")]);
    let job = world.add(WORKERS, job, by)?;
    match world.knobs.conflict_check_ms {
        0 => run(world, &job),
        after => world.later(after, Later::CheckConflicts { job: job.clone() }),
    }
    Ok(job)
}

/// Ends a job, unless it was canceled.
pub(in crate::servicenow) fn run(world: &mut World, job: &str) {
    let Some(change) = world.row(WORKERS, job).map(|job| job.get("change").to_owned()) else { return };
    let Some(row) = world.row(TABLE, &change) else { return };
    let (others, blackouts) = found(world, row);
    let status = if others.is_empty() && blackouts == 0 { "No Conflict" } else { "Conflict" };
    let done = [("state", DONE), ("others", &*others.join(",")), ("blackouts", &*blackouts.to_string())];
    world.save(WORKERS, job, Record::of(&done), "system");
    note(world, &change, status);
}

/// Whether another CI or other dates take the result back is for the instance's own rules.
pub(in crate::servicenow) fn reset(world: &World, before: &Record, changes: &mut Record) {
    let planned = ["cmdb_ci", "start_date", "end_date"];
    let moved = planned.iter().any(|field| changes.has(field) && changes.get(field) != before.get(field));
    if moved && world.knobs.other_dates_reset_conflicts {
        changes.set("conflict_status", "Not Run");
        changes.set("conflict_last_run", "");
    }
}

fn job_of<'a>(world: &'a World, change: &str) -> Option<&'a Record> {
    let jobs = world.rows(WORKERS).map(|(_, job)| job);
    jobs.filter(|job| job.get("type") == KIND && job.get("change") == change).last()
}

fn told(world: &World, row: &Record) -> Value {
    let job = job_of(world, row.get("sys_id"));
    let field = |name: &str| job.map(|job| job.get(name).to_owned()).unwrap_or_default();
    let others = field("others");
    let others = others.split(',').filter(|number| !number.is_empty());
    let mut shown: Vec<Value> =
        others.map(|number| json!({ "type": "ci_in_use", "conflicting_change": number })).collect();
    for _ in 0..field("blackouts").parse().unwrap_or(0) {
        shown.push(json!({ "type": "blackout", "conflicting_change": "" }));
    }
    let count = shown.len();
    json!({
        "status": row.get("conflict_status"),
        "last_run": row.get("conflict_last_run"),
        "record_count": count,
        "job_status": job.map_or("Not Run", |job| job.get("state")),
        "conflicts": if world.knobs.conflicts_listed { shown } else { Vec::new() },
    })
}

fn note(world: &mut World, change: &str, status: &str) {
    let at = if status == "Not Run" { String::new() } else { wire_time(world.now) };
    let fields = Record::of(&[("conflict_status", status), ("conflict_last_run", &at)]);
    world.save(TABLE, change, fields, "system");
}

/// Numbers of the changes, and how many blackouts.
fn found(world: &World, row: &Record) -> (Vec<String>, usize) {
    let Some(own) = window(row) else { return (Vec::new(), 0) };
    let overlaps = |other: (&str, &str)| own.0 < other.1 && other.0 < own.1;
    let others = others(world, row).filter(|other| window(other).is_some_and(overlaps));
    let blackouts = world.knobs.blackouts.iter().filter(|(from, until)| overlaps((from, until)));
    (others.map(|other| other.get("number").to_owned()).collect(), blackouts.count())
}

fn others<'a>(world: &'a World, row: &'a Record) -> impl Iterator<Item = &'a Record> {
    let rows = world.rows(TABLE).map(|(_, other)| other);
    rows.filter(|other| other.get("sys_id") != row.get("sys_id") && !states::is_final(other.get("state")))
        .filter(|other| !row.get("cmdb_ci").is_empty() && other.get("cmdb_ci") == row.get("cmdb_ci"))
}

/// When anything else is planned that a change would be in conflict with.
pub(super) fn taken(world: &World, row: &Record) -> Vec<(String, String)> {
    let others = others(world, row).filter_map(window);
    let others = others.map(|(from, until)| (from.to_owned(), until.to_owned()));
    others.chain(world.knobs.blackouts.iter().cloned()).collect()
}

/// Planned start and end; stored date-times sort as text.
pub(super) fn window(row: &Record) -> Option<(&str, &str)> {
    let window = (row.get("start_date"), row.get("end_date"));
    (!window.0.is_empty() && !window.1.is_empty()).then_some(window)
}
