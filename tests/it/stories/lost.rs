//! Webhooks that never come: GitHub tries each once, and not again by itself.

use std::collections::BTreeSet;

use interlock_simulators::github::{Fault, FaultKind, Loss, Outcome};
use interlock_simulators::request_log::RequestFilter;
use interlock_tests::world::{Deployment, Role, SOON, Setup, World, until};

/// One repository is known from before; the others are heard of by nobody.
const REPOSITORIES: [&str; 6] =
    ["acme/known", "acme/known", "acme/ledger", "acme/payments-api", "harbour/tides", "harbour/cranes"];

fn sweeping() -> Setup {
    Setup { sweep_seconds: 2, ..Setup::default() }
}

#[tokio::test]
async fn with_the_door_closed_to_github_every_deployment_ends_as_people_decided() {
    let mut world = sweeping().start().await;
    let known = world.deploy("acme/known");
    world.until_asked(&known).await;
    world.github.turn(|knobs| knobs.webhook_loss = Loss::All);
    decided_by_people(&mut world).await;
}

/// From here on nothing but the sweeps hears of GitHub.
async fn decided_by_people(world: &mut World) {
    let deployments: Vec<Deployment> =
        REPOSITORIES.iter().map(|repository| world.deploy(repository)).collect();
    for (number, deployment) in deployments.iter().enumerate() {
        let (change, released) = decided(world, number, deployment).await;
        if !released {
            world.until_state(&change, "4").await;
            continue;
        }
        let outcome = if number % 2 == 0 { Outcome::Success } else { Outcome::Failure };
        until("the job runs", SOON, async || {
            (world.at_github(deployment).job == "in_progress").then_some(())
        })
        .await;
        world.github.finish(deployment.id, outcome).expect("a running job can end");
        let code = if outcome == Outcome::Success { "successful" } else { "unsuccessful" };
        assert_eq!(world.until_state(&change, "3").await["close_code"], code);
        world.judge_released(deployment);
    }
    assert_eq!(
        world.metric(Role::ApprovalWorker, "interlock_deliveries_total", &[r#"outcome="dead""#]).await,
        0.0
    );
}

/// People reject each third change, and approve the others. Which change, and whether it let its job go on.
async fn decided(world: &World, number: usize, deployment: &Deployment) -> (String, bool) {
    let change = world.until_asked(deployment).await;
    let released = number % 3 != 2;
    if released {
        world.approve(&change);
        world.until_gate(deployment, "approved").await;
        world.judge_released(deployment);
    } else {
        world.service_now.reject(&change, None, "not today").expect("somebody is asked");
        world.until_gate(deployment, "rejected").await;
        world.judge_not_released(deployment);
    }
    (change, released)
}

#[tokio::test]
async fn a_lost_webhook_is_published_once_and_not_at_every_sweep() {
    let world = sweeping().start().await;
    world.github.turn(|knobs| knobs.webhook_loss = Loss::All);
    let deployment = world.deploy("acme/payments-api");
    world.until_asked(&deployment).await;
    let reads = async || world.github.requests().count("GET", "/app/hook/deliveries");
    let before = reads().await;
    until("three more sweeps have been", SOON, async || (reads().await >= before + 3).then_some(())).await;
    let copies: Vec<_> = world.events_of(&deployment).await;
    let requests =
        copies.iter().filter(|event| interlock_events::AttributesReader::ty(*event).contains("requested"));
    assert!(requests.count() <= 2, "one with a gate and one without: {copies:#?}");
}

/// GitHub keeps payloads for some days only, and answers 404 for what it no longer has.
#[tokio::test]
async fn a_lost_webhook_whose_payload_cannot_be_read_back_is_sent_again_by_github_once() {
    let world = sweeping().start().await;
    let gone = FaultKind::Status { code: 404, body: None };
    world.github.fault(Fault::on("/app/hook/deliveries/", gone).method("GET"));
    world.github.turn(|knobs| knobs.webhook_loss = Loss::All);
    let deployment = world.deploy("acme/payments-api");
    world.github.turn(|knobs| knobs.webhook_loss = Loss::None);
    world.until_asked(&deployment).await;
    let reads = async || world.github.requests().count("GET", "/app/hook/deliveries");
    let before = reads().await;
    until("three more sweeps have been", SOON, async || (reads().await >= before + 3).then_some(())).await;
    let asked: Vec<String> = world
        .github
        .requests()
        .find(&RequestFilter { method: Some("POST".into()), ..RequestFilter::default() })
        .into_iter()
        .filter_map(|request| Some(request.path.strip_prefix("/app/hook/deliveries/")?.to_owned()))
        .collect();
    let each: BTreeSet<&String> = asked.iter().collect();
    assert!(!asked.is_empty() && each.len() == asked.len(), "{asked:?}");
}

#[tokio::test]
async fn gates_that_no_webhook_and_no_list_of_deliveries_tells_of_are_found_and_decided() {
    let world = sweeping().start().await;
    let known = world.deploy("acme/known");
    world.until_asked(&known).await;
    world.github.turn(|knobs| {
        knobs.webhook_loss = Loss::All;
        knobs.webhook_loss_listed = false;
    });
    let deployments: Vec<Deployment> =
        REPOSITORIES.iter().map(|repository| world.deploy(repository)).collect();
    for (number, deployment) in deployments.iter().enumerate() {
        decided(&world, number, deployment).await;
    }
}

/// Looks that one turn of the poll cannot all bring to an end.
const UNHEARD: usize = 16;

#[tokio::test]
async fn many_approvals_at_once_of_which_no_webhook_tells_are_followed_within_seconds() {
    let world = Setup::default().start().await;
    let deployments: Vec<Deployment> =
        (0..UNHEARD).map(|number| world.deploy(&format!("acme/unheard-{number}"))).collect();
    let mut changes = Vec::new();
    for deployment in &deployments {
        changes.push(world.until_asked(deployment).await);
    }
    world.service_now.set_webhook(None);
    world.github.turn(|knobs| knobs.webhook_loss = Loss::All);
    // A look takes some seconds: one after the other they would take more than a minute.
    world.github.fault(Fault::on("/actions/runs/", FaultKind::Latency { ms: 500 }));
    changes.iter().for_each(|change| world.approve(change));
    for change in &changes {
        world.until_state(change, "-1").await;
    }
}
