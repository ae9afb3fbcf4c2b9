//! `conflict` of `deploy/examples`: what else is planned for the same item holds, moves or rejects a deployment.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use interlock_simulators::github::StartDeployment;
use interlock_simulators::servicenow::seed::PAYMENTS_API;
use interlock_simulators::servicenow::{FirstAvailable, Knobs};
use interlock_tests::world::{Deployment, SOON, World, until};
use serde_json::Value;

use super::patterns::{number, start, until_change};

const REPOSITORY: &str = "acme/payments-api";
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// Somebody else's change of the same item, planned from now on.
fn other_change(world: &World, until: DateTime<Utc>) -> String {
    let (from, until) = (Utc::now() - TimeDelta::hours(1), until);
    let (from, until) = (from.format(TIME).to_string(), until.format(TIME).to_string());
    let fields = [
        ("number", "CHG0099001"),
        ("state", "-2"),
        ("active", "true"),
        ("cmdb_ci", PAYMENTS_API),
        ("start_date", &from),
        ("end_date", &until),
    ];
    world.service_now.insert("change_request", &fields).expect("there is room");
    "CHG0099001".into()
}

fn deploy_of(world: &World, branch: &str) -> Deployment {
    let wish =
        StartDeployment { git_ref: Some(branch.into()), ..StartDeployment::new(REPOSITORY, "production") };
    world.deployment_of(&world.github.start_deployment(&wish).expect("the simulator takes it"))
}

fn turn(world: &World, change: impl FnOnce(&mut Knobs)) {
    let mut knobs = world.service_now.knobs();
    change(&mut knobs);
    world.service_now.set_knobs(knobs);
}

async fn until_status(world: &World, number: &str, status: &str) -> Value {
    until(&format!("the check of {number} shows {status}"), SOON, async || {
        world.service_now.change(number).filter(|change| change["conflict_status"] == status)
    })
    .await
}

async fn until_reported(world: &World, deployment: &Deployment, words: &str) {
    until(&format!("people read at GitHub: {words}"), SOON, async || {
        world.at_github(deployment).reports.iter().any(|report| report.contains(words)).then_some(())
    })
    .await;
}

fn planned(change: &Value, field: &str) -> DateTime<Utc> {
    let text = change[field].as_str().unwrap_or_default();
    NaiveDateTime::parse_from_str(text, TIME).expect("a date").and_utc()
}

#[tokio::test]
async fn what_is_approved_waits_while_another_change_of_its_item_is_in_its_way() {
    let world = start("conflict.yaml").await;
    turn(&world, |knobs| knobs.conflict_check_ms = 1500);
    let other = other_change(&world, Utc::now() + TimeDelta::hours(8));
    let deployment = world.deploy(REPOSITORY);
    let change = world.until_asked(&deployment).await;
    until_reported(&world, &deployment, "and waits for approval; CHG").await;
    world.approve(&change);
    until_reported(&world, &deployment, &format!("{change} conflicts with {other}. ")).await;
    assert_eq!(world.at_github(&deployment).gate, "open");
    // The other one is withdrawn, and somebody has the conflict looked for again.
    world.service_now.set(&other, &[("state", "4"), ("active", "false")]).expect("it is there");
    world.service_now.check_conflicts(&change).expect("it is there");
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&change, "3").await;
    world.judge_released(&deployment);
}

#[tokio::test]
async fn a_check_of_other_dates_releases_nothing_whether_the_instance_takes_it_back_or_not() {
    for reset in [true, false] {
        let world = start("conflict.yaml").await;
        turn(&world, |knobs| knobs.other_dates_reset_conflicts = reset);
        let deployment = world.deploy(REPOSITORY);
        let change = world.until_asked(&deployment).await;
        until_status(&world, &change, "No Conflict").await;
        // Whoever reads that it is held has read the check too.
        world.service_now.set(&change, &[("on_hold", "true")]).expect("a person may hold it");
        until_reported(&world, &deployment, "is on hold").await;
        // From now on no check ends: the one of the old dates is all there is.
        turn(&world, |knobs| knobs.conflict_check_ms = 20_000);
        let until_then = (Utc::now() + TimeDelta::hours(30)).format(TIME).to_string();
        world
            .service_now
            .set(&change, &[("end_date", &until_then), ("on_hold", "false")])
            .expect("a person may plan it anew");
        world.approve(&change);
        let why = if reset { "has not been checked" } else { "at other dates" };
        until_reported(&world, &deployment, why).await;
        assert_eq!(world.at_github(&deployment).gate, "open");
        turn(&world, |knobs| knobs.conflict_check_ms = 0);
        world.service_now.check_conflicts(&change).expect("it is there");
        world.until_gate(&deployment, "approved").await;
        world.judge_released(&deployment);
    }
}

#[tokio::test]
async fn where_the_policy_says_so_a_conflict_rejects_at_once() {
    let world = start("conflict.yaml").await;
    // This instance does not say with what.
    turn(&world, |knobs| knobs.conflicts_listed = false);
    other_change(&world, Utc::now() + TimeDelta::hours(8));
    let deployment = deploy_of(&world, "nightly/2026-03-01");
    world.until_gate(&deployment, "rejected").await;
    let told = world.until_told(&deployment, "gate.rejected").await;
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("in conflict")), "{told}");
    let change = until_change(&world, &deployment, "4").await;
    assert_eq!(change["conflict_status"], "Conflict");
    world.judge_not_released(&deployment);
}

#[tokio::test]
async fn a_change_moves_to_the_next_free_slot_whoever_has_to_find_it() {
    for how in [FirstAvailable::Plans, FirstAvailable::Absent] {
        let world = start("conflict.yaml").await;
        turn(&world, |knobs| knobs.first_available = how);
        let free_from = Utc::now() + TimeDelta::hours(3);
        let other = other_change(&world, free_from);
        let deployment = deploy_of(&world, "release/7");
        let change = until("the change is planned behind the other one", SOON, async || {
            let mut changes = world.live_changes_of(&deployment).into_iter();
            changes.find(|change| {
                change["conflict_status"] == "No Conflict" && planned(change, "start_date") > Utc::now()
            })
        })
        .await;
        let (from, until_then) = (planned(&change, "start_date"), planned(&change, "end_date"));
        assert!(from.timestamp() >= free_from.timestamp(), "{how:?}: {change:#}");
        assert_eq!(until_then - from, TimeDelta::hours(2), "as long as before");
        let number = number(&change);
        let notes = world.service_now.records("sys_journal_field");
        let noted =
            |note: &Value| note["value"].as_str().is_some_and(|text| text.contains("found a conflict"));
        assert_eq!(notes.iter().filter(|note| noted(note)).count(), 1, "{how:?}: {notes:#?}");
        until("the move is told", SOON, async || {
            let told = world.all_told(&deployment, "change.updated").await;
            told.into_iter().find(|fact| fact["planned"].is_object())
        })
        .await;
        world.until_asked(&deployment).await;
        world.approve(&number);
        until_reported(&world, &deployment, "its window begins at").await;
        assert_eq!(world.at_github(&deployment).gate, "open", "its time has not come: {other} comes first");
        world.judge_not_released(&deployment);
    }
}
