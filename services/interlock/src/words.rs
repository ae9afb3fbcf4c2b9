//! Events in words, for people: who says it, and what.

use interlock_events::{AttributesReader, Event, catalogue};
use serde_json::Value;

/// One event as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The role that published it.
    pub who: &'static str,
    /// What it says.
    pub what: String,
}

/// The data of an event; `null` where it has none that can be read.
pub fn data(event: &Event) -> Value {
    match serde_json::to_value(event) {
        Ok(mut whole) => whole["data"].take(),
        Err(_) => Value::Null,
    }
}

/// The number of the change that an event is about.
pub fn change_number(data: &Value) -> Option<&str> {
    data.pointer("/change/number")?.as_str()
}

/// An event's type without prefix and version: `gate.released`.
pub fn short(ty: &str) -> &str {
    ty.strip_prefix("io.interlock.").and_then(|rest| rest.strip_suffix(".v1")).unwrap_or(ty)
}

/// Puts an event into words.
pub fn tell(event: &Event) -> Told {
    let who =
        catalogue().into_iter().find(|entry| entry.ty == event.ty()).map_or("?", |entry| entry.publisher);
    Told { who, what: what(short(event.ty()), &data(event)) }
}

fn what(ty: &str, data: &Value) -> String {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let number = change_number(data).unwrap_or("no change");
    match ty {
        "deployment.requested" => {
            // Which gate it has, if any, is said by another event of the platform's.
            let gate = if data["gate"].is_null() { "is begun" } else { "waits at its gate" };
            let (project, environment) =
                (text("/deployment/project/name"), text("/deployment/key/environment"));
            format!("{project} to {environment} {gate}, commit {:.12}", text("/deployment/sha"))
        }
        "deployment.started" => "the job runs".to_owned(),
        "deployment.finished" => format!("the deployment {}", text("/outcome")),
        "run.finished" => "the run is over".to_owned(),
        "record.changed" => format!("ServiceNow hints that a {} changed", text("/table")),
        "change.opened" if data["shared_with"].is_string() => {
            format!("{number} covers it too: it shares the gate of deployment {}", text("/shared_with"))
        }
        "change.opened" if data["rolls_back"].is_object() => {
            format!("{number} opened in ServiceNow: it takes back {}", text("/rolls_back/number"))
        }
        "change.opened" if data["found"] == true => format!("{number} was there already"),
        "change.opened" => format!("{number} opened in ServiceNow, by policy {}", text("/policy")),
        "change.updated" => format!("{number} is in {}", state_name(data["state"].as_i64())),
        "change.closed" => format!("{number} closed: {}", text("/close_code")),
        "change.canceled" => format!("{number} canceled: {}", text("/reason")),
        "change.failed" => format!("{number} does not go on: {}", text("/reason")),
        "cmdb.updated" => format!("the configuration item {} was updated", text("/item/name")),
        "evidence.attached" => format!("attached to {number}: {} ({})", text("/name"), text("/summary")),
        "approval.granted" => format!("{number} is approved{}", by(data)),
        "approval.rejected" => format!("{number} is rejected: {}", text("/reason")),
        "approval.expired" => format!("nobody approved in time: {}", text("/reason")),
        "approval.withdrawn" => format!("the approval of {number} was withdrawn: {}", text("/reason")),
        "gate.released" => format!("the gate is released on {number}"),
        "gate.observed" => {
            format!(
                "released without a permit: policy {} only observes; else: {}",
                text("/policy"),
                text("/instead_of")
            )
        }
        "gate.rejected" => format!("the gate is rejected: {}", text("/reason")),
        "gate.lost" => format!("the gate is gone: {}", text("/reason")),
        "gate.bypassed" => format!("the gate was passed without us, by {}", text("/by")),
        "fault.raised" => format!("{} could not go on: {}", text("/worker"), text("/reason")),
        "fault.resolved" => {
            format!("a dead letter of {} was {}: {}", text("/worker"), text("/how"), text("/reason"))
        }
        other => other.to_owned(),
    }
}

fn by(data: &Value) -> String {
    let names: Vec<&str> =
        data["approvers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { String::new() } else { format!(" by {}", names.join(" and ")) }
}

/// A state's name (ServiceNow docs, "State model and transitions").
pub fn state_name(number: Option<i64>) -> String {
    let name = match number {
        Some(-5) => "New",
        Some(-4) => "Assess",
        Some(-3) => "Authorize",
        Some(-2) => "Scheduled",
        Some(-1) => "Implement",
        Some(0) => "Review",
        Some(3) => "Closed",
        Some(4) => "Canceled",
        Some(other) => return format!("state {other}"),
        None => "an unknown state",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_type_of_the_catalogue_has_words_of_its_own() {
        for entry in catalogue() {
            let ty = short(entry.ty);
            assert_ne!(what(ty, &json!({})), ty, "{ty}");
        }
    }

    #[test]
    fn an_approval_names_who_gave_it() {
        let data = json!({ "change": { "number": "CHG1" }, "approvers": ["alice", "bob"] });
        assert_eq!(what("approval.granted", &data), "CHG1 is approved by alice and bob");
    }
}
