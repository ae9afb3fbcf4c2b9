//! Messages on the wire: CloudEvents in structured mode, and what travels beside them in headers of our own.
//!
//! AMQP 0.9.1 has no CloudEvents binding. We write `application/cloudevents+json`, and read the binary forms
//! of the AMQP 1.0 binding (`cloudEvents_`, `cloudEvents:`) and of HTTP (`ce-`) too.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use cloudevents::AttributesReader;
use interlock_events::Event;
use interlock_runtime::ports::broker::{Travel, Unreadable};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::{Map, Value};
use uuid::Uuid;

const STRUCTURED: &str = "application/cloudevents+json";
const PREFIXES: [&str; 3] = ["cloudEvents_", "cloudEvents:", "ce-"];
/// Property and header frames have to fit one AMQP frame (128 KiB by default), or the connection is closed.
const STATE_BYTES: usize = 16 * 1024;
const REASON_BYTES: usize = 8 * 1024;
/// What others chose the length of.
const FOREIGN_BYTES: usize = 1024;
const PERSISTENT: u8 = 2;

/// Marks a replayed dead letter.
pub const NONCE: &str = "interlock-nonce";

/// A message that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The watch's state does not fit.
    #[error("the state has {0} bytes, at most {STATE_BYTES} are allowed")]
    State(usize),
    /// The event is not JSON.
    #[error("the event does not serialise: {0}")]
    Event(String),
}

/// A message as it is published: body and properties, whose headers are built anew.
#[derive(Debug, Clone)]
pub struct Message {
    /// The event in structured mode, or the bytes that are none.
    pub body: Bytes,
    /// Properties with headers.
    pub properties: BasicProperties,
}

/// Writes an event, or bytes that could not be read as one, with what travels beside it.
///
/// # Errors
/// [`Unwritable`].
pub fn encode(
    event: &Result<Event, Unreadable>,
    travel: &Travel,
    now: DateTime<Utc>,
) -> Result<Message, Unwritable> {
    let mut headers = headers(travel)?;
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_timestamp(seconds);
    let (body, properties) = match event {
        Ok(event) => {
            let body = serde_json::to_vec(event).map_err(|e| Unwritable::Event(e.to_string()))?;
            put_foreign(&mut headers, "cloudEvents_source", &event.source().to_string());
            put_foreign(&mut headers, "cloudEvents_type", event.ty());
            (Bytes::from(body), described(properties, event))
        }
        Err(unreadable) => (unreadable.bytes.clone(), properties),
    };
    Ok(Message { body, properties: properties.with_headers(headers) })
}

/// Ids over 255 bytes do not fit a property; they still stand in the body.
fn described(properties: BasicProperties, event: &Event) -> BasicProperties {
    let mut properties = properties.with_content_type(STRUCTURED.into()).with_app_id("interlock".into());
    if let Ok(id) = ShortString::try_new(event.id()) {
        properties = properties.with_message_id(id);
    }
    if let Ok(ty) = ShortString::try_new(event.ty()) {
        properties = properties.with_type(ty);
    }
    match event.subject().map(ShortString::try_new) {
        Some(Ok(subject)) => properties.with_correlation_id(subject),
        _ => properties,
    }
}

/// Adds a header to a message that is about to be published.
pub fn put_header(message: &mut Message, name: &'static str, value: &str) {
    let mut headers = message.properties.headers().clone().unwrap_or_default();
    put(&mut headers, name, text(value));
    message.properties = message.properties.clone().with_headers(headers);
}

fn headers(travel: &Travel) -> Result<FieldTable, Unwritable> {
    let mut table = FieldTable::default();
    let first_at = travel.first_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
    put(&mut table, "interlock-attempt", AMQPValue::LongLongInt(travel.attempt.into()));
    put(&mut table, "interlock-first-at", text(&first_at));
    put(&mut table, "interlock-tick", count(travel.tick));
    put(&mut table, "interlock-tag", text(&travel.tag));
    put(&mut table, "interlock-again", AMQPValue::Boolean(travel.again));
    if travel.owed {
        put(&mut table, "interlock-owed", AMQPValue::Boolean(true));
    }
    put(&mut table, "interlock-crashes", AMQPValue::LongLongInt(travel.crashes.into()));
    if let Some(noted) = travel.noted {
        put(&mut table, "interlock-noted", count(noted));
    }
    if let Some(reason) = &travel.reason {
        put(&mut table, "interlock-reason", text(shortened(reason)));
    }
    if let Some(traceparent) = &travel.traceparent {
        put_foreign(&mut table, "traceparent", traceparent);
    }
    if let Some(state) = &travel.state {
        let state = state.to_string();
        if state.len() > STATE_BYTES {
            return Err(Unwritable::State(state.len()));
        }
        put(&mut table, "interlock-state", text(&state));
    }
    Ok(table)
}

fn put(table: &mut FieldTable, name: &'static str, value: AMQPValue) {
    table.insert(name.into(), value);
}

/// Left out when it is too long: it helps to look at a message, and stands in its body.
fn put_foreign(table: &mut FieldTable, name: &'static str, value: &str) {
    if value.len() <= FOREIGN_BYTES {
        put(table, name, text(value));
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn count(value: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX))
}

fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// Reads the event of a message.
///
/// # Errors
/// [`Unreadable`] with the bytes and what is wrong with them.
pub fn decode(body: &[u8], properties: &BasicProperties) -> Result<Event, Unreadable> {
    let content_type = properties.content_type().as_ref().map(ShortString::as_str).unwrap_or_default();
    let read = if content_type.starts_with(STRUCTURED) {
        serde_json::from_slice(body).map_err(|e| format!("not a CloudEvent in JSON: {e}"))
    } else {
        binary(body, content_type, properties)
    };
    read.map_err(|reason| Unreadable { bytes: Bytes::copy_from_slice(body), reason })
}

fn binary(body: &[u8], content_type: &str, properties: &BasicProperties) -> Result<Event, String> {
    let mut attributes = binary_attributes(properties);
    if !attributes.contains_key("specversion") {
        return Err(format!(
            "content type `{}` is not {STRUCTURED}, and no header gives a CloudEvents specversion",
            content_type.escape_default()
        ));
    }
    if !body.is_empty() {
        let data: Value = serde_json::from_slice(body).map_err(|e| format!("the data is not JSON: {e}"))?;
        attributes.insert("data".into(), data);
        attributes.insert("datacontenttype".into(), "application/json".into());
    }
    serde_json::from_value(Value::Object(attributes)).map_err(|e| format!("not a CloudEvent: {e}"))
}

fn binary_attributes(properties: &BasicProperties) -> Map<String, Value> {
    let table = properties.headers().clone().unwrap_or_default();
    let named = |name: &str| {
        PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).map(str::to_ascii_lowercase)
    };
    let headers = table.inner().iter();
    headers.filter_map(|(name, value)| Some((named(name.as_str())?, json_of(value)?))).collect()
}

fn json_of(value: &AMQPValue) -> Option<Value> {
    match value {
        AMQPValue::Boolean(flag) => Some((*flag).into()),
        other => text_of(other).map(Value::from).or_else(|| integer_of(other).map(Value::from)),
    }
}

/// Reads what travels beside a message; what it lacks is filled in from the message, so that a redelivery reads alike.
#[must_use]
pub fn travel_of(properties: &BasicProperties, event: Option<&Event>, now: DateTime<Utc>) -> Travel {
    let count = |name| integer(properties, name).and_then(|number| u64::try_from(number).ok());
    let small = |name| integer(properties, name).and_then(|number| u32::try_from(number).ok());
    let published = published_at(properties);
    let occurred = || event.and_then(|event| event.time()).copied();
    Travel {
        attempt: small("interlock-attempt").unwrap_or(1).max(1),
        first_at: instant(properties, "interlock-first-at").or(published).or_else(occurred).unwrap_or(now),
        state: header(properties, "interlock-state").and_then(|state| serde_json::from_str(&state).ok()),
        tick: count("interlock-tick").unwrap_or(0),
        tag: tag_of(properties, event),
        noted: count("interlock-noted"),
        again: flag(properties, "interlock-again"),
        owed: flag(properties, "interlock-owed"),
        crashes: small("interlock-crashes").unwrap_or(0),
        reason: header(properties, "interlock-reason"),
        traceparent: header(properties, "traceparent"),
    }
}

/// Another publisher mints no tag; its event's id is as stable.
fn tag_of(properties: &BasicProperties, event: Option<&Event>) -> String {
    let minted = header(properties, "interlock-tag").filter(|tag| !tag.is_empty());
    let tag = minted.or_else(|| event.map(|event| event.id().to_owned())).unwrap_or_default();
    if tag.len() > FOREIGN_BYTES {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, tag.as_bytes()).to_string()
    } else {
        tag
    }
}

/// How often the broker counts a message as returned (`x-delivery-count`).
#[must_use]
pub fn returned(properties: &BasicProperties) -> u32 {
    integer(properties, "x-delivery-count").and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

/// Why the broker itself dead-lettered a message (`x-first-death-reason`); absent if it did not.
#[must_use]
pub fn broker_death(properties: &BasicProperties) -> Option<String> {
    header(properties, "x-first-death-reason")
}

/// The place of a message in a stream.
#[must_use]
pub fn stream_offset(properties: &BasicProperties) -> Option<i64> {
    integer(properties, "x-stream-offset")
}

/// When a message was published, to the second.
#[must_use]
pub fn published_at(properties: &BasicProperties) -> Option<DateTime<Utc>> {
    let seconds = properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok())?;
    DateTime::from_timestamp(seconds, 0)
}

fn value<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    value(properties, name).and_then(text_of)
}

fn integer(properties: &BasicProperties, name: &str) -> Option<i64> {
    value(properties, name).and_then(integer_of)
}

fn flag(properties: &BasicProperties, name: &str) -> bool {
    match value(properties, name) {
        Some(AMQPValue::Boolean(flag)) => *flag,
        Some(other) => text_of(other).as_deref() == Some("true"),
        None => false,
    }
}

fn instant(properties: &BasicProperties, name: &str) -> Option<DateTime<Utc>> {
    let text = header(properties, name)?;
    DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Utc))
}

fn text_of(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn integer_of(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(number) => Some(number.into()),
        AMQPValue::ShortShortUInt(number) => Some(number.into()),
        AMQPValue::ShortInt(number) => Some(number.into()),
        AMQPValue::ShortUInt(number) => Some(number.into()),
        AMQPValue::LongInt(number) => Some(number.into()),
        AMQPValue::LongUInt(number) => Some(number.into()),
        AMQPValue::LongLongInt(number) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
