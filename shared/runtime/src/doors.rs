//! A queue that refuses closes the door to the events that it wants, but for one probe at a time: the other queues
//! took their copy of what was refused, and would take one more at each try.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A probe whose end is never told is given up after so long.
const PROBE: Duration = Duration::from_secs(5);

/// One door for each event type; only closed ones are noted, at most as many as the catalogue has types.
#[derive(Debug, Default)]
pub struct Doors {
    closed: Mutex<BTreeMap<String, Closed>>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    until: Instant,
    pause: Duration,
    probed: bool,
}

impl Doors {
    /// Events of this type would have to wait. Whoever only asks is no probe.
    #[must_use]
    pub fn is_closed(&self, ty: &str, now: Instant) -> bool {
        self.lock().get(ty).is_some_and(|door| now < door.until)
    }

    /// Lets events of these types through, or says how long their door stays closed. Who is let through a closed
    /// door is its probe, and must tell what became of it.
    ///
    /// # Errors
    /// How long the door stays closed.
    pub fn enter(&self, types: &[&str], now: Instant) -> Result<(), Duration> {
        let mut closed = self.lock();
        let mut mine: Vec<_> =
            closed.iter_mut().filter(|(ty, _)| types.contains(&ty.as_str())).map(|(_, door)| door).collect();
        let wait =
            mine.iter().map(|door| door.until.saturating_duration_since(now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        mine.iter_mut().for_each(|door| (door.until, door.probed) = (now + PROBE, true));
        Ok(())
    }

    /// A queue that wants one of them refused it. After a probe it stays closed for twice as long as before; those that
    /// were on their way when it was closed say nothing new. Says how long it stays closed.
    pub fn close(&self, types: &[&str], now: Instant) -> Duration {
        let mut closed = self.lock();
        let before = types.iter().filter_map(|ty| closed.get(*ty)).max_by_key(|door| door.pause).copied();
        let door = match before {
            None => Closed { until: now + PAUSE_MIN, pause: PAUSE_MIN, probed: false },
            Some(door) if !door.probed => door,
            Some(door) => {
                let pause = (door.pause * 2).min(PAUSE_MAX);
                Closed { until: now + pause, pause, probed: false }
            }
        };
        closed.extend(types.iter().map(|ty| ((*ty).to_owned(), door)));
        door.until.saturating_duration_since(now)
    }

    /// They went through.
    pub fn open(&self, types: &[&str]) {
        self.lock().retain(|ty, _| !types.contains(&ty.as_str()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTED: &str = "requested";
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_closed_door_lets_one_probe_through_and_waits_twice_as_long_each_time() {
        let (doors, mut now) = (Doors::default(), Instant::now());
        doors.enter(&[REQUESTED], now).unwrap();
        let mut pauses = vec![doors.close(&[REQUESTED], now)];
        for _ in 0..8 {
            let pause = *pauses.last().unwrap();
            assert_eq!(doors.enter(&[REQUESTED], now), Err(pause));
            assert!(doors.is_closed(REQUESTED, now) && !doors.is_closed(REQUESTED, now + pause));
            now += pause;
            doors.enter(&[REQUESTED], now).unwrap();
            assert_eq!(doors.enter(&[REQUESTED], now), Err(PROBE), "one probe at a time");
            pauses.push(doors.close(&[REQUESTED], now));
        }
        let seconds: Vec<_> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_are_refused_at_once_close_it_once() {
        let (doors, now) = (Doors::default(), Instant::now());
        for _ in 0..100 {
            doors.enter(&[REQUESTED], now).unwrap();
        }
        for _ in 0..100 {
            assert_eq!(doors.close(&[REQUESTED], now), SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_went_through_opens_it_and_forgets_the_pause() {
        let (doors, now) = (Doors::default(), Instant::now());
        doors.close(&[REQUESTED], now);
        doors.enter(&[REQUESTED], now + SECOND).unwrap();
        doors.open(&[REQUESTED]);
        doors.enter(&[REQUESTED], now + SECOND).unwrap();
        assert_eq!(doors.close(&[REQUESTED], now + SECOND), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_came_back_is_followed_by_another() {
        let (doors, now) = (Doors::default(), Instant::now());
        doors.close(&[REQUESTED], now);
        doors.enter(&[REQUESTED], now + SECOND).unwrap();
        doors.enter(&[REQUESTED], now + SECOND + PROBE).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_no_full_queue_wants_come_in_all_the_while() {
        let (doors, now) = (Doors::default(), Instant::now());
        doors.close(&[REQUESTED], now);
        doors.enter(&["record.changed"], now).unwrap();
        assert_eq!(doors.enter(&["record.changed", REQUESTED], now), Err(SECOND));
    }
}
