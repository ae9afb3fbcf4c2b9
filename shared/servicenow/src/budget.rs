//! The budget of calls to one instance, shared by all processes through the Store: permits, a pause that everybody
//! keeps, and the calls of the hour. Without the Store: one call at a time in each process.

mod limits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::{Admission, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::limits::{Count, Hourly, KEPT, Limits};
use crate::error::Fault;

/// How urgent a call is. The last permit is kept for [`Lane::Gate`], and so is the end of an hour's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A pipeline waits at its gate.
    Gate,
    /// A change is driven to its end.
    Close,
    /// All else, in bulk.
    Rest,
}

impl Lane {
    /// Of the calls that an instance takes in an hour it makes none beyond so many.
    fn percent(self) -> u64 {
        match self {
            Self::Gate => 100,
            Self::Close => 95,
            Self::Rest => 70,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Close => "close",
            Self::Rest => "rest",
        }
    }
}

/// How long a call waits for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It comes again.
    For(Duration),
    /// It does not: as long as its deadline leaves time for an answer.
    ToTheLast,
}

impl Patience {
    pub(crate) fn of(lane: Lane, patient: bool) -> Self {
        match lane {
            Lane::Gate if patient => Self::ToTheLast,
            Lane::Gate => Self::For(Duration::from_secs(2)),
            Lane::Close | Lane::Rest => Self::For(Duration::from_secs(5)),
        }
    }

    fn ends(self, now: Instant, deadline: Instant) -> Instant {
        match self {
            Self::For(patience) => deadline.min(now + patience),
            Self::ToTheLast => deadline.checked_sub(ANSWER_MIN).unwrap_or(now).max(now),
        }
    }
}

/// A lease outlives its call by this much, so that a late answer still counts as under way.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// Longest pause for a 429 without advice; it starts at a second.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Limits are counted by the hour (ServiceNow docs, "Inbound REST API rate limiting").
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Shortest time between two questions for a permit.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(20);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(500);
/// What is left for the call itself when nobody waits for its permit any longer.
const ANSWER_MIN: Duration = Duration::from_secs(2);
const AGAIN_WHILE_BACK_SPREAD_MS: u64 = 9_000;
/// Who is held back until the next hour asks again after this at most: the limit may have been raised.
const HELD_BACK_MAX: Duration = Duration::from_secs(300);

pub(crate) struct Budget {
    instance: String,
    permits: u32,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    alone: Arc<Semaphore>,
    mood: Mutex<Mood>,
}

/// What this process has learned of the instance.
#[derive(Default)]
struct Mood {
    /// 429 without advice, one after the other.
    refusals: u32,
    /// As all processes know them.
    limits: Limits,
    /// For the time without a Store.
    paused_until: Option<Instant>,
}

/// The right to make one call. Dropped in mid-call it goes back by itself, so that callers who
/// give up do not keep others waiting until the lease ends.
pub(crate) struct Permit {
    held: Option<(Arc<dyn Store>, String, String)>,
    _alone: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) async fn give_back(mut self) {
        if let Some((store, instance, holder)) = self.held.take() {
            // What fails here ends by its lease.
            let _ = store.give_back(&instance, &holder).await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some((store, instance, holder)), Ok(runtime)) = (self.held.take(), runtime) {
            runtime.spawn(async move { store.give_back(&instance, &holder).await });
        }
    }
}

impl Budget {
    pub(crate) fn new(instance: &str, permits: u32, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Self {
        Self {
            instance: instance.to_owned(),
            permits: permits.max(1),
            clock,
            store,
            alone: Arc::new(Semaphore::new(1)),
            mood: Mutex::default(),
        }
    }

    /// Waits for a permit, as long as patience and the deadline allow. An instance that has just come
    /// back has few, `while_back`, and nobody waits for one: those who did in its absence are many.
    pub(crate) async fn admit(
        &self,
        lane: Lane,
        patience: Patience,
        deadline: Instant,
        while_back: Option<u32>,
    ) -> Result<Permit, Fault> {
        let patience = if while_back.is_some() { Patience::For(Duration::ZERO) } else { patience };
        self.catch_up().await;
        self.hold_back(lane).await?;
        let give_up = patience.ends(self.clock.instant(), deadline);
        let holder = self.clock.tag();
        loop {
            let now = self.clock.instant();
            if let Some(wait) = self.local_pause(now) {
                return Err(paused(wait, "the instance asked for a pause"));
            }
            let lease = deadline.saturating_duration_since(now) + LEASE_MARGIN;
            let limit = while_back.map_or_else(|| self.limit(lane), |few| few.min(self.limit(lane)));
            match self.store.acquire(&self.instance, &holder, limit, lease).await {
                Ok(Admission::Admitted) => {
                    let held = Some((self.store.clone(), self.instance.clone(), holder));
                    return Ok(Permit { held, _alone: None });
                }
                Ok(Admission::Paused(wait)) => return Err(paused(wait, "the instance asked for a pause")),
                Ok(Admission::Busy(hint)) => {
                    let wait = hint.clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX);
                    if self.clock.instant() + wait > give_up {
                        let wait =
                            if while_back.is_some() { self.a_while() } else { hint.max(ASK_AGAIN_MAX) };
                        return Err(paused(wait, "all permits for calls are out"));
                    }
                    tokio::time::sleep(wait).await;
                }
                Err(_) => return self.admit_alone(give_up).await,
            }
        }
    }

    /// What other processes have learned.
    async fn catch_up(&self) {
        let held = self.store.get(&self.limits_key()).await.ok().flatten();
        if let Some(limits) = held.and_then(|json| serde_json::from_str(&json).ok()) {
            self.mood().limits = limits;
        }
        self.show();
    }

    async fn tell(&self) {
        let json = serde_json::to_string(&self.mood().limits);
        let Ok(json) = json else { return };
        // What is not told the others learn by themselves.
        let _ = self.store.put(&self.limits_key(), &json, KEPT).await;
    }

    fn limits_key(&self) -> String {
        format!("limits:{}", self.instance)
    }

    /// The last calls of an hour are kept for whoever is more urgent. Others fail at once, and nobody waits for them.
    async fn hold_back(&self, lane: Lane) -> Result<(), Fault> {
        let Some(count) = self.count().filter(|_| lane != Lane::Gate) else { return Ok(()) };
        let used = count.used().await;
        let wait = self.mood().limits.held_back(lane, used, self.clock.now());
        let Some(wait) = wait else { return Ok(()) };
        let labels = [("instance", self.instance.clone()), ("lane", lane.label().to_owned())];
        metrics::counter!("interlock_servicenow_held_back_total", &labels).increment(1);
        let wait = self.clock.jittered(wait.clamp(Duration::from_secs(1), HELD_BACK_MAX));
        Err(paused(wait, "the rest of this hour's calls is kept for gates"))
    }

    fn count(&self) -> Option<Count<'_>> {
        let now = self.clock.now();
        let ends = self.mood().limits.hourly(now)?.ends(now);
        Some(Count { store: &*self.store, instance: &self.instance, ends })
    }

    /// A refusal by an hourly rule names the rule; where it does not name the pause too, the hour's end is it.
    pub(crate) fn until_reset(&self, headers: &HeaderMap) -> Option<Duration> {
        let now = self.clock.now();
        (Hourly::of(headers, now)?.ends(now) - now).to_std().ok()
    }

    /// Takes in what an answer says of the hour's calls, and counts it.
    pub(crate) async fn learn(&self, headers: &HeaderMap) {
        let now = self.clock.now();
        let told = Hourly::of(headers, now);
        let is_news = told.is_some_and(|told| self.mood().limits.learn(told, now));
        if is_news {
            self.tell().await;
        }
        let Some(count) = self.count() else { return };
        let used = count.one_more().await;
        let labels = [("instance", self.instance.clone())];
        #[expect(clippy::cast_precision_loss, reason = "a gauge takes floats; calls are few")]
        metrics::gauge!("interlock_servicenow_hour_calls", &labels).set(used as f64);
    }

    fn show(&self) {
        let (now, labels) = (self.clock.now(), [("instance", self.instance.clone())]);
        let limits = self.mood().limits.clone();
        metrics::gauge!("interlock_servicenow_permits", &labels)
            .set(f64::from(limits.permits(self.permits, now)));
        #[expect(clippy::cast_precision_loss, reason = "a gauge takes floats; calls are few")]
        if let Some(hourly) = limits.hourly(now) {
            metrics::gauge!("interlock_servicenow_hour_limit", &labels).set(hourly.per_hour as f64);
        }
    }

    /// So that those who wait for an instance to come back do not all come at one moment.
    fn a_while(&self) -> Duration {
        Duration::from_millis(1_000 + self.clock.random() % AGAIN_WHILE_BACK_SPREAD_MS)
    }

    async fn admit_alone(&self, give_up: Instant) -> Result<Permit, Fault> {
        let permit = tokio::time::timeout_at(give_up, self.alone.clone().acquire_owned()).await;
        match permit {
            Ok(Ok(permit)) => Ok(Permit { held: None, _alone: Some(permit) }),
            _ => Err(paused(ASK_AGAIN_MAX, "without the store one call is made at a time")),
        }
    }

    /// The instance refused for rate (429). With advice it is a rule of so many calls an hour; without,
    /// its threads are all busy, and fewer calls at once are what helps.
    pub(crate) async fn refused(&self, retry_after: Option<Duration>) -> Fault {
        let now = self.clock.instant();
        let wait = match retry_after {
            Some(wait) => wait.clamp(Duration::from_secs(1), RETRY_AFTER_MAX),
            None => {
                let wait = self.back_off();
                self.tell().await;
                wait
            }
        };
        self.mood().paused_until = Some(now + wait);
        if let Err(error) = self.store.pause(&self.instance, wait).await {
            tracing::warn!(%error, "other processes do not learn that the instance wants a pause");
        }
        paused(wait, "the instance limits the rate of calls (429)")
    }

    /// The instance took a call.
    pub(crate) fn accepted(&self) {
        self.mood().refusals = 0;
    }

    fn back_off(&self) -> Duration {
        let mut mood = self.mood();
        mood.limits.halve(self.permits, self.clock.now());
        mood.refusals = mood.refusals.saturating_add(1);
        let longest = Duration::from_secs(1 << mood.refusals.min(6)).min(BACKOFF_MAX);
        drop(mood);
        let spread = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_sub(1000).max(1);
        Duration::from_millis(1000 + self.clock.random() % spread)
    }

    fn limit(&self, lane: Lane) -> u32 {
        let limit = self.mood().limits.permits(self.permits, self.clock.now());
        if lane == Lane::Gate { limit } else { (limit - 1).max(1) }
    }

    fn local_pause(&self, now: Instant) -> Option<Duration> {
        let until = self.mood().paused_until?;
        (until > now).then(|| until - now)
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paused(wait: Duration, reason: &str) -> Fault {
    Fault::Paused { wait, reason: reason.to_owned() }
}
