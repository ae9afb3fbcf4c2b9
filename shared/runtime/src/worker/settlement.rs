//! From what a reaction says to what the broker does. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_events::{AttributesReader, Event, FaultRaised, event, traceparent_of, with_traceparent};

use super::subscriber::Handled;
use crate::ports::broker::{Settlement, Then, Tier, Travel};

/// Attempts before a delivery goes to the dead letters.
pub(super) const ATTEMPTS_MAX: u32 = 6;
/// Largest state of a watch, in bytes of JSON.
const STATE_BYTES_MAX: usize = 16 * 1024;
/// `source` of what the runtime itself states.
const SOURCE: &str = "/tenants/default/interlock";

/// What the settlement hangs on beside the outcome.
pub(super) struct Origin<'a> {
    pub worker: &'static str,
    pub event: &'a Event,
    pub travel: &'a Travel,
    /// This copy does not hold its chain; it noted the holder's tick.
    pub noted: Option<u64>,
    pub now: DateTime<Utc>,
    pub fresh_tag: String,
}

/// Turns an outcome into what is published and what becomes of the delivery.
pub(super) fn settlement(handled: Handled, origin: &Origin<'_>) -> Settlement {
    let mut settlement = match handled {
        Handled::Done(events) => Settlement { publish: events, then: Then::Ack },
        Handled::Ignored(_) => Settlement { publish: Vec::new(), then: Then::Ack },
        Handled::Watch { after, state, events } => {
            if state.to_string().len() > STATE_BYTES_MAX {
                dead(format!("the state of the watch exceeds {STATE_BYTES_MAX} bytes"), origin)
            } else {
                let travel = Travel { state: Some(state), attempt: 1, ..successor(origin) };
                Settlement { publish: events, then: again(Tier::within(after), travel) }
            }
        }
        Handled::Later { reason } if origin.travel.attempt >= ATTEMPTS_MAX => dead(reason, origin),
        Handled::Later { reason } => {
            let travel =
                Travel { attempt: origin.travel.attempt + 1, reason: Some(reason), ..successor(origin) };
            Settlement { publish: Vec::new(), then: again(back_off(origin.travel.attempt), travel) }
        }
        Handled::Dead { reason } => dead(reason, origin),
    };
    let story = traceparent_of(origin.event);
    for event in &mut settlement.publish {
        with_traceparent(event, story.as_deref());
    }
    settlement
}

/// A holder goes on with the next tick and a fresh tag; a spare sleeps unchanged and notes the holder.
fn successor(origin: &Origin<'_>) -> Travel {
    // A reaction that ended did not kill its process.
    let unchanged = Travel { reason: None, crashes: 0, ..origin.travel.clone() };
    match origin.noted {
        Some(noted) => Travel { noted: Some(noted), ..unchanged },
        None => Travel { tick: unchanged.tick + 1, tag: origin.fresh_tag.clone(), noted: None, ..unchanged },
    }
}

/// The same delivery again, as it came: it was not its turn.
pub(super) fn unchanged(tier: Tier, travel: Travel) -> Settlement {
    Settlement { publish: Vec::new(), then: again(tier, travel) }
}

fn again(tier: Tier, travel: Travel) -> Then {
    Then::Again { tier, travel: Box::new(travel) }
}

pub(super) fn dead(reason: String, origin: &Origin<'_>) -> Settlement {
    let fault = FaultRaised {
        worker: origin.worker.into(),
        event_id: origin.event.id().to_owned(),
        event_type: origin.event.ty().to_owned(),
        subject: origin.event.subject().map(ToOwned::to_owned),
        reason: reason.clone(),
        attempts: origin.travel.attempt,
    };
    Settlement {
        publish: vec![event(SOURCE, origin.now, &fault)],
        then: Then::Dead { reason, attempts: origin.travel.attempt },
    }
}

/// The tier after the given failed attempt.
pub(super) fn back_off(attempt: u32) -> Tier {
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX).min(4);
    Tier::ALL[place]
}

/// The tier of a delivery that is over its project's share: longer the longer it has been going round.
pub(super) fn round(waited: Duration) -> Tier {
    match waited.as_secs() {
        0..=9 => Tier::OneSecond,
        10..=59 => Tier::FiveSeconds,
        _ => Tier::ThirtySeconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interlock_events::{RecordChanged, data_of};
    use serde_json::json;

    fn an_event() -> Event {
        let fact = RecordChanged {
            connection: "snow".into(),
            table: "change_request".into(),
            sys_id: "1".into(),
            mod_count: "1".into(),
            change_sys_id: "1".into(),
            key_hash: None,
            state: None,
            updated: None,
        };
        let mut event = event("/s", DateTime::UNIX_EPOCH, &fact);
        with_traceparent(&mut event, Some("00-story-1"));
        event
    }

    fn settle(handled: Handled, travel: &Travel, noted: Option<u64>) -> Settlement {
        let event = an_event();
        settlement(
            handled,
            &Origin {
                worker: "w",
                event: &event,
                travel,
                noted,
                now: DateTime::UNIX_EPOCH,
                fresh_tag: "fresh".into(),
            },
        )
    }

    fn travel() -> Travel {
        Travel { tick: 4, state: Some(json!("old")), ..Travel::first(DateTime::UNIX_EPOCH, "tag".into()) }
    }

    fn watch() -> Handled {
        Handled::Watch { after: Duration::from_secs(7), state: json!("new"), events: vec![] }
    }

    #[test]
    fn a_holders_watch_goes_on_with_the_next_tick_and_a_fresh_tag() {
        let Then::Again { tier, travel } = settle(watch(), &travel(), None).then else { panic!() };
        assert_eq!(
            (tier, travel.tick, travel.tag.as_str(), travel.attempt),
            (Tier::FiveSeconds, 5, "fresh", 1)
        );
        assert_eq!(travel.state, Some(json!("new")));
    }

    #[test]
    fn a_spare_watch_keeps_its_tick_and_tag_and_notes_the_holders() {
        let Then::Again { travel, .. } = settle(watch(), &travel(), Some(9)).then else { panic!() };
        assert_eq!((travel.tick, travel.tag.as_str(), travel.noted), (4, "tag", Some(9)));
    }

    #[test]
    fn a_failed_attempt_is_counted_and_the_tenth_is_the_last() {
        let later = || Handled::Later { reason: "broken".into() };
        let Then::Again { tier, travel: next } = settle(later(), &travel(), None).then else { panic!() };
        assert_eq!((tier, next.attempt, next.reason.as_deref()), (Tier::OneSecond, 2, Some("broken")));
        let last = settle(later(), &Travel { attempt: ATTEMPTS_MAX, ..travel() }, None);
        assert!(matches!(last.then, Then::Dead { attempts: ATTEMPTS_MAX, .. }));
        let fault: FaultRaised = data_of(&last.publish[0]).unwrap();
        assert_eq!(
            (fault.reason.as_str(), fault.event_type.as_str()),
            ("broken", "io.interlock.record.changed.v1")
        );
    }

    #[test]
    fn a_state_that_is_too_large_is_dead_and_not_cut() {
        let large = Handled::Watch {
            after: Duration::from_secs(1),
            state: json!("x".repeat(STATE_BYTES_MAX)),
            events: vec![],
        };
        assert!(matches!(settle(large, &travel(), None).then, Then::Dead { .. }));
    }

    #[test]
    fn what_follows_carries_the_trace_that_the_story_began_with() {
        let done = settle(
            Handled::Done(vec![event(
                "/s",
                DateTime::UNIX_EPOCH,
                &FaultRaised {
                    worker: "w".into(),
                    event_id: "1".into(),
                    event_type: "t".into(),
                    subject: None,
                    reason: "r".into(),
                    attempts: 1,
                },
            )]),
            &travel(),
            None,
        );
        assert_eq!(traceparent_of(&done.publish[0]).as_deref(), Some("00-story-1"));
    }

    #[test]
    fn attempts_back_off_and_rounds_grow() {
        assert_eq!(back_off(1), Tier::OneSecond);
        assert_eq!(back_off(3), Tier::ThirtySeconds);
        assert_eq!(back_off(9), Tier::TenMinutes);
        assert_eq!(round(Duration::from_secs(3)), Tier::OneSecond);
        assert_eq!(round(Duration::from_secs(300)), Tier::ThirtySeconds);
    }
}
