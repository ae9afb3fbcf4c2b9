use super::*;
use interlock_events::{FaultRaised, event};
use proptest::prelude::*;
use serde_json::json;

fn an_event(reason: &str) -> Event {
    let fact = FaultRaised {
        worker: "change-worker".into(),
        event_id: "1".into(),
        event_type: "t".into(),
        subject: Some("s".into()),
        reason: reason.into(),
        attempts: 3,
    };
    event("/tenants/default/interlock", DateTime::UNIX_EPOCH, &fact)
}

fn any_travel() -> impl Strategy<Value = Travel> {
    let numbers =
        (1..=u32::MAX, 0..=i64::MAX as u64, proptest::option::of(0..=i64::MAX as u64), any::<u32>());
    let times = (0..4_000_000_000i64, 0..1_000_000_000u32);
    let texts = (".{0,40}", proptest::option::of(".{0,200}"), proptest::option::of("[0-9a-f-]{0,55}"));
    let state = proptest::option::of(("[a-z]{1,8}", any::<i64>(), ".{0,40}"));
    (numbers, times, texts, state, any::<(bool, bool)>()).prop_map(
        |(numbers, times, texts, state, (again, owed))| Travel {
            attempt: numbers.0,
            first_at: DateTime::from_timestamp(times.0, times.1).unwrap(),
            state: state.map(|(name, number, text)| json!({ name: number, "text": text })),
            tick: numbers.1,
            tag: format!("t{}", texts.0),
            noted: numbers.2,
            again,
            owed,
            crashes: numbers.3,
            reason: texts.1,
            traceparent: texts.2,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(travel in any_travel(), reason in ".{0,300}") {
        let event = an_event(&reason);
        let message = encode(&Ok(event.clone()), &travel, DateTime::UNIX_EPOCH).unwrap();
        let read = decode(&message.body, &message.properties).unwrap();
        prop_assert_eq!(&read, &event);
        prop_assert_eq!(travel_of(&message.properties, Some(&read), DateTime::UNIX_EPOCH), travel);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200), ty in ".{0,60}") {
        let properties = BasicProperties::default().with_content_type(ty.as_str().into());
        let _ = decode(&body, &properties);
        let structured = BasicProperties::default().with_content_type(STRUCTURED.into());
        let _ = decode(&body, &structured);
    }
}

fn with_headers(pairs: &[(&'static str, AMQPValue)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        put(&mut table, name, value.clone());
    }
    BasicProperties::default().with_headers(table)
}

#[test]
fn every_binary_form_is_read() {
    for prefix in ["cloudEvents_", "cloudEvents:", "ce-"] {
        let mut table = FieldTable::default();
        for (name, value) in [("specversion", "1.0"), ("id", "7"), ("type", "a.b"), ("source", "/s")] {
            table.insert(format!("{prefix}{name}").into(), text(value));
        }
        table.insert(format!("{prefix}partitionkey").into(), text("github:1"));
        let properties =
            BasicProperties::default().with_headers(table).with_content_type("application/json".into());
        let event = decode(br#"{"a":1}"#, &properties).unwrap();
        assert_eq!((event.id(), event.ty()), ("7", "a.b"));
        assert_eq!(interlock_events::partition_of(&event).as_deref(), Some("github:1"));
    }
}

#[test]
fn what_is_no_event_keeps_its_bytes_and_says_why() {
    let unreadable = decode(b"hello", &BasicProperties::default()).unwrap_err();
    assert_eq!(&unreadable.bytes[..], b"hello");
    assert!(unreadable.reason.contains("specversion"), "{}", unreadable.reason);
    let structured = BasicProperties::default().with_content_type(STRUCTURED.into());
    assert!(decode(b"{}", &structured).unwrap_err().reason.contains("not a CloudEvent"));
}

#[test]
fn unreadable_bytes_are_republished_as_they_came() {
    let unreadable = Unreadable { bytes: Bytes::from_static(b"\x00\xff"), reason: "r".into() };
    let travel = Travel::first(DateTime::UNIX_EPOCH, "t".into());
    let message = encode(&Err(unreadable), &travel, DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(&message.body[..], b"\x00\xff");
    assert!(decode(&message.body, &message.properties).is_err());
}

#[test]
fn headers_of_the_broker_are_read_but_never_written() {
    let properties = with_headers(&[
        ("x-delivery-count", AMQPValue::LongLongInt(4)),
        ("x-death", AMQPValue::FieldTable(FieldTable::default())),
    ]);
    assert_eq!(returned(&properties), 4);
    let travel = travel_of(&properties, None, DateTime::UNIX_EPOCH);
    let message = encode(&Ok(an_event("r")), &travel, DateTime::UNIX_EPOCH).unwrap();
    let headers = message.properties.headers().clone().unwrap();
    assert!(headers.inner().keys().all(|name| !name.as_str().starts_with("x-")));
}

#[test]
fn a_message_of_another_publisher_reads_alike_each_time() {
    let event = an_event("r");
    let properties = BasicProperties::default().with_timestamp(1_700_000_000);
    let first = travel_of(&properties, Some(&event), DateTime::UNIX_EPOCH);
    let second = travel_of(&properties, Some(&event), DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    assert_eq!(first, second);
    assert_eq!((first.attempt, first.tag.as_str()), (1, event.id()));
    assert_eq!(first.first_at.timestamp(), 1_700_000_000);
}

#[test]
fn a_state_that_is_too_large_is_refused_and_a_long_reason_is_cut() {
    let mut travel = Travel::first(DateTime::UNIX_EPOCH, "t".into());
    travel.reason = Some("ü".repeat(REASON_BYTES));
    let message = encode(&Ok(an_event("r")), &travel, DateTime::UNIX_EPOCH).unwrap();
    let read = travel_of(&message.properties, None, DateTime::UNIX_EPOCH);
    assert_eq!(read.reason.unwrap().len(), REASON_BYTES);
    travel.state = Some(json!("s".repeat(STATE_BYTES)));
    let error = encode(&Ok(an_event("r")), &travel, DateTime::UNIX_EPOCH).unwrap_err();
    assert_eq!(error, Unwritable::State(STATE_BYTES + 2));
}

#[test]
fn an_event_with_endless_attributes_still_fits_a_frame() {
    let body = json!({ "specversion": "1.0", "id": "i".repeat(90_000), "type": "t", "source": "s".repeat(90_000),
        "traceparent": "0".repeat(90_000) });
    let properties = BasicProperties::default().with_content_type(STRUCTURED.into());
    let event = decode(body.to_string().as_bytes(), &properties).unwrap();
    let mut travel = travel_of(&properties, Some(&event), DateTime::UNIX_EPOCH);
    travel.traceparent = interlock_events::traceparent_of(&event);
    let message = encode(&Ok(event.clone()), &travel, DateTime::UNIX_EPOCH).unwrap();
    assert!(format!("{:?}", message.properties).len() < 8_000);
    assert_eq!(decode(&message.body, &message.properties).unwrap(), event);
}
