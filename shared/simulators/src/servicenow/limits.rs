//! How much an instance takes: rate-limit rules by the hour (vendor page "Inbound REST API rate limiting")
//! and the semaphores of a node, whose refusal says nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::ApiRequest;
use super::record::Record;
use super::world::World;

/// A pool of threads for requests and the queue before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SemaphoreKnob {
    /// How many requests are worked on at once.
    pub size: usize,
    /// How many wait; one more is refused.
    pub queue: usize,
}

/// What a rule says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) rule: String,
    pub(super) per_hour: u64,
    /// End of the hour, in Unix seconds.
    pub(super) reset: i64,
    /// Seconds to wait, when the request is refused.
    pub(super) refused: Option<i64>,
}

/// Requests by rule and user, in this hour.
#[derive(Debug, Default)]
pub(super) struct Counts {
    hour: i64,
    counted: BTreeMap<(String, String), Count>,
}

#[derive(Debug, Default)]
struct Count {
    now: u64,
    /// What the instance knows: nodes tell each other only now and then.
    flushed: u64,
    slot: i64,
}

const HOUR: i64 = 3600;

/// Counts a request against the rule that concerns it.
pub(super) fn count(world: &mut World, request: &ApiRequest) -> Option<Limited> {
    let rule = rule_for(world, request)?;
    let (id, per_hour) = (rule.get("sys_id").to_owned(), rule.get("limit").parse().ok()?);
    let now = world.now.timestamp();
    let reset = (now.div_euclid(HOUR) + 1) * HOUR;
    let flush = i64::try_from(world.knobs.rate_limit_flush_s).unwrap_or(HOUR);
    let counts = &mut world.counts;
    if counts.hour != reset {
        *counts = Counts { hour: reset, ..Counts::default() };
    }
    let count = counts.counted.entry((id.clone(), request.actor.user_name.clone())).or_default();
    let slot = if flush == 0 { 0 } else { now.div_euclid(flush) };
    if flush == 0 || slot != count.slot {
        (count.flushed, count.slot) = (count.now, slot);
    }
    let refused = (count.flushed >= per_hour).then_some(reset - now);
    count.now += 1;
    Some(Limited { rule: id, per_hour, reset, refused })
}

/// A user's rule goes before a role's, and that before one for all; of several roles the lowest counts.
fn rule_for<'a>(world: &'a World, request: &ApiRequest) -> Option<&'a Record> {
    let limit = |rule: &Record| rule.get("limit").parse::<u64>().unwrap_or(u64::MAX);
    let rules = world.rows("sys_rate_limit_rules").map(|(_, rule)| rule);
    rules.filter(|rule| concerns(rule, request)).min_by_key(|rule| (rank(rule), limit(rule)))
}

fn rank(rule: &Record) -> u8 {
    match (rule.get("user"), rule.get("role")) {
        ("", "") => 2,
        ("", _) => 1,
        _ => 0,
    }
}

fn concerns(rule: &Record, request: &ApiRequest) -> bool {
    let or_any = |field: &str, fits: &dyn Fn(&str) -> bool| {
        let value = rule.get(field);
        value.is_empty() || fits(value)
    };
    rule.get("active") != "false"
        && or_any("user", &|user| user == request.actor.sys_id)
        && or_any("role", &|role| request.actor.has_role(role))
        && or_any("table", &|table| request.table() == Some(table))
        && or_any("method", &|method| method.eq_ignore_ascii_case(&request.method))
        && or_any("resource", &|resource| request.path.contains(resource))
}

/// The semaphores of a node.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Option<Set>>);

#[derive(Debug, Clone)]
struct Set {
    knob: SemaphoreKnob,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A place in the queue; it is given up when the request goes.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The queue is full.
pub(super) struct Full;

impl Pool {
    /// Waits for a thread, as long as there is room to wait.
    pub(super) async fn enter(
        &self,
        knob: Option<SemaphoreKnob>,
    ) -> Result<Option<OwnedSemaphorePermit>, Full> {
        let Some(knob) = knob else { return Ok(None) };
        let set = self.set(knob);
        if let Ok(permit) = set.permits.clone().try_acquire_owned() {
            return Ok(Some(permit));
        }
        let waiting = set.waiting.fetch_add(1, Ordering::SeqCst);
        let place = Place(set.waiting);
        if waiting >= knob.queue {
            return Err(Full);
        }
        let permit = set.permits.acquire_owned().await;
        drop(place);
        permit.map(Some).map_err(|_| Full)
    }

    /// A knob that was turned begins with all its threads free.
    fn set(&self, knob: SemaphoreKnob) -> Set {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*set {
            Some(known) if known.knob == knob => known.clone(),
            _ => {
                let permits = Arc::new(Semaphore::new(knob.size));
                set.insert(Set { knob, permits, waiting: Arc::default() }).clone()
            }
        }
    }
}
