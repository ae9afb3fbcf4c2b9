//! Creating and moving changes: defaults, the state model, and what the platform does on each move.

use super::api::{Actor, ApiError};
use super::input::Input;
use super::options::InitialStatePolicy;
use super::record::Record;
use super::seed::MODELS;
use super::states::{self, ASSESS, AUTHORIZE, CANCELED, IMPLEMENT, NEW, REVIEW, SCHEDULED};
use super::world::{World, wire_time};
use super::{approvals, change_api, change_tasks, policies, templates};

/// Fields that only the platform sets: a caller's value is left out without a word.
const COMPUTED: [&str; 4] = ["number", "approval", "active", "task_effective_number"];

/// Creates a change of a type, or of the type that the input names.
pub(super) fn create(
    world: &mut World,
    input: Input,
    change_type: Option<&str>,
    actor: &Actor,
) -> Result<String, ApiError> {
    create_noting(world, input, change_type, actor).map(|(sys_id, _)| sys_id)
}

/// As `create`, with the fields that were left out.
pub(super) fn create_noting(
    world: &mut World,
    mut input: Input,
    change_type: Option<&str>,
    actor: &Actor,
) -> Result<(String, Vec<String>), ApiError> {
    drop_computed(&mut input, actor);
    let version = input.fields.get("std_change_producer_version").to_owned();
    let template = templates::of_version(world, &version).cloned();
    if let Some(template) = &template {
        templates::apply(template, &mut input);
    }
    let change_type = change_type.or_else(|| template.is_some().then_some("standard"));
    let mut record = input.fields;
    let state = initial_state(world.knobs.initial_state_policy, record.get("state"))?;
    record.set("state", &state);
    choose_model(world, &mut record, change_type);
    if let Some(sys_id) = input.sys_id.filter(|_| world.knobs.honour_chosen_sys_id) {
        record.set("sys_id", &sys_id);
    }
    defaults(world, &mut record, actor);
    let impact = record.get("impact").to_owned();
    calculate_risk(world, &impact, &mut record);
    policies::check(world, "change_request", None, &record)?;
    let sys_id = world.add("change_request", record, &actor.user_name)?;
    entered(world, &sys_id, NEW, &state);
    Ok((sys_id, input.ignored))
}

/// The risk that follows from an impact.
pub(super) fn risk_of(impact: &str) -> Option<&'static str> {
    match impact {
        "1" => Some("2"),
        "2" => Some("3"),
        "3" => Some("4"),
        _ => None,
    }
}

/// With the calculation as a business rule, what the caller says of the risk is overwritten.
fn calculate_risk(world: &World, impact: &str, changes: &mut Record) {
    if let Some(risk) = risk_of(impact).filter(|_| world.knobs.risk_by_business_rule) {
        changes.set("risk", risk);
    }
}

/// Type and model go together. A model is named by its sys_id or by the type that it makes.
fn choose_model(world: &World, record: &mut Record, change_type: Option<&str>) {
    let model = record.get("chg_model");
    let kind_of = |kind: &str| MODELS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(kind));
    let named = MODELS.iter().find(|(.., sys_id)| *sys_id == model).or_else(|| kind_of(model));
    let kind = match (change_type, named) {
        (Some(kind), _) => kind,
        (None, Some((kind, ..))) => *kind,
        (None, None) if record.get("type").is_empty() => "normal",
        (None, None) => record.get("type"),
    }
    .to_owned();
    record.set("type", &kind);
    let known = kind_of(&kind).filter(|_| world.knobs.model_driven);
    record.set("chg_model", known.map_or("", |(.., sys_id)| sys_id));
}

/// Applies an update as the state model allows it.
pub(super) fn update(
    world: &mut World,
    sys_id: &str,
    mut input: Input,
    actor: &Actor,
) -> Result<Vec<String>, ApiError> {
    drop_computed(&mut input, actor);
    let before = world.row("change_request", sys_id).ok_or_else(ApiError::no_record)?.clone();
    states::check(&before, &input.fields)?;
    let (from, to) = (before.get("state"), after(&before, &input.fields, "state"));
    refuse_late_notes(world, &before, &input.fields)?;
    let mut changes = input.fields;
    effects_of_move(world, from, &to, &before, actor, &mut changes);
    refuse_open_tasks(world, sys_id, &to)?;
    calculate_risk(world, &after(&before, &changes, "impact"), &mut changes);
    policies::check(world, "change_request", Some(&before), &changes)?;
    change_api::reset_conflicts(world, &before, &mut changes);
    let hold = after(&before, &changes, "on_hold");
    let reason = after(&before, &changes, "on_hold_reason");
    world.save("change_request", sys_id, changes, &actor.user_name);
    if before.get("on_hold") != hold {
        approvals::hold(world, sys_id, hold == "true");
        change_tasks::hold(world, sys_id, hold == "true", &reason);
    }
    entered(world, sys_id, from, &to);
    Ok(input.ignored)
}

/// A change closes only when all its tasks are over.
fn refuse_open_tasks(world: &World, sys_id: &str, to: &str) -> Result<(), ApiError> {
    if to == states::CLOSED && change_tasks::any_active(world, sys_id) {
        return Err(ApiError::aborted_by_rule(
            "change_request",
            "Change Model: Check Active Change Tasks",
            "b7a2c1302f6d4110b5f0d8b7f699b6dd",
        ));
    }
    Ok(())
}

fn after(before: &Record, changes: &Record, field: &str) -> String {
    let from = if changes.has(field) { changes } else { before };
    from.get(field).to_owned()
}

fn drop_computed(input: &mut Input, actor: &Actor) {
    for field in COMPUTED {
        if input.fields.has(field) && !actor.has_role("admin") {
            input.fields.remove(field);
            input.ignored.push(field.to_owned());
        }
    }
}

fn initial_state(policy: InitialStatePolicy, asked: &str) -> Result<String, ApiError> {
    let new = asked.is_empty() || asked == NEW;
    match policy {
        _ if new => Ok(NEW.to_owned()),
        InitialStatePolicy::ForceNew => Ok(NEW.to_owned()),
        InitialStatePolicy::AllowOpen if [ASSESS, AUTHORIZE, SCHEDULED, IMPLEMENT].contains(&asked) => {
            Ok(asked.to_owned())
        }
        _ => Err(ApiError::illegal_transition()),
    }
}

fn refuse_late_notes(world: &World, before: &Record, input: &Record) -> Result<(), ApiError> {
    let over = states::is_final(before.get("state"));
    if over && world.knobs.closed_refuses_notes && !input.get("work_notes").is_empty() {
        return Err(ApiError::aborted_by_rule(
            "change_request",
            "Closed changes take no notes",
            "c1d4f00a2f6d4110b5f0d8b7f699b6cc",
        ));
    }
    Ok(())
}

fn defaults(world: &mut World, record: &mut Record, actor: &Actor) {
    let now = wire_time(world.now);
    if record.get("number").is_empty()
        && let Some(number) = world.next_number("change_request")
    {
        record.set("number", &number);
    }
    let number = record.get("number").to_owned();
    for (field, value) in [
        ("type", "normal"),
        ("approval", "not requested"),
        ("phase", "requested"),
        ("phase_state", "open"),
        ("impact", "3"),
        ("urgency", "3"),
        ("priority", "4"),
        ("scope", "3"),
        ("risk", "3"),
        ("escalation", "0"),
        ("reassignment_count", "0"),
        ("active", "true"),
        ("knowledge", "false"),
        ("is_bulk", "false"),
        ("made_sla", "true"),
        ("on_hold", "false"),
        ("production_system", "false"),
        ("cab_required", "false"),
        ("outside_maintenance_schedule", "false"),
        ("unauthorized", "false"),
        ("conflict_status", "Not Run"),
        ("upon_approval", "proceed"),
        ("upon_reject", "cancel"),
        ("contact_type", "phone"),
        ("category", "Other"),
        ("opened_at", &now),
        ("opened_by", &actor.sys_id),
        ("requested_by", &actor.sys_id),
        ("task_effective_number", &number),
    ] {
        record.set_default(field, value);
    }
}

/// What the platform fills in on a move, in the same save.
fn effects_of_move(
    world: &World,
    from: &str,
    to: &str,
    before: &Record,
    actor: &Actor,
    changes: &mut Record,
) {
    if from == to {
        return;
    }
    let now = wire_time(world.now);
    if to == IMPLEMENT && before.get("work_start").is_empty() {
        changes.set_default("work_start", &now);
    }
    if to == REVIEW && before.get("work_end").is_empty() {
        changes.set_default("work_end", &now);
    }
    if states::is_final(to) {
        changes.set("active", "false");
        changes.set("closed_at", &now);
        changes.set("closed_by", &actor.sys_id);
    }
    if to == CANCELED {
        changes.set("on_hold", "false");
        changes.set("on_hold_reason", "");
    }
    if to == NEW {
        changes.set("approval", "not requested");
    }
}

/// What follows once a change is in its new state.
fn entered(world: &mut World, sys_id: &str, from: &str, to: &str) {
    if from == to {
        return;
    }
    note_move(world, sys_id, from, to);
    change_tasks::moved(world, sys_id, to);
    match to {
        ASSESS | AUTHORIZE => approvals::ask(world, sys_id),
        NEW | CANCELED => approvals::close_open_rows(world, sys_id, "cancelled"),
        // A standard change is approved by its template.
        SCHEDULED if from == NEW && is_standard(world, sys_id) && world.knobs.standard_shows_approved => {
            let approved = Record::of(&[("approval", "approved")]);
            world.save("change_request", sys_id, approved, "system");
        }
        _ => {}
    }
}

fn is_standard(world: &World, sys_id: &str) -> bool {
    world.row("change_request", sys_id).is_some_and(|row| row.get("type") == "standard")
}

/// A move by the platform: by approvals, not by a person.
pub(super) fn move_by_platform(world: &mut World, sys_id: &str, to: &str, approval: &str) {
    let Some(before) = world.row("change_request", sys_id) else {
        return;
    };
    let from = before.get("state").to_owned();
    let changes = Record::of(&[("state", to), ("approval", approval)]);
    world.save("change_request", sys_id, changes, "system");
    note_move(world, sys_id, &from, to);
}

pub(super) fn note_move(world: &World, sys_id: &str, from: &str, to: &str) {
    let Some(row) = world.row("change_request", sys_id).filter(|_| from != to) else {
        return;
    };
    let ids = [
        ("sys_id", sys_id),
        ("number", row.get("number")),
        ("correlation_id", row.get("correlation_id")),
        ("from", from),
        ("to", to),
        ("approval", row.get("approval")),
    ];
    let by = row.get("sys_updated_by");
    world.journal.record(world.now, by, "change.moved", &ids);
}
