use super::*;

const MINT: &str = "/access_tokens";

#[tokio::test]
async fn a_token_serves_many_calls_until_five_minutes_before_its_end() {
    let lab = Lab::new();
    let held = lab.start();
    lab.read(&held).await;
    lab.advance(3_600 - 301);
    lab.read(&held).await;
    assert_eq!(lab.calls(MINT), 1);
    lab.advance(1);
    lab.read(&held).await;
    assert_eq!(lab.calls(MINT), 2);
}

#[tokio::test]
async fn calls_at_once_fetch_one_token() {
    let lab = Lab::new();
    let held = lab.start();
    tokio::join!(lab.read(&held), lab.read(&held), lab.read(&held));
    assert_eq!(lab.calls(MINT), 1);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_and_the_call_made_once_more() {
    let lab = Lab::new();
    let held = lab.start();
    lab.read(&held).await;
    lab.github.revoke_tokens();
    lab.release(&held).await.unwrap();
    assert_eq!((lab.calls(MINT), lab.calls(RULE), lab.effects("gate.released")), (2, 2, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_again_ends_the_call_with_the_cure() {
    let lab = Lab::new();
    let held = lab.start();
    let refusal = sim::FaultKind::Status { code: 401, body: None };
    assert!(lab.github.fault(sim::Fault::on(RULE, refusal)));
    let Err(PlatformError::Refused(reason)) = lab.release(&held).await else { panic!("not refused") };
    assert!(reason.contains("private_key"), "{reason}");
    assert_eq!((lab.calls(MINT), lab.calls(RULE)), (2, 2));
}

#[tokio::test]
async fn a_key_of_another_app_is_refused() {
    let lab = Lab::with_key(&sim::AppKey::generate().unwrap().private_pem);
    let held = lab.start();
    assert!(matches!(lab.release(&held).await, Err(PlatformError::Refused(_))));
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_not_repeated() {
    let lab = Lab::with_key("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n");
    let held = lab.start();
    let Err(PlatformError::Refused(reason)) = lab.release(&held).await else { panic!("not refused") };
    assert!(reason.contains("${file:") && !reason.contains("hunter2"), "{reason}");
    assert_eq!(lab.calls(MINT), 0);
}
