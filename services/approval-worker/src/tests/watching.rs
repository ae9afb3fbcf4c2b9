//! What the poll costs, what it finds, and what makes good what it missed.

use std::collections::BTreeSet;
use std::time::Duration;

use interlock_simulators::servicenow::{Effect, Fault};
use serde_json::json;
use tokio::time::Instant;

use super::world::World;

const PROMPT: Duration = Duration::from_secs(20);

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Numbers that were asked for by the hundred.
fn passed(world: &World) -> BTreeSet<String> {
    let asked = world.sim.requests().find(&Default::default());
    let lists = asked.iter().filter_map(|request| request.query.split_once("numberIN"));
    lists
        .flat_map(|(_, rest)| rest.split('&').next().unwrap_or_default().split(','))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_pending_changes_cost_twenty_calls_a_minute_and_an_approval_is_found_in_twenty_seconds()
{
    let mut world = World::with(10_000).await;
    world.go_on(minutes(3)).await;
    let calls = world.calls_by_minute();
    assert!(calls.len() >= 3 && calls.iter().all(|calls| *calls <= 20), "{calls:?}");
    let passed = passed(&world).len();
    assert!((2_500..=3_500).contains(&passed), "{passed} of 10,000 in three minutes of ten");
    let began = Instant::now();
    world.approve(4_242);
    world.approve(777);
    world.hint(777).await;
    assert_eq!(world.released_after(777, began), Some(Duration::ZERO), "a webhook makes it look at once");
    world.go_on(PROMPT).await;
    let found = world.released_after(4_242, began).expect("without a webhook the poll finds it");
    assert!(found > Duration::ZERO && found <= PROMPT, "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_shows_in_the_change_alone_or_in_an_approver_row_alone_is_found_and_nobody_else_reads() {
    let mut world = World::with(4).await;
    world.go_on(minutes(5)).await;
    assert_eq!(world.look_ups(), 0, "nothing has moved");
    world.decide(1, "rejected", &[]);
    world.sim.update("change_request", &world.gates[2].change, &[("state", "4")]).unwrap();
    world.go_on(PROMPT).await;
    for (gate, rejected) in [(0, false), (1, true), (2, true), (3, false)] {
        let answer = world.platform.answer(gate).map(|(released, _)| released);
        assert_eq!(answer, rejected.then_some(false), "{gate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_committed_too_late_is_missed_by_the_marks_and_found_by_the_pass() {
    let mut world = World::with(150).await;
    world.go_on(minutes(1)).await;
    let hidden = format!("sys_id={}", world.gates[70].change);
    world
        .sim
        .fault(Fault::forever(Effect::AclHideRecord { query: hidden }).on_table("change_request"))
        .unwrap();
    world
        .sim
        .update("change_request", &world.gates[70].change, &[("state", "-2"), ("approval", "approved")])
        .unwrap();
    for other in 0..4 {
        world.sim.update("change_request", &world.gates[other].change, &[("risk", "2")]).unwrap();
        world.go_on(minutes(1)).await;
    }
    assert!(world.platform.answer(70).is_none());
    world.sim.clear_faults();
    let began = Instant::now();
    world.go_on(minutes(10)).await;
    let found = world.released_after(70, began).expect("the pass finds it");
    assert!(found > PROMPT, "{found:?}: the marks have found it, so this proves nothing of the pass");
}

#[tokio::test(start_paused = true)]
async fn after_a_flush_and_after_a_pause_nothing_that_happened_meanwhile_is_missed() {
    let mut world = World::with(30).await;
    world.go_on(minutes(1)).await;
    world.approve(3);
    world.store.flush();
    world.go_on(minutes(3)).await;
    assert!(world.platform.answer(3).is_some(), "each gate reads by itself");
    world.sim.requests().clear();
    world.sim.fault(Fault::once(Effect::RateLimit429 { retry_after: Some(1_500) })).unwrap();
    world.go_on(minutes(1)).await;
    world.approve(4);
    world.go_on(minutes(23)).await;
    assert_eq!(world.calls_by_minute(), [1], "nobody asks while the instance wants to be left alone");
    world.go_on(minutes(2)).await;
    assert!(world.platform.answer(4).is_some(), "the marks go on from before the pause");
}

#[tokio::test(start_paused = true)]
async fn a_gate_near_its_deadline_reads_by_itself() {
    let mut world = World::with(2).await;
    let left = world.until_deadline(0);
    world.go_on(left - minutes(3)).await;
    let before = world.look_ups();
    world.go_on(minutes(4)).await;
    assert!(world.look_ups() > before, "in its last minutes the record is read");
    assert!(world.platform.answer(0).is_some_and(|(released, _)| !released), "and then it is rejected");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_rests_in_a_freeze_is_released_soon_after_the_freeze_is_lifted() {
    let mut world = World::with(1).await;
    world.restart_with(json!([{ "name": "release-stop" }]));
    world.approve(0);
    world.go_on(minutes(10)).await;
    assert!(world.platform.answer(0).is_none(), "it is frozen");
    let before = world.look_ups();
    world.go_on(minutes(10)).await;
    assert_eq!(world.look_ups(), before, "and costs no call");
    world.restart_with(json!([]));
    let lifted = Instant::now();
    world.go_on(minutes(3)).await;
    let after = world.released_after(0, lifted).expect("nobody touches its record");
    assert!(after <= minutes(2), "{after:?}");
}
