use std::io::Write;

use base64::Engine as _;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use interlock_events::data_of;
use interlock_runtime::secret::SecretRef;
use interlock_runtime::webhook::Encoding;
use interlock_simulators::servicenow::{Options, ServiceNow as Simulator, WebhookTarget};
use proptest::prelude::*;
use serde_json::json;
use sha2::Sha256;
use tempfile::NamedTempFile;

use super::*;

const SECRET: &str = "the-secret-of-the-hook";

struct Source {
    webhooks: RecordWebhooks,
    _secret: NamedTempFile,
}

fn source(encoding: Encoding) -> Source {
    let mut secret = NamedTempFile::new().unwrap();
    secret.write_all(SECRET.as_bytes()).unwrap();
    let reference = SecretRef::parse(&format!("${{file:{}}}", secret.path().display())).unwrap();
    // While one secret replaces another the new one may not be there yet.
    let absent = SecretRef::env("INTERLOCK_TEST_ABSENT");
    let header = HeaderName::from_static("x-servicenow-signature");
    let settings = WebhookSettings { header, secrets: vec![absent, reference], encoding };
    Source { webhooks: RecordWebhooks::new("acme", "default", settings), _secret: secret }
}

fn webhook(body: &[u8], signature: &str) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("x-servicenow-signature", HeaderValue::from_str(signature).unwrap());
    let received_at = "2026-03-01T10:00:00Z".parse().unwrap();
    Webhook { headers, body: Bytes::copy_from_slice(body), received_at }
}

fn mac(body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

fn verified(body: &[u8]) -> Verified {
    source(Encoding::Hex).webhooks.verify(webhook(body, &hex::encode(mac(body)))).unwrap()
}

fn parsed(body: &Value) -> Result<Parsed, Unreadable> {
    source(Encoding::Hex).webhooks.parse(&verified(body.to_string().as_bytes()))
}

fn change() -> Value {
    json!({
        "sys_id": "8da031c52efd08404a4a5b4f070cdf91", "table": "change_request", "number": "CHG0030001",
        "state": "-2", "approval": "approved", "sys_mod_count": "7", "sys_updated_on": "2026-03-01 09:59:58",
        "correlation_id": "il1.rwqddrjo7ueeassklnhqodg7se.4f0c2a9be1d7.acme/payments-api production",
    })
}

#[test]
fn a_change_is_told_as_one_record_changed() {
    let parsed = parsed(&change()).unwrap();
    assert_eq!(parsed.kind, "change_request");
    insta::assert_json_snapshot!(parsed.events, @r#"
    [
      {
        "specversion": "1.0",
        "id": "38832f4d-027c-55a9-a891-4a879e5ea912",
        "type": "io.interlock.record.changed.v1",
        "source": "/tenants/default/connections/acme",
        "datacontenttype": "application/json",
        "subject": "acme:change_request:8da031c52efd08404a4a5b4f070cdf91",
        "time": "2026-03-01T09:59:58Z",
        "data": {
          "change_sys_id": "8da031c52efd08404a4a5b4f070cdf91",
          "connection": "acme",
          "key_hash": "rwqddrjo7ueeassklnhqodg7se",
          "mod_count": "7",
          "state": "-2",
          "sys_id": "8da031c52efd08404a4a5b4f070cdf91",
          "table": "change_request",
          "updated": "2026-03-01T09:59:58Z"
        }
      }
    ]
    "#);
}

#[test]
fn numbers_pairs_and_strings_say_the_same() {
    let strings = parsed(&change()).unwrap();
    let mut body = change();
    body["sys_mod_count"] = json!(7);
    body["state"] = json!(-2.0);
    body["sys_id"] = json!({ "display_value": "x", "value": body["sys_id"] });
    assert_eq!(parsed(&body).unwrap(), strings);
}

#[test]
fn an_approval_names_the_change_that_it_belongs_to() {
    let mut body = change();
    body["table"] = json!("sysapproval_approver");
    body["sys_id"] = json!("b".repeat(32));
    body["sysapproval"] = change()["sys_id"].clone();
    let fact: RecordChanged = data_of(&parsed(&body).unwrap().events[0]).unwrap();
    assert_eq!(
        (fact.change_sys_id, fact.sys_id),
        ("8da031c52efd08404a4a5b4f070cdf91".into(), "b".repeat(32))
    );
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    for field in ["sys_id", "table"] {
        let mut body = change();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(parsed(&body).unwrap_err().at, format!("/{field}"));
    }
    let mut approval = change();
    approval["table"] = json!("sysapproval_approver");
    assert_eq!(parsed(&approval).unwrap_err().at, "/sysapproval");
    assert_eq!(parsed(&json!([])).unwrap_err().at, "/");
}

#[test]
fn an_incident_is_counted_as_such_and_another_table_as_other_and_neither_says_anything() {
    for (table, kind) in
        [("incident", "incident"), ("problem", "other"), ("anything a sender writes", "other")]
    {
        let body = json!({ "sys_id": "x", "table": table });
        assert_eq!(parsed(&body).unwrap(), Parsed { kind: kind.into(), events: Vec::new() });
    }
}

#[test]
fn a_foreign_correlation_id_has_no_key_and_no_counter_is_made_up_for_by_time() {
    let mut body = change();
    body["correlation_id"] = json!("JIRA-12");
    body["sys_mod_count"] = json!("");
    let fact: RecordChanged = data_of(&parsed(&body).unwrap().events[0]).unwrap();
    assert_eq!((fact.key_hash, fact.mod_count.as_str()), (None, "2026-03-01 09:59:58"));
    let delivery = source(Encoding::Hex).webhooks.delivery_id(&verified(body.to_string().as_bytes()));
    assert_eq!(delivery, None);
}

#[test]
fn the_signature_is_taken_in_either_encoding_and_with_its_usual_prefix() {
    let body = change().to_string();
    let mac = mac(body.as_bytes());
    let base64 = base64::engine::general_purpose::STANDARD.encode(&mac);
    for (encoding, signature) in [
        (Encoding::Hex, hex::encode(&mac)),
        (Encoding::Hex, format!("sha256={}", hex::encode(&mac))),
        (Encoding::Base64, base64),
    ] {
        source(encoding).webhooks.verify(webhook(body.as_bytes(), &signature)).unwrap();
    }
}

#[test]
fn another_body_or_signature_or_none_is_not_authentic() {
    let webhooks = source(Encoding::Hex);
    let good = hex::encode(mac(b"{}"));
    assert!(webhooks.webhooks.verify(webhook(b"{ }", &good)).is_err());
    assert!(webhooks.webhooks.verify(webhook(b"{}", &good[..62])).is_err());
    let mut without = webhook(b"{}", &good);
    without.headers.clear();
    assert!(webhooks.webhooks.verify(without).is_err());
}

#[test]
fn without_any_secret_at_hand_nobody_is_believed() {
    let header = HeaderName::from_static("x-servicenow-signature");
    let secrets = vec![SecretRef::env("INTERLOCK_TEST_ABSENT")];
    let settings = WebhookSettings { header, secrets, encoding: Encoding::Hex };
    let webhooks = RecordWebhooks::new("acme", "default", settings);
    let refused = webhooks.verify(webhook(b"{}", &hex::encode(mac(b"{}")))).unwrap_err();
    assert!(matches!(refused, NotAuthentic::NoSecret(_)), "{refused:?}");
}

#[test]
fn what_the_simulated_instance_sends_is_understood() {
    let sim = Simulator::new(Options::default());
    sim.set_webhook(Some(WebhookTarget::new("http://127.0.0.1:1/webhooks/acme", SECRET)));
    let change =
        [("correlation_id", "il1.rwqddrjo7ueeassklnhqodg7se.4f0c2a9be1d7.x"), ("short_description", "x")];
    let sys_id = sim.insert("change_request", &change).unwrap();
    sim.insert("sysapproval_approver", &[("sysapproval", &sys_id), ("state", "requested")]).unwrap();
    let sent = sim.outbox().take_due(sim.clock().now());
    assert_eq!(sent.len(), 2);
    for outgoing in sent {
        let signature = outgoing.headers.iter().find(|(name, _)| name == "x-servicenow-signature").unwrap();
        let source = source(Encoding::Hex);
        let verified = source.webhooks.verify(webhook(&outgoing.body, &signature.1)).unwrap();
        let fact: RecordChanged = data_of(&source.webhooks.parse(&verified).unwrap().events[0]).unwrap();
        assert_eq!(fact.change_sys_id, sys_id);
        assert_eq!(fact.key_hash.unwrap().as_str(), "rwqddrjo7ueeassklnhqodg7se");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = source(Encoding::Hex);
        let verified = verified(&body);
        let _ = source.webhooks.parse(&verified);
        let _ = source.webhooks.delivery_id(&verified);
    }

    #[test]
    fn no_value_of_a_field_makes_it_panic(
        field in prop::sample::select(vec!["sys_id", "table", "sys_mod_count", "sys_updated_on", "sysapproval"]),
        value in prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(Value::Null),
            Just(json!([[]])),
            Just(json!({ "value": { "value": {} } })),
        ],
    ) {
        let mut body = change();
        body[field] = value;
        let _ = parsed(&body);
    }
}
