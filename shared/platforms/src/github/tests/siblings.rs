//! Who shares a gate, as GitHub shows it.

use interlock_events::Outcome;
use interlock_rules::Sibling;

use super::*;

fn wish(matrix: u32) -> sim::StartDeployment {
    sim::StartDeployment { matrix: Some(matrix), ..sim::StartDeployment::new("harbour/tide-tables", "live") }
}

/// Jobs of one run that wait at one gate.
fn matrix(lab: &Lab, jobs: u32) -> Vec<Held> {
    lab.github.start_deployment(&wish(jobs)).unwrap();
    lab.asked()
}

async fn siblings(lab: &Lab, held: &Held) -> Vec<(u64, RunPhase)> {
    let shown = lab.adapter.siblings(&held.gate, &held.deployment).await.unwrap();
    shown.iter().map(|Sibling { occurrence, phase }| (occurrence.parse().unwrap(), *phase)).collect()
}

#[tokio::test]
async fn a_deployment_alone_at_its_gate_costs_one_call() {
    let lab = Lab::new();
    let held = lab.start();
    assert_eq!(siblings(&lab, &held).await, []);
    assert_eq!((lab.calls("/deployments"), lab.calls("/jobs"), lab.calls("/statuses")), (1, 0, 0));
}

#[tokio::test]
async fn jobs_of_a_matrix_see_each_other_and_how_far_they_are() {
    let lab = Lab::new();
    let held = matrix(&lab, 3);
    let ids: Vec<u64> = held.iter().map(Lab::id).collect();
    let all = |phase| ids.iter().map(|id| (*id, phase)).collect::<Vec<_>>();
    for one in &held {
        assert_eq!(siblings(&lab, one).await, all(RunPhase::Waiting));
    }
    assert_eq!(lab.calls("/statuses"), 3, "which job a deployment is of is asked once");
    lab.release(&held[0]).await.unwrap();
    assert_eq!(siblings(&lab, &held[1]).await, all(RunPhase::Started));
    lab.github.finish(ids[0], sim::Outcome::Failure).unwrap();
    lab.github.finish(ids[1], sim::Outcome::Success).unwrap();
    let expected =
        vec![RunPhase::Ended(Outcome::Failed), RunPhase::Ended(Outcome::Succeeded), RunPhase::Started];
    assert_eq!(siblings(&lab, &held[2]).await, ids.into_iter().zip(expected).collect::<Vec<_>>());
}

#[tokio::test]
async fn jobs_that_a_rejection_stopped_never_began() {
    let lab = Lab::new();
    let held = matrix(&lab, 2);
    lab.reject(&held[0]).await.unwrap();
    let phases: Vec<_> = siblings(&lab, &held[1]).await.into_iter().map(|(_, phase)| phase).collect();
    assert_eq!(phases, [RunPhase::NeverStarted(Outcome::Failed); 2]);
}

#[tokio::test]
async fn another_run_or_environment_of_the_same_commit_shares_nothing() {
    let lab = Lab::new();
    let held = matrix(&lab, 2);
    let sha = Some(held[0].deployment.sha.clone());
    lab.github.start_deployment(&sim::StartDeployment { sha: sha.clone(), ..wish(1) }).unwrap();
    let other = sim::StartDeployment { run_id: Some(Lab::run_id(&held[0])), ..wish(1) };
    lab.github.start_deployment(&sim::StartDeployment { environment: "test".into(), ..other }).unwrap();
    assert_eq!(siblings(&lab, &held[0]).await.len(), 2);
    let alone = lab.asked();
    assert_eq!(siblings(&lab, &alone[0]).await, []);
    assert_eq!(siblings(&lab, &alone[1]).await, []);
}

#[tokio::test]
async fn a_rerun_shares_with_its_own_attempt_alone() {
    let lab = Lab::new();
    let first = matrix(&lab, 2);
    lab.github.cancel(Lab::run_id(&first[0]), "olga-ops").unwrap();
    lab.github.rerun(Lab::run_id(&first[0])).unwrap();
    let second = lab.asked();
    let ids: Vec<u64> = siblings(&lab, &second[0]).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, second.iter().map(Lab::id).collect::<Vec<_>>());
    let of_the_first = first.iter().map(|held| (Lab::id(held), RunPhase::NeverStarted(Outcome::Canceled)));
    assert_eq!(
        siblings(&lab, &first[0]).await,
        of_the_first.collect::<Vec<_>>(),
        "how they ended stays known"
    );
}

#[tokio::test]
async fn in_a_rerun_too_an_answer_to_one_job_is_an_answer_to_all() {
    let lab = Lab::new();
    let first = matrix(&lab, 2);
    lab.release(&first[0]).await.unwrap();
    lab.github.cancel(Lab::run_id(&first[0]), "olga-ops").unwrap();
    lab.advance(90);
    lab.github.rerun(Lab::run_id(&first[0])).unwrap();
    let second = lab.asked();
    assert_eq!(lab.read(&second[1]).await.answer, None, "that was the attempt before");
    lab.release(&second[0]).await.unwrap();
    for held in &second {
        let reading = lab.read(held).await;
        assert!(reading.phase == RunPhase::Started && reading.answer.unwrap().ours);
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_told_apart_is_an_error_and_nobody_is_left_out() {
    use sim::FaultKind::{Down, Html200, ResetBeforeCommit};
    for path in ["/deployments", "/jobs", "/statuses"] {
        for fault in [Down, Html200, ResetBeforeCommit] {
            let lab = Lab::new();
            let held = matrix(&lab, 2);
            lab.fault(path, fault.clone());
            let read = lab.adapter.siblings(&held[0].gate, &held[0].deployment).await;
            assert!(matches!(read, Err(PlatformError::Transient(_))), "{path} {fault:?}: {read:?}");
        }
    }
}
