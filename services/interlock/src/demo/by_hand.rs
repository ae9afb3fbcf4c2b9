//! After the story: how to play the next one by hand, and what happens meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use interlock_events::AttributesReader;
use interlock_runtime::ports::broker::LogEntry;
use interlock_runtime::ports::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::beat::{ALICE, BOB};
use super::stage::Stage;
use super::story::{ENVIRONMENT, REPOSITORY};
use super::tell::Teller;
use crate::say::{self, Tone};
use crate::words;

const LOOK: Duration = Duration::from_millis(200);
const ENTRIES_MAX: usize = 10_000;

/// Stays up until a signal, telling every event.
pub async fn run(stage: &Stage, teller: &Teller) {
    let mut since = SystemClock.now();
    let mut told = BTreeSet::new();
    if !teller.is_json() {
        instructions(stage);
    }
    while !stage.shutdown.has_begun() {
        for entry in stage.running.broker.log(since, &[], ENTRIES_MAX).await.unwrap_or_default() {
            if told.insert(entry.event.id().to_owned()) {
                since = since.max(entry.at);
                tell(stage, teller, &entry);
            }
        }
        let _ = tokio::time::timeout(LOOK, stage.shutdown.begun()).await;
    }
}

fn instructions(stage: &Stage) {
    let (github, service_now) = (stage.github.address, stage.service_now.address);
    let command = |text: &str| say::line(format_args!("    {text}"));
    say::line(say::toned(Tone::Strong, "\nNow by hand. In another terminal, start the next deployment:"));
    let wish = json!({ "repo": REPOSITORY, "environment": ENVIRONMENT });
    command(&format!("curl -s http://{github}/__sim/start -d '{wish}'"));
    say::line("Its change is opened within a second or two; how to decide it is told here then.");
    say::line(say::toned(Tone::Strong, "Where to look:"));
    command(&format!("curl -s http://{service_now}/__sim/changes        # the changes"));
    command(&format!("curl -s http://{github}/__sim/deployments       # the deployments and their gates"));
    command(&format!("curl -s http://{}/metrics             # our metrics", stage.running.admin));
    say::line(format_args!(
        "Webhooks go to http://{}/webhooks/github. Ctrl-C ends the demo.\n",
        stage.ingress
    ));
}

fn tell(stage: &Stage, teller: &Teller, entry: &LogEntry) {
    if teller.is_json() {
        say::line(json!({ "at": entry.at, "event": entry.event }));
        return;
    }
    let ty = words::short(entry.event.ty());
    // A dozen of these come with each story, and what follows from them is told anyway.
    if ty == "record.changed" {
        return;
    }
    let told = words::tell(&entry.event);
    let time = entry.at.format("%H:%M:%S").to_string();
    say::line(format_args!(
        "{}  {}  {}  {}",
        say::toned(Tone::Faint, &time),
        say::toned(Tone::Strong, &format!("{:<16}", told.who)),
        told.what,
        say::toned(Tone::Faint, ty)
    ));
    if let ("change.opened", Some(number)) = (ty, words::change_number(&words::data(&entry.event))) {
        how_to_decide(stage, number);
    }
}

fn how_to_decide(stage: &Stage, number: &str) {
    let change = format!("http://{}/__sim/changes/{number}", stage.service_now.address);
    let command = |what: &str, body: serde_json::Value| {
        say::line(format_args!("    curl -s {change}/{what} -d '{body}'"));
    };
    say::line("  approve it, first for the assignment group, then for the CAB:");
    command("approve", json!({ "user": ALICE }));
    command("approve", json!({ "user": BOB }));
    say::line("  or reject it:");
    command("reject", json!({ "comments": "Not today." }));
}
