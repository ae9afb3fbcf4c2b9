//! What no webhook told: deliveries that the platform could not hand over, and gates that nobody knows of.
//!
//! A turn publishes again what it finds. What stands in the log needs nothing more: the queues have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{AttributesReader, DeploymentRequested, Event, EventData, data_of};
use interlock_platforms::{Place, Platform, PlatformError, Undelivered};
use interlock_runtime::ports::broker::{BrokerError, LogEntry};
use interlock_runtime::worker::{Found, Task};

use crate::Desk;

/// Deliveries that one turn reads; each costs a call.
const READ_MAX: usize = 200;
/// As long as a platform can show a delivery.
const KEPT: TimeDelta = TimeDelta::days(3);
const HANDLED_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
/// A delivery under way at the last turn had not failed yet.
const UNDER_WAY: TimeDelta = TimeDelta::minutes(10);
const LOG_MAX: usize = 50_000;

/// Takes up both in one turn: what the first finds is not in the log yet when the second looks.
pub(crate) struct SweepLost {
    deliveries: SweepDeliveries,
    gates: SweepGates,
}

impl SweepLost {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        let gates = SweepGates { desk: desk.clone(), turn: AtomicU32::new(0) };
        Self { deliveries: SweepDeliveries { desk }, gates }
    }
}

#[async_trait]
impl Task for SweepLost {
    async fn turn(&self) -> Found {
        let mut repeats = self.deliveries.turn().await;
        let told: BTreeSet<String> = repeats.iter().map(|event| event.id().to_owned()).collect();
        let mut gates = self.gates.turn().await;
        gates.retain(|event| !told.contains(event.id()));
        count("delivery", repeats.len());
        count("gate", gates.len());
        repeats.append(&mut gates);
        Found { repeats, ..Found::default() }
    }
}

fn count(what: &'static str, found: usize) {
    if found > 0 {
        tracing::warn!(what, found, "taking up what no webhook has brought");
        metrics::counter!("interlock_swept_total", "what" => what).increment(found as u64);
    }
}

/// Takes up what the platforms could not deliver.
struct SweepDeliveries {
    desk: Arc<Desk>,
}

impl SweepDeliveries {
    async fn turn(&self) -> Vec<Event> {
        let mut repeats = Vec::new();
        for (name, platform) in platforms(&self.desk) {
            match self.sweep(name, platform).await {
                Ok(found) => repeats.extend(found),
                Err(fault) => tracing::warn!(connection.name = name, %fault, "cannot look for lost webhooks"),
            }
        }
        repeats
    }
}

/// One platform once, whatever names it has had.
fn platforms(desk: &Desk) -> impl Iterator<Item = (&str, &dyn Platform)> {
    let all = desk.platforms.iter().filter(|(name, platform)| *name == platform.connection());
    all.map(|(name, platform)| (name.as_str(), &**platform))
}

impl SweepDeliveries {
    async fn sweep(&self, name: &str, platform: &dyn Platform) -> Result<Vec<Event>, PlatformError> {
        let began = self.desk.context.clock.now();
        let look = platform.undelivered(self.since(name, began).await).await?;
        let (mut read, mut open) = (Vec::new(), None);
        for one in &look.undelivered {
            match self.read(name, platform, one, read.len()).await {
                Some(events) => read.push((one, events)),
                None if self.is_handled(name, one).await => {}
                None => open = earlier(open, one.at),
            }
        }
        let told = self.told(read.iter().map(|(one, _)| one.at).min()).await;
        let mut repeats = Vec::new();
        for (one, mut events) in read {
            events.retain(|event| !told.contains(event.id()));
            if events.is_empty() {
                self.handled(name, one).await;
            } else {
                open = earlier(open, one.at);
                repeats.extend(events);
            }
        }
        if look.whole {
            let upto = open.unwrap_or(began).to_rfc3339();
            let _ = self.desk.context.store.put(&format!("swept:{name}"), &upto, HANDLED_LIFE).await;
        }
        Ok(repeats)
    }

    /// What a delivery says. `None` where nothing is to be done, or nothing can be done now.
    async fn read(
        &self,
        name: &str,
        platform: &dyn Platform,
        one: &Undelivered,
        so_far: usize,
    ) -> Option<Vec<Event>> {
        if so_far >= READ_MAX || self.is_handled(name, one).await {
            return None;
        }
        match platform.read_back(&one.id).await {
            Ok(Some(webhook)) => {
                Some(platform.parse(&webhook).map(|parsed| parsed.events).unwrap_or_default())
            }
            Ok(None) => {
                // Its payload is not to be had: the platform itself must send it.
                match platform.send_again(&one.id).await {
                    Ok(()) | Err(PlatformError::Gone) => self.handled(name, one).await,
                    Err(fault) => tracing::debug!(%fault, "a lost webhook is not sent again yet"),
                }
                None
            }
            Err(fault) => {
                tracing::debug!(%fault, "a lost webhook cannot be read yet");
                None
            }
        }
    }

    /// From when on deliveries may be open. Without the Store everything is looked through again.
    async fn since(&self, name: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        let swept = self.desk.context.store.get(&format!("swept:{name}")).await.ok().flatten();
        let swept = swept.and_then(|at| at.parse::<DateTime<Utc>>().ok());
        swept.map_or(now - KEPT, |at| at - UNDER_WAY)
    }

    async fn is_handled(&self, name: &str, one: &Undelivered) -> bool {
        self.desk.context.store.get(&key(name, one)).await.is_ok_and(|found| found.is_some())
    }

    async fn handled(&self, name: &str, one: &Undelivered) {
        // Without the note it is done once more, which is harmless.
        let _ = self.desk.context.store.put(&key(name, one), "1", HANDLED_LIFE).await;
    }

    /// The ids of all that was published since; none while the log cannot be read.
    async fn told(&self, since: Option<DateTime<Utc>>) -> BTreeSet<String> {
        let Some(since) = since else { return BTreeSet::new() };
        let entries = self.desk.context.broker.log(since - UNDER_WAY, &[], LOG_MAX).await;
        entries.unwrap_or_default().iter().map(|entry| entry.event.id().to_owned()).collect()
    }
}

fn key(name: &str, one: &Undelivered) -> String {
    format!("swept:{name}:{}", one.id)
}

fn earlier(open: Option<DateTime<Utc>>, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Some(open.map_or(at, |open| open.min(at)))
}

/// Finds gates that wait and that no chain knows of.
struct SweepGates {
    desk: Arc<Desk>,
    turn: AtomicU32,
}

/// Calls of one turn and platform, and how many places they are for.
const CALLS_MAX: u32 = 120;
const PLACES_MAX: usize = 60;
/// So far back the log tells where gates wait, and which are known.
const KNOWN_SINCE: TimeDelta = TimeDelta::hours(24);

impl SweepGates {
    async fn turn(&self) -> Vec<Event> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let requests = match self.requests().await {
            Ok(requests) => requests,
            Err(fault) => {
                tracing::debug!(%fault, "without the log nobody knows which gates are known");
                return Vec::new();
            }
        };
        let mut repeats = Vec::new();
        for (name, platform) in platforms(&self.desk) {
            match self.sweep(platform, &requests, turn).await {
                Ok(found) => repeats.extend(found),
                Err(fault) => tracing::warn!(connection.name = name, %fault, "cannot look for unknown gates"),
            }
        }
        repeats
    }

    async fn requests(&self) -> Result<Vec<LogEntry>, BrokerError> {
        let since = self.desk.context.clock.now() - KNOWN_SINCE;
        self.desk.context.broker.log(since, &[DeploymentRequested::TYPE], LOG_MAX).await
    }

    async fn sweep(
        &self,
        platform: &dyn Platform,
        requests: &[LogEntry],
        turn: u32,
    ) -> Result<Vec<Event>, PlatformError> {
        let told: BTreeSet<&str> = requests.iter().map(|entry| entry.event.id()).collect();
        let (mut calls, mut found) = (CALLS_MAX, Vec::new());
        for place in self.places(platform, requests, turn).await? {
            match platform.waiting(&place, &mut calls).await {
                Ok(events) => found.extend(events),
                Err(PlatformError::Paused(pause)) => return Err(PlatformError::Paused(pause)),
                Err(fault) => tracing::debug!(%fault, "one place cannot be looked at"),
            }
            if calls == 0 {
                break;
            }
        }
        let mut unknown = Vec::new();
        for event in found.into_iter().filter(|event| !told.contains(event.id())) {
            if self.is_unknown(&event).await {
                unknown.push(event);
            }
        }
        Ok(unknown)
    }

    /// Half of a turn goes to where gates were seen last, half round through all the rest.
    async fn places(
        &self,
        platform: &dyn Platform,
        requests: &[LogEntry],
        turn: u32,
    ) -> Result<Vec<Place>, PlatformError> {
        let mut seen = BTreeMap::new();
        for (number, entry) in requests.iter().enumerate() {
            let request = data_of::<DeploymentRequested>(&entry.event).ok();
            if let Some(place) = request.and_then(|request| platform.place_of(&request.gate?)) {
                seen.insert(place, number);
            }
        }
        let mut places: Vec<_> = seen.into_iter().map(|(place, last)| (last, place)).collect();
        places.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
        let mut places: Vec<Place> = places.into_iter().map(|(_, place)| place).collect();
        let rest = places.split_off(places.len().min(PLACES_MAX / 2));
        let listed = match platform.places(turn % PAGES_MAX).await? {
            Some(page) => page,
            None => platform.places(0).await?.unwrap_or_default(),
        };
        let mut rest: Vec<Place> =
            rest.into_iter().chain(listed).filter(|place| !places.contains(place)).collect();
        if !rest.is_empty() {
            let by = (turn as usize).wrapping_mul(PLACES_MAX / 2) % rest.len();
            rest.rotate_left(by);
        }
        rest.truncate(PLACES_MAX / 2);
        places.extend(rest);
        Ok(places)
    }

    /// Its webhook may still be on its way; its copy in the Store says that a chain lives.
    async fn is_unknown(&self, event: &Event) -> bool {
        let Ok(request) = data_of::<DeploymentRequested>(event) else { return false };
        let age = self.desk.context.clock.now() - request.requested_at;
        let ripe = self.desk.sweep.min(Duration::from_secs(60));
        age.to_std().is_ok_and(|age| age >= ripe)
            && self.desk.recall(&request.deployment.key.hash()).await.is_none()
    }
}

/// Pages of places that turns go round through.
const PAGES_MAX: u32 = 10;
