//! Files at a change: found again, refused, unknown.

use bytes::Bytes;
use http::StatusCode;
use interlock_servicenow::{Class, Fault, File, ServiceNowError};
use interlock_simulators::servicenow::{Effect, Fault as SimFault};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{World, canned, new_change};

fn file(name: &str, content: &'static [u8]) -> File {
    let sha256 = hex::encode(Sha256::digest(content));
    File { name: name.into(), media_type: "application/xml", sha256, content: Bytes::from_static(content) }
}

async fn change(world: &World) -> String {
    world.client.create(&new_change()).await.unwrap().row.sys_id
}

fn refusal(error: &ServiceNowError) -> (StatusCode, String) {
    match &error.fault {
        Fault::Refused { status, message } => (*status, message.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_attached_as_it_is_and_found_again() {
    let world = World::new();
    let change = change(&world).await;
    assert_eq!(world.client.attachments(&change).await.unwrap(), []);
    let (report, other) = (file("a b&c.xml", b"<x/>"), file("a b&c.xml", b"<y/>"));
    let kept = world.client.attach(&change, &report).await.unwrap();
    assert_eq!(world.client.attachments(&change).await.unwrap(), std::slice::from_ref(&kept));
    assert!(kept.is(&report) && !kept.is(&other), "{kept:?}");
    let row = world.sim.records("sys_attachment").remove(0);
    let shown = ["file_name", "content_type", "table_name", "size_bytes"];
    let shown = shown.map(|field| row[field].as_str().unwrap_or_default().to_owned());
    assert_eq!(shown, ["a b&c.xml", "application/xml", "change_request", "4"]);
}

#[tokio::test]
async fn an_instance_that_tells_no_digest_is_compared_by_size() {
    let (http, client) = canned();
    let id = "a".repeat(32);
    let row = json!({ "file_name": "a.xml", "size_bytes": "4", "table_sys_id": id });
    let foreign = json!({ "file_name": "a.xml", "size_bytes": "4", "table_sys_id": "b".repeat(32) });
    http.json(200, &json!({ "result": [row, foreign] }));
    let listed = client.attachments(&id).await.unwrap();
    assert_eq!(listed.len(), 1, "what was not asked for is not taken");
    assert!(listed[0].is(&file("a.xml", b"<x/>")) && !listed[0].is(&file("a.xml", b"<long/>")));
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_for_good() {
    let world = World::with(|knobs| knobs.attachment_bytes_max = 3);
    let change = change(&world).await;
    let error = world.client.attach(&change, &file("a.xml", b"<x/>")).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    let (status, message) = refusal(&error);
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(message.contains("com.glide.attachment.max_size"), "{message}");
}

#[tokio::test]
async fn a_type_that_is_not_taken_is_refused_in_the_instances_words() {
    for refused in [400, 403, 415] {
        let world = World::with(|knobs| {
            knobs.attachment_extensions = vec!["pdf".into()];
            knobs.attachment_refused_status = refused;
        });
        let change = change(&world).await;
        world.client.attach(&change, &file("a.PDF", b"<x/>")).await.unwrap();
        let error = world.client.attach(&change, &file("a.xml", b"<x/>")).await.unwrap_err();
        let message = match &error.fault {
            Fault::Refused { message, .. } | Fault::Unknown(message) => message,
            other => panic!("{refused}: {other:?}"),
        };
        assert!(message.contains("glide.attachment.extensions"), "{refused}: {message}");
    }
}

#[tokio::test]
async fn a_missing_right_is_refused_with_the_cure() {
    let world = World::new();
    let change = change(&world).await;
    let body: Value = json!({ "error": {
        "message": "Operation Failed", "detail": "ACL Exception Insert Failed due to security constraints" } });
    let effect = Effect::Status { code: 403, body: Some(body) };
    world.sim.fault(SimFault::once(effect).on_path("/attachment/file")).unwrap();
    let error = world.client.attach(&change, &file("a.xml", b"<x/>")).await.unwrap_err();
    assert_eq!(refusal(&error).0, StatusCode::FORBIDDEN);
    assert!(error.to_string().contains("cannot attach a file to a change"), "{error}");
    world.sim.fault(SimFault::once(Effect::Status { code: 404, body: None }).on_path("/attachment")).unwrap();
    assert_eq!(world.client.attachments(&change).await.unwrap_err().class(), Class::Permanent);
    let gone = world.client.attach(&"f".repeat(32), &file("a.xml", b"<x/>")).await.unwrap_err();
    assert_eq!(refusal(&gone).0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_upload_without_an_answer_may_stand_and_is_found() {
    for effect in [
        Effect::StatusAfterCommit { code: 504 },
        Effect::ResetConnectionAfterCommit,
        Effect::CreateThen403,
        Effect::CreateThenEmpty201,
    ] {
        let world = World::new();
        let change = change(&world).await;
        let report = file("a.xml", b"<x/>");
        world.sim.fault(SimFault::once(effect.clone()).on_path("/attachment/file")).unwrap();
        let error = world.client.attach(&change, &report).await.unwrap_err();
        // A refusal may be said of a file that stands, too: whoever comes again looks first.
        assert!(matches!(error.class(), Class::UnknownOutcome | Class::Permanent), "{effect:?}: {error}");
        let there = world.client.attachments(&change).await.unwrap();
        assert!(there.iter().any(|one| one.is(&report)), "{effect:?}: {there:?}");
    }
}

#[tokio::test]
async fn what_the_instance_keeps_is_compared_with_what_was_sent() {
    let (http, client) = canned();
    let kept = json!({ "file_name": "a.xml", "size_bytes": "9", "hash": "0".repeat(64) });
    http.json(201, &json!({ "result": kept }));
    let error = client.attach(&"a".repeat(32), &file("a.xml", b"<x/>")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotTaken(_)), "{error}");
}
