//! Doors: after a queue has refused a fact, one fact of its type at a time tries again, with growing pauses.
//!
//! The queues that were not full took their copy of a refused fact all the same, so that every further try
//! fills them with the same event.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use interlock_events::{AttributesReader, Event};
use tokio::time::Instant;

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Which types of facts are refused at the moment. There are as many doors as types in our catalogue, at most.
#[derive(Debug, Default)]
pub(super) struct Doors {
    shut: Mutex<BTreeMap<String, Shut>>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    until: Instant,
    pause: Duration,
}

impl Doors {
    /// A fact of this type would have to wait.
    pub(super) fn is_shut(&self, event: &Event, now: Instant) -> bool {
        self.held().get(event.ty()).is_some_and(|shut| now < shut.until)
    }

    /// Lets facts through whose doors are open. Of those whose pause is over one is let through, to try.
    pub(super) fn let_through(&self, events: &[Event], now: Instant) -> bool {
        let mut held = self.held();
        if events.iter().any(|event| held.get(event.ty()).is_some_and(|shut| now < shut.until)) {
            return false;
        }
        for event in events {
            if let Some(shut) = held.get_mut(event.ty()) {
                shut.until = now + shut.pause;
            }
        }
        true
    }

    /// One of these facts was refused.
    pub(super) fn refused(&self, events: &[Event], now: Instant) {
        let mut held = self.held();
        for event in events {
            let before = held.get(event.ty()).map(|shut| shut.pause);
            let pause = before.map_or(PAUSE_MIN, |before| (before * 2).min(PAUSE_MAX));
            held.insert(event.ty().to_owned(), Shut { until: now + pause, pause });
        }
    }

    /// All of these facts were taken.
    pub(super) fn taken(&self, events: &[Event]) {
        let mut held = self.held();
        if !held.is_empty() {
            for event in events {
                held.remove(event.ty());
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Shut>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use interlock_events::{FaultRaised, RecordChanged, event};

    fn hint() -> Event {
        let fact = RecordChanged {
            connection: "snow".into(),
            table: "change_request".into(),
            sys_id: "1".into(),
            mod_count: "1".into(),
            change_sys_id: "1".into(),
            key_hash: None,
        };
        event("/s", DateTime::UNIX_EPOCH, &fact)
    }

    fn fault() -> Event {
        let fact = FaultRaised {
            worker: "w".into(),
            event_id: "1".into(),
            event_type: "t".into(),
            subject: None,
            reason: "r".into(),
            attempts: 1,
        };
        event("/s", DateTime::UNIX_EPOCH, &fact)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_one_fact_tries_for_all_of_its_type_and_the_pauses_grow_to_a_minute() {
        let (doors, facts) = (Doors::default(), [hint()]);
        let mut tries = 0;
        for second in 0..3600 {
            for _ in 0..100 {
                if doors.let_through(&facts, Instant::now()) {
                    tries += 1;
                    doors.refused(&facts, Instant::now());
                }
            }
            assert!(doors.is_shut(&facts[0], Instant::now()), "open in second {second}");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((60..=67).contains(&tries), "{tries} tries in an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn a_type_that_is_refused_holds_up_no_other_and_opens_once_it_is_taken() {
        let doors = Doors::default();
        doors.refused(&[hint()], Instant::now());
        assert!(doors.let_through(&[fault()], Instant::now()));
        assert!(!doors.let_through(&[fault(), hint()], Instant::now()));
        tokio::time::advance(PAUSE_MIN).await;
        assert!(doors.let_through(&[hint()], Instant::now()), "one tries");
        assert!(!doors.let_through(&[hint()], Instant::now()), "and only one");
        doors.taken(&[hint()]);
        assert!(doors.let_through(&[hint()], Instant::now()));
    }
}
