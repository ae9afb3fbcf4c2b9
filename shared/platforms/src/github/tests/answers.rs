use super::*;

#[tokio::test]
async fn a_release_lets_the_deployment_go_on_with_our_comment() {
    let lab = Lab::new();
    let held = lab.start();
    lab.release(&held).await.unwrap();
    let deployment = lab.github.deployment(Lab::id(&held)).unwrap();
    assert_eq!((deployment.gate.as_str(), deployment.job.as_str()), ("approved", "in_progress"));
    let answer = lab.read(&held).await.answer.unwrap();
    assert!(answer.released && answer.ours, "{answer:?}");
}

#[tokio::test]
async fn a_rejection_fails_the_deployment() {
    let lab = Lab::new();
    let held = lab.start();
    lab.reject(&held).await.unwrap();
    assert_eq!(lab.github.deployment(Lab::id(&held)).unwrap().gate, "rejected");
}

#[tokio::test]
async fn a_permit_that_has_gone_stale_is_not_used() {
    let lab = Lab::new();
    let held = lab.start();
    let permit = permit(&held.deployment, lab.github.clock().now());
    lab.advance(5);
    let refused = lab.adapter.release(&held.gate, permit, "CHG0031021 approved", soon()).await;
    assert!(matches!(refused, Err(PlatformError::Transient(_))), "{refused:?}");
    assert_eq!(lab.calls(RULE), 0);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let lab = Lab::new();
    let held = lab.start();
    lab.read(&held).await;
    let refused = lab.adapter.reject(&held.gate, "late", Instant::now()).await;
    assert!(matches!(refused, Err(PlatformError::Transient(_))), "{refused:?}");
    assert_eq!(lab.calls(RULE), 0);
}

#[tokio::test]
async fn a_second_answer_finds_the_gate_settled() {
    let lab = Lab::new();
    let held = lab.start();
    lab.release(&held).await.unwrap();
    assert_eq!(lab.reject(&held).await, Err(PlatformError::Settled));
    assert_eq!(lab.effects("gate.rejected"), 0);
}

#[tokio::test]
async fn without_the_app_installed_the_run_is_not_gone_but_out_of_reach() {
    let lab = Lab::new();
    let held = lab.start();
    lab.github.turn(|knobs| knobs.installed = false);
    let Err(PlatformError::Refused(cure)) = lab.release(&held).await else { panic!("not refused") };
    assert!(cure.contains("install the App again"), "{cure}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_outcome_is_not_known_is_unknown_and_not_repeated() {
    use sim::FaultKind::{
        Down, ErrorAfterCommit, Html200, ResetAfterCommit, TimeoutAfterCommit, TimeoutBeforeCommit,
    };
    let faults = [
        (TimeoutAfterCommit, 1),
        (TimeoutBeforeCommit, 0),
        (ResetAfterCommit, 1),
        (ErrorAfterCommit, 1),
        (Html200, 0),
        (Down, 0),
    ];
    for (fault, effects) in faults {
        let lab = Lab::new();
        let held = lab.start();
        lab.fault(RULE, fault.clone());
        let answered = lab.release(&held).await;
        assert!(matches!(answered, Err(PlatformError::Unknown(_))), "{fault:?}: {answered:?}");
        assert_eq!((lab.calls(RULE), lab.effects("gate.released")), (1, effects), "{fault:?}");
    }
}

#[tokio::test]
async fn a_limit_pauses_for_as_long_as_github_says() {
    use sim::FaultKind::{PrimaryLimit, RateLimit, SecondaryLimit};
    let faults = [
        (RateLimit { retry_after: Some(17) }, Some(17)),
        (RateLimit { retry_after: None }, Some(60)),
        (SecondaryLimit { retry_after: Some(30) }, Some(30)),
        (SecondaryLimit { retry_after: None }, Some(60)),
        (PrimaryLimit, None),
    ];
    for (fault, expected) in faults {
        let lab = Lab::new();
        let held = lab.start();
        lab.fault(RULE, fault.clone());
        let Err(PlatformError::Paused(pause)) = lab.release(&held).await else { panic!("{fault:?}") };
        assert!(expected.is_none_or(|seconds| pause.as_secs() == seconds), "{fault:?}: {pause:?}");
        assert_eq!(lab.effects("gate.released"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_limit_lasts_nothing_is_sent() {
    let lab = Lab::new();
    let held = lab.start();
    lab.fault(RULE, sim::FaultKind::SecondaryLimit { retry_after: Some(30) });
    assert!(matches!(lab.release(&held).await, Err(PlatformError::Paused(_))));
    tokio::time::advance(Duration::from_secs(20)).await;
    let Err(PlatformError::Paused(left)) = lab.release(&held).await else { panic!("it is over too soon") };
    assert!(left <= Duration::from_secs(10), "{left:?}");
    assert_eq!(lab.calls(RULE), 1, "only the call that met the limit was sent");
    tokio::time::advance(Duration::from_secs(11)).await;
    lab.release(&held).await.unwrap();
}

#[tokio::test]
async fn a_missing_permission_is_refused_with_the_cure() {
    let lab = Lab::new();
    let held = lab.start();
    let body = Some(r#"{"message":"Resource not accessible by integration"}"#.to_owned());
    lab.fault(RULE, sim::FaultKind::Status { code: 403, body });
    let Err(PlatformError::Refused(reason)) = lab.release(&held).await else { panic!("not refused") };
    assert!(reason.contains("Deployments read and write"), "{reason}");
}

#[tokio::test]
async fn a_long_reason_is_cut_to_what_github_takes() {
    let lab = Lab::new();
    let held = lab.start();
    lab.adapter.reject(&held.gate, &"ö".repeat(5_000), soon()).await.unwrap();
    assert_eq!(lab.effects("gate.rejected"), 1);
}

#[tokio::test]
async fn a_report_decides_nothing() {
    let lab = Lab::new();
    let held = lab.start();
    lab.adapter.report(&held.gate, "CHG0031021 waits for approval", soon()).await.unwrap();
    let deployment = lab.github.deployment(Lab::id(&held)).unwrap();
    assert_eq!((deployment.gate.as_str(), deployment.reports.len()), ("open", 1));
    assert_eq!(lab.read(&held).await.answer, None);
}

#[tokio::test]
async fn a_cancel_ends_the_run_once() {
    let lab = Lab::new();
    let held = lab.start();
    lab.adapter.cancel(&held.gate, soon()).await.unwrap();
    assert_eq!(lab.github.run(Lab::run_id(&held)).unwrap().conclusion.as_deref(), Some("cancelled"));
    assert_eq!(lab.adapter.cancel(&held.gate, soon()).await, Err(PlatformError::Settled));
}

#[tokio::test]
async fn a_handle_of_another_platform_or_with_a_crafted_id_is_refused() {
    let lab = Lab::new();
    let held = lab.start();
    let mut foreign = held.clone();
    foreign.gate.platform = "gitlab".into();
    let mut crafted = held.clone();
    crafted.gate.ids.insert("repo".into(), "../../app".into());
    for held in [foreign, crafted] {
        assert!(matches!(lab.release(&held).await, Err(PlatformError::Refused(_))));
    }
    assert_eq!(lab.calls(RULE), 0);
}
