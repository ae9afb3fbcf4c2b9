use interlock_events::Outcome;
use interlock_rules::{Part, Person};

use super::*;

#[tokio::test]
async fn a_held_deployment_waits_and_shows_githubs_time() {
    let lab = Lab::new();
    let held = lab.start();
    let expected = RunReading {
        at: start_of_day(),
        dated: true,
        attempt: Some(1),
        sha: held.deployment.sha.clone(),
        phase: RunPhase::Waiting,
        superseded: false,
        answer: None,
        mark: lab.adapter.mark(&held.gate).await.unwrap(),
        people: vec![
            Person {
                part: Part::Trigger,
                login: "dana-dev".into(),
                name: String::new(),
                email: String::new(),
            },
            Person {
                part: Part::Author,
                login: String::new(),
                name: "dana-dev".into(),
                email: "dana-dev@example.com".into(),
            },
        ],
    };
    assert_eq!(lab.read(&held).await, expected);
    assert!(expected.mark.is_some());
}

#[tokio::test]
async fn a_released_deployment_is_queued_then_started_then_ended() {
    let lab = Lab::new();
    lab.github.turn(|knobs| knobs.queue_delay_ms = 4_000);
    let held = lab.start();
    lab.release(&held).await.unwrap();
    assert_eq!(lab.read(&held).await.phase, RunPhase::Queued);
    lab.advance(4);
    assert_eq!(lab.read(&held).await.phase, RunPhase::Started);
    lab.github.finish(Lab::id(&held), sim::Outcome::Failure).unwrap();
    assert_eq!(lab.read(&held).await.phase, RunPhase::Ended(Outcome::Failed));
}

#[tokio::test]
async fn each_end_of_a_started_deployment_has_its_outcome() {
    let ends = [
        (sim::Outcome::Success, Outcome::Succeeded),
        (sim::Outcome::Failure, Outcome::Failed),
        (sim::Outcome::Error, Outcome::Failed),
        (sim::Outcome::Cancelled, Outcome::Canceled),
    ];
    for (end, expected) in ends {
        let lab = Lab::new();
        let held = lab.start();
        lab.release(&held).await.unwrap();
        lab.github.finish(Lab::id(&held), end).unwrap();
        assert_eq!(lab.read(&held).await.phase, RunPhase::Ended(expected));
    }
}

#[tokio::test]
async fn a_rejected_deployment_never_started_and_shows_our_answer() {
    let lab = Lab::new();
    let held = lab.start();
    lab.reject(&held).await.unwrap();
    let reading = lab.read(&held).await;
    assert_eq!(reading.phase, RunPhase::NeverStarted(Outcome::Failed));
    let answer = reading.answer.unwrap();
    assert!(!answer.released && answer.ours);
}

#[tokio::test]
async fn a_canceled_run_never_started_and_shows_no_answer() {
    let lab = Lab::new();
    let held = lab.start();
    lab.github.cancel(Lab::run_id(&held), "olga-ops").unwrap();
    let reading = lab.read(&held).await;
    assert_eq!((reading.phase, reading.answer), (RunPhase::NeverStarted(Outcome::Canceled), None));
}

#[tokio::test]
async fn a_bypass_shows_who_did_it() {
    let lab = Lab::new();
    let held = lab.start();
    lab.github.bypass(Lab::id(&held), "olga-ops").unwrap();
    let reading = lab.read(&held).await;
    assert_eq!(reading.phase, RunPhase::Started);
    let answer = reading.answer.unwrap();
    assert_eq!((answer.released, answer.ours, answer.by.as_str()), (true, false, "olga-ops"));
}

#[tokio::test]
async fn a_glance_costs_one_call_and_shows_that_the_run_has_moved() {
    let lab = Lab::new();
    let held = lab.start();
    let mark = lab.read(&held).await.mark;
    let before = lab.calls("/repos/");
    assert_eq!(lab.adapter.mark(&held.gate).await.unwrap(), mark);
    assert_eq!(lab.calls("/repos/") - before, 1);
    lab.release(&held).await.unwrap();
    let released = lab.adapter.mark(&held.gate).await.unwrap();
    assert_ne!(released, mark);
    lab.github.cancel(Lab::run_id(&held), "olga-ops").unwrap();
    lab.github.rerun(Lab::run_id(&held)).unwrap();
    assert_ne!(lab.adapter.mark(&held.gate).await.unwrap(), mark, "it waits again, as another attempt");
}

#[tokio::test]
async fn a_reviewer_beside_us_keeps_it_waiting_after_our_answer() {
    let lab = Lab::new();
    let mut wish = sim::StartDeployment::new("harbour/tide-tables", "live");
    wish.reviewer = Some("olga-ops".into());
    lab.github.start_deployment(&wish).unwrap();
    let held = lab.asked().remove(0);
    lab.release(&held).await.unwrap();
    let reading = lab.read(&held).await;
    assert_eq!(reading.phase, RunPhase::Waiting);
    assert!(reading.answer.unwrap().ours);
    lab.github.approve_as_reviewer(Lab::id(&held)).unwrap();
    let reading = lab.read(&held).await;
    assert_eq!(reading.phase, RunPhase::Started);
    assert!(reading.answer.unwrap().ours, "ours counts before the reviewer's");
}

/// Started, canceled and run again, `seconds` later.
async fn rerun_after(lab: &Lab, seconds: u64) -> [Held; 2] {
    let first = lab.start();
    lab.release(&first).await.unwrap();
    lab.github.cancel(Lab::run_id(&first), "olga-ops").unwrap();
    lab.advance(seconds);
    lab.github.rerun(Lab::run_id(&first)).unwrap();
    let second = lab.asked().remove(0);
    assert_eq!(Lab::run_id(&first), Lab::run_id(&second));
    [first, second]
}

#[tokio::test]
async fn a_rerun_supersedes_the_deployment_before_it() {
    for seconds in [0, 90] {
        let lab = Lab::new();
        let [first, second] = rerun_after(&lab, seconds).await;
        let old = lab.read(&first).await;
        assert!(old.superseded && old.phase == RunPhase::Ended(Outcome::Canceled), "{seconds}: {old:?}");
        let new = lab.read(&second).await;
        assert_eq!(
            (new.superseded, new.phase, new.attempt),
            (false, RunPhase::Waiting, Some(2)),
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn our_answer_on_an_earlier_attempt_does_not_count_for_a_rerun() {
    let lab = Lab::new();
    let [_, second] = rerun_after(&lab, 90).await;
    assert_eq!(lab.read(&second).await.answer, None);
    lab.github.bypass(Lab::id(&second), "olga-ops").unwrap();
    assert_eq!(lab.read(&second).await.answer.unwrap().by, "olga-ops");
}

#[tokio::test]
async fn an_attempt_that_the_event_bound_is_compared_by_number() {
    let lab = Lab::new();
    let [mut first, _] = rerun_after(&lab, 90).await;
    first.deployment.run.as_mut().unwrap().attempt = Some(1);
    let reading = lab.read(&first).await;
    assert_eq!((reading.superseded, reading.attempt), (false, Some(2)));
    assert!(reading.another_than(&first.deployment.sha, Some(1)).is_some());
    assert_eq!(lab.calls("/jobs"), 0);
}

#[tokio::test]
async fn jobs_of_a_matrix_share_their_gate() {
    let lab = Lab::new();
    let mut wish = sim::StartDeployment::new("harbour/tide-tables", "live");
    wish.matrix = Some(3);
    lab.github.start_deployment(&wish).unwrap();
    let held = lab.asked();
    lab.release(&held[1]).await.unwrap();
    for one in &held {
        let reading = lab.read(one).await;
        assert_eq!((reading.phase, reading.superseded), (RunPhase::Started, false));
        assert!(reading.answer.unwrap().ours);
    }
}

#[tokio::test]
async fn what_github_does_not_know_is_gone() {
    let lab = Lab::new();
    let mut held = lab.start();
    held.gate.ids.insert("run_id".into(), "999999999".into());
    let reading = lab.read(&held).await;
    assert_eq!((reading.phase, reading.dated), (RunPhase::Gone, false));
    assert_eq!(reading.another_than(&held.deployment.sha, Some(1)), None);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_on_any_of_its_calls_says_nothing() {
    use sim::FaultKind::{Down, Html200, ResetBeforeCommit, TimeoutBeforeCommit};
    let held_paths = ["/actions/runs/", "/pending_deployments", "/statuses", "/approvals", "/access_tokens"];
    for path in held_paths {
        for fault in [Down, Html200, ResetBeforeCommit, TimeoutBeforeCommit] {
            let lab = Lab::new();
            let held = lab.start();
            lab.fault(path, fault.clone());
            let read = lab.adapter.read(&held.gate, &held.deployment).await;
            assert!(matches!(read, Err(PlatformError::Transient(_))), "{path} {fault:?}: {read:?}");
        }
    }
}
