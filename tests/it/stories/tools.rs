//! What an operator does at night with the tools alone: dead letters, the log, and why a deployment waits.

use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, SOON, World, until};
use serde_json::{Value, json};

const WORKER: &str = "change-worker";
const SAID: &str = "Invalid assignment group";

/// The letters as `dead-letters list --json` prints them.
fn letters(world: &World) -> Vec<Value> {
    let list = world.tool(&["dead-letters", "list", "--json"]);
    list.lines().map(|line| serde_json::from_str(line).expect("each line is one object")).collect()
}

fn letter_of<'a>(letters: &'a [Value], deployment: &Deployment) -> &'a str {
    let its = letters.iter().find(|letter| letter["event"]["subject"] == deployment.key.as_str());
    its.and_then(|letter| letter["id"].as_str()).expect("it has a dead letter")
}

async fn until_letters(world: &World, number: usize) -> Vec<Value> {
    until(&format!("there are {number} dead letters"), SOON, async || {
        Some(letters(world)).filter(|letters| letters.len() == number)
    })
    .await
}

/// ServiceNow refuses each new change for good.
fn refuse(world: &World) {
    let body = json!({ "error": { "message": "Operation Failed", "detail": SAID }, "status": "failure" });
    let fault = Fault { times: None, ..Fault::once(Effect::Status { code: 400, body: Some(body) }) };
    world.service_now.fault(fault.on_method("POST").on_table("change_request")).expect("there is room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_servicenow_refused_is_listed_by_cause_explained_and_replayed_mended_or_dropped() {
    let world = World::start().await;
    refuse(&world);
    let [replayed, mended, dropped] =
        ["replayed", "mended", "dropped"].map(|name| world.deploy(&format!("acme/{name}")));
    let stuck = until_letters(&world, 3).await;
    let list = world.tool(&["dead-letters", "list"]);
    assert_eq!(list.matches("change-worker: 3 ×").count(), 1, "one cause, and one line for it: {list}");
    assert!(list.contains(SAID), "{list}");
    for what in [replayed.id.to_string(), replayed.run.to_string(), "acme/replayed".to_owned()] {
        let told = world.tool(&["explain", &what]);
        assert!(told.contains(SAID) && told.contains("dead-letters"), "of {what}: {told}");
    }
    world.service_now.clear_faults();

    world.tool(&["dead-letters", "drop", WORKER, letter_of(&stuck, &dropped), "--reason", "not wanted"]);
    let actor = r#"deployment.actor="mended-by-hand""#;
    world.tool(&["dead-letters", "edit", WORKER, letter_of(&stuck, &mended), "--set", actor]);
    let change = world.until_asked(&mended).await;
    let description = world.service_now.change(&change).expect("it is there")["description"].to_string();
    assert!(description.contains("mended-by-hand"), "{description}");
    let left = until_letters(&world, 1).await;
    assert_eq!(letter_of(&left, &replayed), letter_of(&stuck, &replayed));
    world.tool(&["dead-letters", "replay", WORKER, "--cause", "assignment group"]);
    world.until_asked(&replayed).await;
    until_letters(&world, 0).await;
    assert!(world.changes_of(&dropped).is_empty(), "what was dropped does not come back by itself");

    let since = ["events", "replay", "--since", "1h", "--to", WORKER, "--yes"];
    let told = world.tool(&[&since[..], &["--type", "deployment.requested"]].concat());
    assert!(told.contains("marked as repeated"), "{told}");
    for (one, name) in [(&replayed, "acme/replayed"), (&mended, "acme/mended")] {
        assert!(told.contains(name), "{told}");
        assert_eq!(world.changes_of(one).len(), 1, "what comes again opens no second change");
    }
}
