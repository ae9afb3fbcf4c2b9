//! How far an instance's changes were followed. It stands in the Store, so that any process goes on from there; where
//! it is lost everything is followed anew, and each gate reads its record by itself once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_servicenow::{Mark, NUMBERS_MAX};
use serde::{Deserialize, Serialize};

use crate::Desk;

/// Longer than an outage that is caught up with.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// In so long every open gate's change is asked for once, whatever was seen of it.
const PASS: TimeDelta = TimeDelta::minutes(10);
/// Queries of the pass in one turn: one that fell behind catches up slowly.
const PASS_QUERIES_MAX: usize = 4;

/// Of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Followed {
    /// Of the Store in which it stands.
    pub epoch: String,
    /// Nothing that was written since was left out.
    pub since: DateTime<Utc>,
    pub changes: Mark,
    pub decisions: Mark,
    pub pass: Pass,
}

/// The pass over all open changes that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pass {
    began: DateTime<Utc>,
    done: usize,
    /// `sys_id` of the last that was asked for.
    upto: String,
}

impl Followed {
    fn begin(epoch: &str, now: DateTime<Utc>) -> Self {
        let pass = Pass { began: now, done: 0, upto: String::new() };
        let mark = Mark::before(now);
        Self { epoch: epoch.to_owned(), since: now, changes: mark.clone(), decisions: mark, pass }
    }
}

impl Pass {
    /// Those whose turn it is, evenly over the pass; `all` is in the order of ids.
    pub(super) fn next<'a, T>(
        &self,
        all: &'a [(String, T)],
        (now, soon): (DateTime<Utc>, TimeDelta),
    ) -> Vec<&'a [(String, T)]> {
        let left = &all[all.partition_point(|(sys_id, _)| *sys_id <= self.upto)..];
        let share = (now + soon - self.began).as_seconds_f64() / PASS.as_seconds_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a number of gates"
        )]
        let due = ((all.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize).saturating_sub(self.done);
        let whole = due.min(left.len()) / NUMBERS_MAX * NUMBERS_MAX;
        let due = if share >= 1.0 { left.len() } else { whole };
        left[..due].chunks(NUMBERS_MAX).take(PASS_QUERIES_MAX).collect()
    }

    /// So many were asked for, up to this one.
    pub(super) fn went_on(&mut self, count: usize, upto: &str) {
        self.done += count;
        upto.clone_into(&mut self.upto);
    }

    /// Nobody is left: the next pass begins when this one's time is over.
    pub(super) fn end<T>(&mut self, all: &[(String, T)], now: DateTime<Utc>) -> bool {
        let is_over = now - self.began >= PASS && all.last().is_none_or(|(last, _)| *last <= self.upto);
        if is_over {
            *self = Self { began: now, done: 0, upto: String::new() };
        }
        is_over
    }
}

impl Desk {
    /// `None` without the Store: then nobody can know what another process has seen.
    pub(super) async fn followed(&self, instance: &str) -> Option<Followed> {
        let store = &self.context.store;
        let epoch = store.epoch().await.ok()?.id;
        let held = store.get(&key(instance)).await.ok()?;
        let followed = held.and_then(|json| serde_json::from_str::<Followed>(&json).ok());
        Some(match followed.filter(|followed| followed.epoch == epoch) {
            Some(followed) => followed,
            None => Followed::begin(&epoch, self.context.clock.now()),
        })
    }

    pub(super) async fn keep_followed(&self, instance: &str, followed: &Followed) {
        let Ok(json) = serde_json::to_string(followed) else { return };
        let _ = self.context.store.put(&key(instance), &json, KEPT).await;
    }
}

fn key(instance: &str) -> String {
    format!("follows:{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_355_600 + seconds, 0).unwrap()
    }

    fn ids(count: usize) -> Vec<(String, ())> {
        (0..count).map(|number| (format!("{number:032x}"), ())).collect()
    }

    /// Passes of so many gates within an hour of turns; whom each turn asked for.
    fn turns(gates: usize) -> Vec<(i64, usize, usize)> {
        let all = ids(gates);
        let mut pass = Followed::begin("1", at(0)).pass;
        let mut turns = Vec::new();
        for now in (0..3_600).step_by(15) {
            let chunks = pass.next(&all, (at(now), TimeDelta::seconds(15)));
            let asked: usize = chunks.iter().map(|chunk| chunk.len()).sum();
            turns.push((now, chunks.len(), asked));
            for chunk in chunks {
                pass.went_on(chunk.len(), &chunk[chunk.len() - 1].0);
            }
            pass.end(&all, at(now));
        }
        turns
    }

    #[test]
    fn in_ten_minutes_each_of_ten_thousand_is_asked_for_once_a_hundred_at_a_time() {
        for gates in [1, 99, 100, 101, 950, 10_000] {
            let turns = turns(gates);
            let asked: usize = turns.iter().map(|(_, _, asked)| asked).sum();
            assert!((gates * 5..=gates * 6).contains(&asked), "{gates}: {asked} in an hour");
            for minute in 0..60 {
                let of_minute = turns.iter().filter(|(now, _, _)| now / 60 == minute);
                let queries: usize = of_minute.map(|(_, queries, _)| queries).sum();
                assert!(
                    queries <= gates.div_ceil(1_000) + 1,
                    "{gates}: {queries} queries in minute {minute}"
                );
            }
        }
    }

    #[test]
    fn who_comes_in_between_is_asked_for_by_this_pass_or_the_next_and_who_goes_is_not() {
        let (mut all, mut pass) = (ids(300), Followed::begin("1", at(0)).pass);
        pass.went_on(100, &all[99].0);
        all.drain(50..150);
        let left: usize = pass.next(&all, (at(600), TimeDelta::zero())).iter().map(|chunk| chunk.len()).sum();
        assert_eq!(left, 150);
        pass.went_on(left, &all[all.len() - 1].0);
        assert!(!pass.end(&all, at(599)), "its time is not over");
        assert!(pass.end(&all, at(600)));
        assert_eq!(
            pass.next(&all, (at(1_200), TimeDelta::zero())).len(),
            2,
            "it begins with the first again"
        );
    }
}
