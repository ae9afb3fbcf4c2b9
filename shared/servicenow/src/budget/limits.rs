//! What all processes know of an instance's limits: calls by the hour, as its answers tell, and permits that are done
//! without for a while. It stands in the Store; each process keeps it too, for when the Store is away.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use interlock_runtime::ports::store::{Claim, Store};
use serde::{Deserialize, Serialize};

use super::Lane;

/// Limits are counted by the hour (ServiceNow docs, "Inbound REST API rate limiting").
const HOUR: i64 = 3_600;
/// A rule that no answer has named for so long is not believed any more.
const BELIEVED: TimeDelta = TimeDelta::hours(2);
/// How long what is shared is kept.
pub(super) const KEPT: Duration = Duration::from_secs(2 * 3_600);
/// After a 429 without advice one permit comes back in this time.
const RECOVERY: TimeDelta = TimeDelta::seconds(60);
/// Processes that count at one moment try so often; who loses each time is not counted.
const COUNT_TRIES: u32 = 8;

/// As it stands in the Store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    hourly: Option<Hourly>,
    /// Permits that everybody does without, and when the next one comes back.
    withheld: u32,
    regained_at: Option<DateTime<Utc>>,
}

/// A rule of the instance that concerns us. There is no header for what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hourly {
    pub(super) per_hour: u64,
    /// End of the hour, by the instance.
    resets_at: DateTime<Utc>,
    rule: String,
    seen_at: DateTime<Utc>,
}

impl Hourly {
    /// What an answer says.
    pub(super) fn of(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let per_hour = text("x-ratelimit-limit")?.parse().ok().filter(|limit| *limit > 0)?;
        let resets_at =
            text("x-ratelimit-reset").and_then(|at| DateTime::from_timestamp(at.parse().ok()?, 0));
        let is_of_this_hour = |at: &DateTime<Utc>| *at > now && *at <= now + TimeDelta::seconds(HOUR);
        let resets_at = resets_at.filter(is_of_this_hour).unwrap_or_else(|| next_hour(now));
        let rule = text("x-ratelimit-rule").unwrap_or_default().chars().take(64).collect();
        Some(Self { per_hour, resets_at, rule, seen_at: now })
    }

    /// When the hour ends that `now` is in.
    pub(super) fn ends(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.resets_at > now { self.resets_at } else { next_hour(now) }
    }

    /// So many calls, and this lane makes no more.
    fn share(&self, lane: Lane) -> u64 {
        self.per_hour * lane.percent() / 100
    }
}

fn next_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    let ends = (now.timestamp().div_euclid(HOUR) + 1) * HOUR;
    DateTime::from_timestamp(ends, 0).unwrap_or(now)
}

impl Limits {
    /// The rule that concerns us, as far as it is known.
    pub(super) fn hourly(&self, now: DateTime<Utc>) -> Option<&Hourly> {
        self.hourly.as_ref().filter(|hourly| now - hourly.seen_at < BELIEVED)
    }

    /// Takes in what an answer says; `true` if others should know. Several rules may concern us: the lowest counts.
    pub(super) fn learn(&mut self, told: Hourly, now: DateTime<Utc>) -> bool {
        if let Some(known) = self.hourly(now) {
            let same = known.rule == told.rule && known.per_hour == told.per_hour;
            let is_as_known =
                same && known.ends(now) == told.ends(now) && told.seen_at - known.seen_at < BELIEVED / 4;
            if is_as_known || (known.rule != told.rule && known.per_hour < told.per_hour) {
                return false;
            }
        }
        self.hourly = Some(told);
        true
    }

    /// Of `permits`, so many are used now.
    pub(super) fn permits(&self, permits: u32, now: DateTime<Utc>) -> u32 {
        permits.saturating_sub(self.withheld_at(now)).max(1)
    }

    fn withheld_at(&self, now: DateTime<Utc>) -> u32 {
        let Some(at) = self.regained_at.filter(|at| *at <= now) else { return self.withheld };
        let minutes = (now - at).num_seconds() / RECOVERY.num_seconds() + 1;
        self.withheld.saturating_sub(u32::try_from(minutes).unwrap_or(u32::MAX))
    }

    /// Half of the permits are done without; each minute gives one back.
    pub(super) fn halve(&mut self, permits: u32, now: DateTime<Utc>) {
        self.withheld = permits - (self.permits(permits, now) / 2).max(1);
        self.regained_at = Some(now + RECOVERY);
    }

    /// How long this lane waits for the next hour, of which so many calls are used; `None` if it need not.
    pub(super) fn held_back(&self, lane: Lane, used: u64, now: DateTime<Utc>) -> Option<Duration> {
        let hourly = self.hourly(now)?;
        let is_over = lane != Lane::Gate && used >= hourly.share(lane);
        is_over.then(|| (hourly.ends(now) - now).to_std().unwrap_or_default())
    }
}

/// Calls of the hour that ends then, counted by all processes.
pub(super) struct Count<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) instance: &'a str,
    pub(super) ends: DateTime<Utc>,
}

impl Count<'_> {
    fn key(&self) -> String {
        format!("calls:{}:{}", self.instance, self.ends.timestamp())
    }

    /// So many by now; without the Store nobody knows.
    pub(super) async fn used(&self) -> u64 {
        let held = self.store.get(&self.key()).await.ok().flatten();
        held.and_then(|held| held.parse().ok()).unwrap_or(0)
    }

    /// One more; says how many that makes.
    pub(super) async fn one_more(&self) -> u64 {
        let key = self.key();
        for _ in 0..COUNT_TRIES {
            let Ok(held) = self.store.get(&key).await else { return 0 };
            let used = held.as_deref().and_then(|held| held.parse::<u64>().ok()).unwrap_or(0) + 1;
            let counted = match held {
                Some(held) => self.store.swap(&key, &held, &used.to_string(), KEPT).await,
                None => {
                    self.store.claim(&key, &used.to_string(), KEPT).await.map(|claim| claim == Claim::Won)
                }
            };
            match counted {
                Ok(true) => return used,
                Ok(false) => {}
                Err(_) => return 0,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_355_600 + seconds, 0).unwrap()
    }

    fn hourly(per_hour: u64, rule: &str, now: DateTime<Utc>) -> Hourly {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit", per_hour.to_string().parse().unwrap());
        headers.insert("x-ratelimit-rule", rule.parse().unwrap());
        headers.insert("x-ratelimit-reset", at(3_600).timestamp().to_string().parse().unwrap());
        Hourly::of(&headers, now).unwrap()
    }

    #[test]
    fn of_a_thousand_calls_an_hour_the_rest_gets_seven_hundred_and_gates_all() {
        let mut limits = Limits::default();
        assert_eq!(limits.held_back(Lane::Rest, 1_000_000, at(0)), None, "no answer has named a limit");
        limits.learn(hourly(1_000, "a", at(0)), at(0));
        let wait = Some(Duration::from_secs(3_000));
        for (lane, used, held_back) in [
            (Lane::Rest, 699, None),
            (Lane::Rest, 700, wait),
            (Lane::Close, 700, None),
            (Lane::Close, 949, None),
            (Lane::Close, 950, wait),
            (Lane::Gate, 5_000, None),
        ] {
            assert_eq!(limits.held_back(lane, used, at(600)), held_back, "{lane:?} at {used}");
        }
    }

    #[test]
    fn of_several_rules_the_lowest_counts_until_it_is_not_named_any_more() {
        let mut limits = Limits::default();
        assert!(limits.learn(hourly(5_000, "a", at(0)), at(0)));
        assert!(limits.learn(hourly(1_000, "b", at(1)), at(1)));
        assert!(!limits.learn(hourly(5_000, "a", at(2)), at(2)), "another rule that allows more");
        assert!(!limits.learn(hourly(1_000, "b", at(3)), at(3)), "nothing new");
        assert!(limits.learn(hourly(2_000, "b", at(4)), at(4)), "the rule itself was raised");
        assert_eq!(limits.hourly(at(5)).unwrap().per_hour, 2_000);
        assert!(limits.learn(hourly(5_000, "a", at(9_000)), at(9_000)));
    }

    #[test]
    fn permits_are_halved_and_come_back_one_a_minute() {
        let mut limits = Limits::default();
        assert_eq!(limits.permits(8, at(0)), 8);
        limits.halve(8, at(0));
        let seen: Vec<u32> = (0..6).map(|minute| limits.permits(8, at(minute * 60))).collect();
        assert_eq!(seen, [4, 5, 6, 7, 8, 8]);
        limits.halve(8, at(60));
        assert_eq!((limits.permits(8, at(60)), limits.permits(8, at(120))), (2, 3));
        limits.halve(1, at(60));
        assert_eq!(limits.permits(1, at(60)), 1, "never none");
    }
}
