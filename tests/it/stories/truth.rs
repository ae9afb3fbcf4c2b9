//! What the record or the run says decides, and what cannot be understood never releases. Each is told.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use interlock_events::AttributesReader;
use interlock_simulators::request_log::LoggedRequest;
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, Role, SOON, Setup, World, until};
use serde_json::Value;

/// What is not decided is rejected a minute after its request, with what is known as the reason.
const SHORT: &str = "    approval: { timeout_minutes: 1 }";
/// How much of that minute has passed when a story begins.
const AGO: TimeDelta = TimeDelta::seconds(32);
/// A deadline may be met so late.
const DECIDED: Duration = Duration::from_secs(90);

async fn world() -> World {
    Setup { one_process: true, policy: SHORT, ..Setup::default() }.start().await
}

/// The gate is rejected with a reason that says why, and was never released.
async fn is_rejected(world: &World, deployment: &Deployment, why: &str) {
    world.until_gate_within(deployment, "rejected", DECIDED).await;
    let told = world.until_told(deployment, "gate.rejected").await;
    let reason = told["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(why), "`{why}` is not in the reason: {reason}");
    world.judge_not_released(deployment);
}

/// Approved past the state model, as somebody with every right may do.
fn approve_by_force(world: &World, number: &str, more: &[(&str, &str)]) {
    let fields = [&[("state", "-2"), ("approval", "approved")], more].concat();
    world.service_now.set(number, &fields).expect("the change is there");
}

/// ServiceNow's times are UTC without a zone.
fn time(at: chrono::DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Waits until a look at the gate that began after this call has ended: looks come one at a time, so
/// the second read of the record proves that the first look is over.
async fn until_looked(world: &World, deployment: &Deployment, number: &str) {
    let count = || {
        let all = world.service_now.requests().find(&Default::default());
        let is_look = |request: &&LoggedRequest| request.query.contains(deployment.key.as_str());
        all.iter().filter(is_look).count()
    };
    for touched in ["once", "twice"] {
        let before = count();
        world.service_now.set(number, &[("justification", touched)]).expect("the change is there");
        until("the record is read again", SOON, async || (count() > before).then_some(())).await;
    }
}

#[tokio::test]
async fn a_gate_waits_or_is_rejected_as_its_record_says() {
    let world = world().await;
    let names = ["pending", "canceled", "held", "early", "late", "foreign", "bypassed", "stopped", "revoked"];
    let all = names.map(|name| world.deploy_ago(&format!("acme/{name}"), AGO));
    let mut numbers = Vec::new();
    for deployment in &all {
        numbers.push(world.until_asked(deployment).await);
    }
    let [pending, canceled, held, early, late, foreign, bypassed, stopped, revoked] = &all;
    let number = |deployment: &Deployment| {
        let place = all.iter().position(|one| one.id == deployment.id).expect("it is one of them");
        numbers[place].as_str()
    };
    let (hour, now) = (TimeDelta::hours(1), Utc::now());
    world.service_now.set(number(canceled), &[("state", "4")]).expect("the change is there");
    // Once approved, the deadline is the end of the window.
    let end = time(now + TimeDelta::seconds(20));
    approve_by_force(&world, number(held), &[("on_hold", "true"), ("end_date", &end)]);
    let foreign_id = foreign.correlation_id.replace(&foreign.sha[..12], "ffffffffffff");
    approve_by_force(&world, number(foreign), &[("correlation_id", &foreign_id), ("end_date", &end)]);
    let (soon, later) = (time(now + hour), time(now + hour * 2));
    world.service_now.set(number(early), &[("start_date", &soon), ("end_date", &later)]).expect("set");
    world.approve(number(early));
    let (past, gone) = (time(now - hour * 2), time(now - hour));
    world.service_now.set(number(late), &[("start_date", &past), ("end_date", &gone)]).expect("set");
    world.approve(number(late));
    world.github.bypass(bypassed.id, "olga-ops").expect("it waits");
    world.github.cancel(stopped.run, "olga-ops").expect("it waits");
    world.approve(number(revoked));

    is_rejected(&world, canceled, "was canceled").await;
    is_rejected(&world, late, "window").await;
    world.until_told(bypassed, "gate.bypassed").await;
    world.until_told(stopped, "gate.lost").await;
    world.until_state(number(stopped), "4").await;
    world.judge_not_released(stopped);

    world.until_gate(revoked, "approved").await;
    world.until_told(revoked, "gate.released").await;
    world.service_now.revoke(number(revoked)).expect("it was approved");
    let told = world.until_told(revoked, "approval.withdrawn").await;
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("after the release")), "{told}");
    until("the record says so too", SOON, async || noted(&world, number(revoked)).then_some(())).await;

    is_rejected(&world, pending, "waits for approval").await;
    is_rejected(&world, held, "on hold").await;
    is_rejected(&world, foreign, "another commit").await;
    // Its deadline is the end of its window now; when that begins, the gate opens.
    world.judge_not_released(early);
    assert_eq!(world.at_github(early).gate, "open", "approved, and its window begins in an hour");
    world.service_now.set(number(early), &[("start_date", &past)]).expect("set");
    world.until_gate(early, "approved").await;
    world.judge_released(early);
}

#[tokio::test]
async fn an_approval_that_is_withdrawn_while_the_job_waits_for_a_runner_is_told_before_it_begins() {
    let world = World::start().await;
    world.github.turn(|knobs| knobs.queue_delay_ms = 3_600_000);
    let deployment = world.deploy("acme/payments-api");
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.service_now.revoke(&number).expect("it was approved");
    until("the withdrawal is told", Duration::from_secs(150), async || {
        let events = world.events_of(&deployment).await;
        events.iter().any(|event| event.ty().contains("approval.withdrawn")).then_some(())
    })
    .await;
    assert_eq!(world.at_github(&deployment).job, "queued", "and it has not begun");
}

fn noted(world: &World, number: &str) -> bool {
    let change = world.service_now.change(number).unwrap_or(Value::Null);
    change["work_notes"].as_str().is_some_and(|notes| notes.contains("withdrawn"))
        || world.service_now.records("sys_journal_field").iter().any(|note| {
            note["element_id"] == change["sys_id"]
                && note["value"]
                    .as_str()
                    .is_some_and(|text| text.contains("Interlock released this deployment before"))
        })
}

/// The record cannot be read rightly from before the approval on; at the deadline the gate is rejected.
async fn never_released_with(effect: Effect, why: &str) {
    let world = world().await;
    let deployment = world.deploy_ago("acme/payments-api", AGO);
    let number = world.until_asked(&deployment).await;
    // Whoever could read the approval would take the end of the window for the deadline.
    let end = time(Utc::now() + TimeDelta::seconds(20));
    world.service_now.set(&number, &[("end_date", &end)]).expect("the change is there");
    let fault = Fault::forever(effect).on_method("GET").on_table("change_request");
    world.service_now.fault(fault).expect("there is room for a fault");
    world.approve(&number);
    is_rejected(&world, &deployment, why).await;
    world.service_now.clear_faults();
    world.until_state(&number, "4").await;
    world.until_told(&deployment, "change.canceled").await;
}

#[tokio::test]
async fn a_state_that_nobody_knows_does_not_release() {
    never_released_with(Effect::UnknownState { value: "42".into() }, "state map").await;
}

#[tokio::test]
async fn a_servicenow_that_does_not_answer_does_not_release() {
    never_released_with(Effect::TimeoutBeforeCommit { hang_ms: 60_000 }, "cannot be read").await;
}

#[tokio::test]
async fn a_web_page_in_place_of_the_record_does_not_release() {
    never_released_with(Effect::Html200, "cannot be read").await;
}

#[tokio::test]
async fn an_approval_of_the_first_attempt_does_not_open_the_second() {
    let world = World::start().await;
    let first = world.deploy("acme/payments-api");
    let approved = world.until_asked(&first).await;
    world.freeze(Role::ApprovalWorker);
    world.approve(&approved);
    world.github.cancel(first.run, "dana-dev").expect("it waits");
    let second = world.deployment_of(&world.github.rerun(first.run).expect("it has ended"));
    world.thaw(Role::ApprovalWorker);
    world.until_told(&first, "gate.lost").await;
    let number = world.until_asked(&second).await;
    assert_ne!(number, approved, "each attempt has a change of its own");
    world.judge_not_released(&first);
    world.judge_not_released(&second);
    world.approve(&number);
    world.until_gate(&second, "approved").await;
    world.judge_released(&second);
    world.judge_not_released(&first);
}

#[tokio::test]
async fn a_hold_that_is_lifted_lets_the_gate_open() {
    let world = Setup { one_process: true, ..Setup::default() }.start().await;
    let deployment = world.deploy("acme/payments-api");
    let number = world.until_asked(&deployment).await;
    approve_by_force(&world, &number, &[("on_hold", "true")]);
    until_looked(&world, &deployment, &number).await;
    world.judge_not_released(&deployment);
    world.service_now.set(&number, &[("on_hold", "false")]).expect("the change is there");
    world.until_gate(&deployment, "approved").await;
}
