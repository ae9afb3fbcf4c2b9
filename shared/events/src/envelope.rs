//! The CloudEvents envelope: how a fact becomes an event, and back.

use chrono::{DateTime, Utc};
pub use cloudevents::AttributesReader;
use cloudevents::event::ExtensionValue;
use cloudevents::{Data, EventBuilder, EventBuilderV10};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A CloudEvent 1.0 with JSON data.
pub type Event = cloudevents::Event;

/// What an event of ours carries. The type is also the routing key.
pub trait EventData: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// CloudEvents `type`: `io.interlock.<area>.<fact>.v1`.
    const TYPE: &'static str;
    /// CloudEvents `subject`: a deployment key's hash, or a run, record or ticket.
    fn subject(&self) -> String;
    /// With subject and type: the event's id. Repeats agree in it, different facts do not.
    fn discriminator(&self) -> String;
    /// Whose work this is, `<connection>:<project>`: fairness counts by it.
    fn partition(&self) -> Option<String> {
        None
    }
}

/// The event that states `data`, seen at `time` by the connection with the URI `source`.
///
/// # Panics
/// Never for our types: each serialises to JSON, and all required attributes are set.
#[must_use]
pub fn event<T: EventData>(source: &str, time: DateTime<Utc>, data: &T) -> Event {
    let body = serde_json::to_value(data).expect("event data has string keys only, so it serialises");
    let builder = EventBuilderV10::new()
        .id(event_id(&data.subject(), T::TYPE, &data.discriminator()).to_string())
        .source(source)
        .ty(T::TYPE)
        .subject(data.subject())
        .time(time)
        .data("application/json", body);
    let builder = match data.partition() {
        Some(partition) => builder.extension("partitionkey", partition),
        None => builder,
    };
    builder.build().expect("id, source and type are set")
}

/// The id of an event: UUIDv5 of subject, type and discriminator.
#[must_use]
pub fn event_id(subject: &str, ty: &str, discriminator: &str) -> Uuid {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"io.interlock");
    Uuid::new_v5(&namespace, format!("{subject}\n{ty}\n{discriminator}").as_bytes())
}

/// An event that is not of the expected type, or whose data does not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {id} of type {ty} cannot be read as {expected}: {fault}")]
pub struct NotOurs {
    /// The event's id.
    pub id: String,
    /// The event's type.
    pub ty: String,
    /// The type that was wanted.
    pub expected: &'static str,
    /// What does not fit, with its place.
    pub fault: String,
}

/// Reads the data of an event of type `T`.
///
/// # Errors
/// [`NotOurs`] when the type differs or the data does not fit.
pub fn data_of<T: EventData>(event: &Event) -> Result<T, NotOurs> {
    let not_ours = |fault: String| NotOurs {
        id: event.id().to_owned(),
        ty: event.ty().to_owned(),
        expected: T::TYPE,
        fault,
    };
    if event.ty() != T::TYPE {
        return Err(not_ours("another type".into()));
    }
    let value = match event.data() {
        Some(Data::Json(value)) => T::deserialize(value).map_err(|e| e.to_string()),
        Some(Data::Binary(bytes)) => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
        Some(Data::String(text)) => serde_json::from_str(text).map_err(|e| e.to_string()),
        None => Err("it has no data".into()),
    };
    value.map_err(not_ours)
}

/// The trace that the event's story started with (W3C Trace Context, CloudEvents distributed tracing extension).
#[must_use]
pub fn traceparent_of(event: &Event) -> Option<String> {
    text_extension(event, "traceparent")
}

/// Sets the trace that the story started with; an event that has one keeps it.
pub fn with_traceparent(event: &mut Event, traceparent: Option<&str>) {
    if let (Some(traceparent), None) = (traceparent, traceparent_of(event)) {
        event.set_extension("traceparent", traceparent);
    }
}

/// Whose work the event is: `<connection>:<project>`.
#[must_use]
pub fn partition_of(event: &Event) -> Option<String> {
    text_extension(event, "partitionkey")
}

fn text_extension(event: &Event, name: &str) -> Option<String> {
    match event.extension(name) {
        Some(ExtensionValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_the_test_vector_are_stable() {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"io.interlock");
        assert_eq!(namespace.to_string(), "45dcd190-dca3-58ec-bc02-d7b8da57a25d");
        let subject = "rwqddrjo7ueeassklnhqodg7se";
        let requested = event_id(subject, "io.interlock.deployment.requested.v1", "");
        assert_eq!(requested.to_string(), "61a4f748-5cdb-5538-bb0b-a775c7042914");
        let finished = event_id(subject, "io.interlock.deployment.finished.v1", "succeeded");
        assert_eq!(finished.to_string(), "9b48905c-4478-56eb-9376-8bd931c298ec");
    }

    #[test]
    fn an_event_of_another_type_is_named_in_the_error() {
        let fact = crate::FaultRaised {
            worker: "change-worker".into(),
            event_id: "1".into(),
            event_type: "t".into(),
            subject: None,
            reason: "broken".into(),
            attempts: 1,
        };
        let event = event("/tenants/default/interlock", DateTime::UNIX_EPOCH, &fact);
        assert_eq!(data_of::<crate::FaultRaised>(&event).unwrap(), fact);
        let error = data_of::<crate::RecordChanged>(&event).unwrap_err();
        assert_eq!(error.expected, "io.interlock.record.changed.v1");
        assert_eq!(error.ty, "io.interlock.fault.raised.v1");
    }

    #[test]
    fn the_first_trace_of_a_story_stays() {
        let fact = crate::FaultRaised {
            worker: "w".into(),
            event_id: "1".into(),
            event_type: "t".into(),
            subject: None,
            reason: "r".into(),
            attempts: 1,
        };
        let mut event = event("/s", DateTime::UNIX_EPOCH, &fact);
        with_traceparent(&mut event, Some("00-aa-bb-01"));
        with_traceparent(&mut event, Some("00-cc-dd-01"));
        assert_eq!(traceparent_of(&event).as_deref(), Some("00-aa-bb-01"));
    }
}
