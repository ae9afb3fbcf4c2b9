use super::*;

fn upload(lab: &Lab, held: &Held, name: &str) -> String {
    let file = sim::ArtifactFile::new("junit.xml", "<testsuite/>");
    lab.github.upload_artifact(Lab::run_id(held), name, &[file]).unwrap().to_string()
}

fn stored_at(lab: &Lab, base: &str) {
    lab.github.turn(|knobs| knobs.artifact_store = Some(base.to_owned()));
}

#[tokio::test]
async fn a_runs_artifacts_are_listed_oldest_first_with_their_size() {
    let lab = Lab::new();
    let held = lab.start();
    assert_eq!(lab.adapter.artifacts(&held.gate).await, Ok(vec![]));
    let (first, second) = (upload(&lab, &held, "junit"), upload(&lab, &held, "sbom"));
    lab.github.expire_artifact(second.parse().unwrap()).unwrap();
    let found = lab.adapter.artifacts(&held.gate).await.unwrap();
    let shown: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.name.as_str(), one.expired)).collect();
    assert_eq!(shown, [(first.as_str(), "junit", false), (second.as_str(), "sbom", true)]);
    assert!(found[0].bytes > 0);
}

#[tokio::test]
async fn of_a_name_that_two_attempts_uploaded_the_last_counts() {
    let lab = Lab::new();
    let held = lab.start();
    upload(&lab, &held, "junit");
    let last = upload(&lab, &held, "junit");
    let found = lab.adapter.artifacts(&held.gate).await.unwrap();
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [last]);
}

#[tokio::test]
async fn a_content_is_fetched_from_its_store_without_our_token() {
    let lab = Lab::new();
    let held = lab.start();
    let id = upload(&lab, &held, "junit");
    // The simulated store refuses whoever shows a token beside the signature.
    let content = lab.adapter.artifact(&held.gate, &id).await.unwrap();
    assert!(content.starts_with(b"PK"));
    assert_eq!(lab.calls("/_artifacts/"), 1);
    stored_at(&lab, "https://productionresults1.blob.core.windows.net");
    assert!(lab.adapter.artifact(&held.gate, &id).await.unwrap().starts_with(b"PK"), "GitHub's own store");
}

#[tokio::test]
async fn nobody_else_is_asked_for_a_content() {
    let lab = Lab::new();
    let held = lab.start();
    let id = upload(&lab, &held, "junit");
    let elsewhere = [
        "https://evil.example",
        "http://a.blob.core.windows.net",
        "https://a.blob.core.windows.net:8443",
        "https://a.blob.core.windows.net.evil.example",
        "https://user:secret@api.github.com",
        "http://api.github.com",
        "http://169.254.169.254",
        "https://[::1]",
        "//evil.example",
        "file:///etc",
    ];
    for base in elsewhere {
        stored_at(&lab, base);
        let refused = lab.adapter.artifact(&held.gate, &id).await.unwrap_err();
        assert!(matches!(refused, PlatformError::Refused(_)), "{base}: {refused:?}");
    }
    assert_eq!(lab.calls("/_artifacts/"), 0);
}

#[tokio::test]
async fn what_is_gone_is_gone_and_what_fails_may_come_again() {
    let lab = Lab::new();
    let held = lab.start();
    let id = upload(&lab, &held, "junit");
    lab.fault("/zip", sim::FaultKind::Status { code: 500, body: None });
    assert!(lab.adapter.artifact(&held.gate, &id).await.unwrap_err().is_passing());
    for kind in [sim::FaultKind::Down, sim::FaultKind::Status { code: 403, body: None }] {
        lab.fault("/_artifacts/", kind);
        assert!(lab.adapter.artifact(&held.gate, &id).await.unwrap_err().is_passing());
    }
    lab.github.expire_artifact(id.parse().unwrap()).unwrap();
    assert_eq!(lab.adapter.artifact(&held.gate, &id).await, Err(PlatformError::Gone));
    assert_eq!(lab.adapter.artifact(&held.gate, "1").await, Err(PlatformError::Gone));
    assert!(lab.adapter.artifact(&held.gate, "../1").await.is_err());
}

#[tokio::test]
async fn a_store_that_sends_on_and_on_is_not_followed() {
    let lab = Lab::new();
    let held = lab.start();
    let id = upload(&lab, &held, "junit");
    for (hops, is_followed) in [(0, true), (2, true), (3, false), (1_000, false)] {
        lab.github.turn(|knobs| knobs.artifact_hops = hops);
        assert_eq!(lab.adapter.artifact(&held.gate, &id).await.is_ok(), is_followed, "{hops}");
    }
    assert_eq!(lab.calls("/_artifacts/"), 1 + 3 + 3 + 3);
}
