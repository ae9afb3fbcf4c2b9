//! What one deployment costs of an instance's hourly limit.

use chrono::TimeDelta;
use interlock_simulators::request_log::{LoggedRequest, RequestFilter};
use interlock_tests::world::{SOON, Setup, World, until};

const REPOSITORY: &str = "acme/payments-api";

/// All but what many deployments share: tokens, and what has changed at all.
fn calls(world: &World) -> Vec<LoggedRequest> {
    let is_shared = |request: &LoggedRequest| {
        request.path.contains("oauth") || request.query.contains("sys_updated_on%3E")
    };
    let mut all = world.service_now.requests().find(&RequestFilter::default());
    all.retain(|request| !is_shared(request));
    all
}

fn is_of_close(request: &LoggedRequest) -> bool {
    request.method == "PATCH" && request.body.contains("close_code")
}

/// From the request to the reading after its run's end, which comes after all that its hints have caused.
async fn whole_life(world: &World) -> Vec<String> {
    world.service_now.requests().clear();
    let deployment = world.deploy(REPOSITORY);
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.until_state(&number, "-1").await;
    world.succeed(&deployment).await;
    world.until_state(&number, "3").await;
    let calls = until("its run's end has been looked into", SOON, async || {
        let calls = calls(world);
        let closed = calls.iter().find(|call| is_of_close(call))?.at;
        calls.iter().any(|call| call.at - closed > TimeDelta::milliseconds(800)).then_some(calls)
    });
    let line = |call: &LoggedRequest| format!("{} {} {} {}", call.method, call.path, call.query, call.body);
    calls.await.iter().map(line).collect()
}

#[tokio::test]
async fn the_whole_life_of_a_normal_change_costs_few_calls() {
    let world = Setup { poll_seconds: 15, ..Default::default() }.start().await;
    // Groups are asked for by name once, for all that follow.
    whole_life(&world).await;
    let calls = whole_life(&world).await;
    // One POST and four PATCH; a reading before the create, after the settle time, before Implement, before Review,
    // after the run, and at the end; and thrice the change with its approvals: opened, approved, released.
    // A hint that overtakes another costs a pair more.
    assert!(calls.len() <= 19, "{} calls:\n{}", calls.len(), calls.join("\n"));
    let writes = calls.iter().filter(|call| !call.starts_with("GET")).count();
    assert_eq!(writes, 5, "the counter counts:\n{}", calls.join("\n"));
}
