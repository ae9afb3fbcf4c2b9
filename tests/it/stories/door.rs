//! What comes in from outside: recorded payloads, and the trace that begins with one.

use std::path::{Path, PathBuf};

use interlock_events::{AttributesReader, traceparent_of};
use interlock_tests::world::{Role, Setup};

#[tokio::test]
async fn every_recorded_github_payload_is_taken_or_refused_and_none_is_an_error_of_ours() {
    let Some(folder) = recorded() else { return };
    let mut world = Setup::default().prepare().await;
    world.start_role(Role::Ingress).await;
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the folder has a manifest");
    let (mut posted, mut refused) = (0, Vec::new());
    for line in manifest.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [path, _, _, _, headers, _, kind, ..] = columns[..] else { panic!("a short line: {line}") };
        let (Some(event), "webhook") = (header(headers, "X-GitHub-Event"), kind) else { continue };
        let body = std::fs::read(folder.join(path)).expect("what the manifest names is there");
        let guid = header(headers, "X-GitHub-Delivery").unwrap_or(path);
        let answer = world.post_github(event, guid, &body).await.expect("ingress answers");
        posted += 1;
        match answer.status {
            202 => {}
            400..=499 => refused.push(format!("{path}: {} {}", answer.status, answer.body)),
            other => panic!("{path}: {other} {}", answer.body),
        }
    }
    assert!(world.is_alive(Role::Ingress));
    assert!(posted > 50, "the manifest names {posted} webhooks only");
    assert!(refused.len() * 10 < posted, "too many are refused: {refused:#?}");
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.split("; ").find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
}

#[allow(clippy::print_stderr)]
fn recorded() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let folder = std::env::var_os("INTERLOCK_FIXTURES").map_or_else(beside, PathBuf::from).join("github");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("no recorded payloads in {}: nothing is posted", folder.display());
    None
}

#[tokio::test]
async fn one_trace_leads_from_the_webhook_to_the_gate() {
    // ServiceNow's own webhook finds the approval, and begins a trace of its own.
    let world = Setup { poll_seconds: 60, ..Setup::default() }.start().await;
    let deployment = world.deploy("acme/payments-api");
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.until_told(&deployment, "gate.released").await;
    const STORY: [&str; 5] =
        ["deployment.requested", "change.opened", "change.updated", "approval.granted", "gate.released"];
    let mut traces = Vec::new();
    for event in world.events_of(&deployment).await {
        let asks = event.ty().contains("deployment.requested") && !has_gate(&event);
        if asks || !STORY.iter().any(|part| event.ty() == format!("io.interlock.{part}.v1")) {
            continue;
        }
        let traceparent = traceparent_of(&event).unwrap_or_else(|| panic!("{} has no trace", event.ty()));
        let trace = traceparent.split('-').nth(1).unwrap_or_default().to_owned();
        assert_eq!(trace.len(), 32, "{traceparent}");
        traces.push((event.ty().to_owned(), trace));
    }
    assert!(traces.len() >= STORY.len(), "{traces:#?}");
    assert!(traces.iter().all(|(_, trace)| *trace == traces[0].1), "more than one trace: {traces:#?}");
}

fn has_gate(event: &interlock_events::Event) -> bool {
    serde_json::to_value(event).is_ok_and(|event| !event["data"]["gate"].is_null())
}
