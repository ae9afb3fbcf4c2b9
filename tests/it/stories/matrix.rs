//! Jobs of one run that deploy to the same environment: GitHub gives them one gate, and we one change.

use interlock_simulators::github::Outcome;
use interlock_simulators::servicenow::{Effect, Fault};
use interlock_tests::world::{Deployment, Role, SOON, Setup, World, until};
use serde_json::Value;

const REPOSITORY: &str = "acme/payments-api";

/// The changes under the keys of all of them.
fn changes(world: &World, all: &[Deployment]) -> Vec<Value> {
    all.iter().flat_map(|one| world.changes_of(one)).collect()
}

fn live(world: &World, all: &[Deployment]) -> Vec<Value> {
    changes(world, all).into_iter().filter(|change| change["state"] != "4").collect()
}

async fn until_asked(world: &World, all: &[Deployment]) -> String {
    until("one live change waits for approval", SOON, async || {
        let live = live(world, all);
        let [one] = &live[..] else { return None };
        (one["state"] == "-4").then(|| one["number"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

async fn until_gates(world: &World, all: &[Deployment], gate: &str) {
    for one in all {
        world.until_gate(one, gate).await;
    }
}

fn notes(world: &World, number: &str) -> String {
    let change = world.service_now.change(number).expect("it is there");
    let all = world.service_now.records("sys_journal_field");
    let its = all.iter().filter(|note| note["element_id"] == change["sys_id"]);
    its.filter_map(|note| note["value"].as_str()).collect::<Vec<_>>().join("\n")
}

fn end(world: &World, one: &Deployment, outcome: Outcome) {
    world.github.finish(one.id, outcome).expect("a running job can end");
}

async fn until_running(world: &World, all: &[Deployment]) {
    until("all jobs run", SOON, async || {
        all.iter().all(|one| world.at_github(one).job == "in_progress").then_some(())
    })
    .await;
}

#[tokio::test]
async fn jobs_of_a_matrix_share_one_change_which_ends_with_the_last_and_the_worst() {
    let world = World::start().await;
    let all = world.deploy_matrix(REPOSITORY, 3);
    let number = until_asked(&world, &all).await;
    for one in &all[1..] {
        let told = world.until_told(one, "change.opened").await;
        assert_eq!(told["shared_with"], all[0].id.to_string(), "{told}");
        assert_eq!(told["change"]["number"], number.as_str(), "{told}");
        until("the change names it", SOON, async || {
            notes(&world, &number).contains(&one.id.to_string()).then_some(())
        })
        .await;
    }
    world.approve(&number);
    until_gates(&world, &all, "approved").await;
    for one in &all {
        let told = world.until_told(one, "gate.released").await;
        assert_eq!(told["change"]["number"], number.as_str(), "{told}");
        assert_eq!(world.releases_of(one), 1);
    }
    world.until_state(&number, "-1").await;
    until_running(&world, &all).await;
    end(&world, &all[1], Outcome::Failure);
    end(&world, &all[0], Outcome::Success);
    world.until_told(&all[0], "deployment.finished").await;
    let last = world.deploy("acme/ledger");
    world.until_asked(&last).await;
    assert_eq!(world.service_now.change(&number).expect("it is there")["state"], "-1", "one still runs");
    end(&world, &all[2], Outcome::Success);
    let change = world.until_state(&number, "3").await;
    assert_eq!(change["close_code"], "unsuccessful", "the worst result of the three");
    assert_eq!(changes(&world, &all).len(), 1, "one change for all of them");
}

#[tokio::test]
async fn a_rejected_matrix_stops_as_one() {
    let world = World::start().await;
    let all = world.deploy_matrix(REPOSITORY, 2);
    let number = until_asked(&world, &all).await;
    world.service_now.reject(&number, None, "not today").expect("somebody is asked");
    until_gates(&world, &all, "rejected").await;
    world.until_state(&number, "4").await;
    for one in &all {
        world.until_told(one, "gate.rejected").await;
        world.judge_not_released(one);
    }
    assert_eq!(changes(&world, &all).len(), 1);
}

#[tokio::test]
async fn a_job_that_comes_later_goes_on_with_the_open_change_and_holds_its_end() {
    let world = World::start().await;
    let first = world.deploy(REPOSITORY);
    let number = world.until_asked(&first).await;
    world.approve(&number);
    world.until_gate(&first, "approved").await;
    world.until_state(&number, "-1").await;
    let later = world.deploy_in(REPOSITORY, first.run);
    world.until_gate(&later, "approved").await;
    world.until_told(&later, "gate.released").await;
    world.succeed(&first).await;
    world.until_told(&first, "deployment.finished").await;
    world.succeed(&later).await;
    let change = world.until_state(&number, "3").await;
    assert_eq!(change["close_code"], "successful");
    assert_eq!(changes(&world, &[first, later]).len(), 1, "no second change was asked for");
}

#[tokio::test]
async fn a_job_that_comes_after_the_change_is_closed_asks_for_one_of_its_own() {
    let world = World::start().await;
    let first = world.deploy(REPOSITORY);
    let other = world.deploy_in(REPOSITORY, first.run);
    let both = [first.clone(), other.clone()];
    let number = until_asked(&world, &both).await;
    world.approve(&number);
    until_gates(&world, &both, "approved").await;
    world.succeed(&first).await;
    // The run goes on in another environment meanwhile, or there would be nothing to join.
    let wish = interlock_simulators::github::StartDeployment {
        run_id: Some(first.run),
        gated: Some(false),
        ..interlock_simulators::github::StartDeployment::new(REPOSITORY, "test")
    };
    world.github.start_deployment(&wish).expect("the run goes on");
    world.succeed(&other).await;
    world.until_state(&number, "3").await;
    let later = world.deploy_in(REPOSITORY, first.run);
    let second = world.until_asked(&later).await;
    assert_ne!(second, number);
    world.judge_not_released(&later);
    world.approve(&second);
    world.until_gate(&later, "approved").await;
    world.judge_released(&later);
}

#[tokio::test]
async fn without_redis_a_matrix_still_comes_to_one_change() {
    let mut world = Setup::default().prepare().await;
    world.redis.kill9();
    // Both answers are lost, so that a second change may come to be, and must be found.
    let fault = Fault { times: Some(2), ..Fault::once(Effect::ResetConnectionAfterCommit) };
    world.service_now.fault(fault.on_method("POST").on_table("change_request")).expect("there is room");
    world.start_all().await;
    let all = world.deploy_matrix(REPOSITORY, 3);
    let number = until_asked(&world, &all).await;
    world.approve(&number);
    // Nothing hints without Redis: the gates look every two minutes by themselves.
    world.until_gate_within(&all[0], "approved", std::time::Duration::from_secs(150)).await;
    until_gates(&world, &all, "approved").await;
    assert_eq!(live(&world, &all).len(), 1);
}

#[tokio::test]
async fn a_job_whose_request_reaches_us_late_was_let_through_by_the_same_answer() {
    let mut world = World::start().await;
    let first = world.deploy(REPOSITORY);
    let number = world.until_asked(&first).await;
    world.kill(Role::Ingress);
    let late = world.deploy_in(REPOSITORY, first.run);
    world.approve(&number);
    until_gates(&world, &[first.clone(), late.clone()], "approved").await;
    world.start_role(Role::Ingress).await;
    until("what GitHub sent meanwhile is sent again", SOON, async || {
        (world.redeliver_refused().await > 0).then_some(())
    })
    .await;
    let told = world.until_told(&late, "gate.released").await;
    assert_eq!(told["change"]["number"], number.as_str(), "{told}");
    world.succeed(&first).await;
    world.succeed(&late).await;
    world.until_state(&number, "3").await;
    assert_eq!(changes(&world, &[first, late]).len(), 1);
}
