//! Where a delivery in hand is handled: its reaction is called, and its outcome carried out.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use interlock_events::{AttributesReader, Event, partition_of, traceparent_of};
use interlock_rules::{Standing, standing};
use tokio::sync::RwLock;
use tracing::Instrument;

use super::arrivals::Arrivals;
use super::room::{Size, Slot};
use super::rounds::Rounds;
use super::settlement::{self, Origin};
use super::subscriber::{Delivery, Handled, Reaction};
use super::{Context, audit};
use crate::doors::Doors;
use crate::ports::broker::{Delivered, PublishError, Settlement, Settler, Then, Tier, Travel};
use crate::ports::store::Chain;
use crate::signals::Shutdown;
use crate::telemetry;

/// Longest time that a reaction may take.
const REACTION_MAX: Duration = Duration::from_secs(60);
/// How long the Store remembers who holds a chain.
const CHAIN_LIFE: Duration = Duration::from_secs(15 * 60);
/// A delivery that the broker counts as returned more often is handled alone.
const RETURNED_MAX: u32 = 3;
/// A delivery that so many processes died with goes to the dead letters.
const CRASHES_MAX: u32 = 10;
const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where a worker's deliveries are handled.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) worker: &'static str,
    reactions: Arc<BTreeMap<&'static str, Arc<dyn Reaction>>>,
    pub(super) context: Context,
    arrivals: Arc<Arrivals>,
    rounds: Arc<Rounds>,
    /// Held by everybody for reading; by a suspected poison alone for writing.
    alone: Arc<RwLock<()>>,
    /// What is refused at the moment.
    doors: Arc<Doors>,
    /// Outcomes that the broker does not take: nothing new is pulled meanwhile.
    stuck: Arc<AtomicUsize>,
}

impl Desk {
    pub(super) fn new(
        worker: &'static str,
        reactions: BTreeMap<&'static str, Arc<dyn Reaction>>,
        arrivals: Arc<Arrivals>,
        context: Context,
    ) -> Self {
        let rounds = Arc::new(Rounds::new(Size::shared(context.concurrency, 0).each));
        Self {
            worker,
            reactions: Arc::new(reactions),
            context,
            arrivals,
            rounds,
            alone: Arc::default(),
            doors: Arc::default(),
            stuck: Arc::default(),
        }
    }

    /// Outcomes that the broker does not take hold up everything new.
    pub(super) async fn until_unstuck(&self, shutdown: &Shutdown) {
        while self.stuck.load(Ordering::Acquire) > 0 && !shutdown.has_begun() {
            let _ = tokio::time::timeout(Duration::from_millis(100), shutdown.begun()).await;
        }
    }

    /// What needs no reaction: its outcome. It takes no slot.
    pub(super) fn outcome_at_once(&self, delivered: &Delivered) -> Option<Settlement> {
        let travel = &delivered.travel;
        let event = match &delivered.event {
            Ok(event) => event,
            Err(unreadable) => {
                let reason = format!("the message is no event: {}", unreadable.reason);
                let then = Then::Dead { reason, attempts: travel.attempt };
                return Some(Settlement { publish: Vec::new(), then });
            }
        };
        if travel.owed {
            return Some(self.pay(travel, event));
        }
        if travel.crashes >= CRASHES_MAX {
            let reason = format!("{} processes died with it in hand", travel.crashes);
            return Some(self.conclude(Handled::Dead { reason }, delivered, event, None));
        }
        if delivered.returned > RETURNED_MAX {
            let travel = Travel { crashes: travel.crashes + 1, ..travel.clone() };
            return Some(settlement::unchanged(Tier::OneSecond, travel));
        }
        None
    }

    /// It is over its project's share: put off, as it came.
    pub(super) fn put_off(&self, delivered: &Delivered, project: &Option<String>) -> Settlement {
        metrics::counter!("interlock_deferred_total", "worker" => self.worker).increment(1);
        let tier = self.rounds.tier(project, self.context.clock.instant());
        settlement::unchanged(tier, delivered.travel.clone())
    }

    pub(super) async fn take(&self, delivered: Delivered, slot: Slot<Delivered>, settler: &dyn Settler) {
        let Ok(event) = &delivered.event else { return };
        let span = tracing::info_span!(
            "process",
            otel.name = %format!("process {}", event.ty()),
            otel.kind = "consumer",
            worker = self.worker,
            event.id = event.id(),
            event.type = event.ty(),
            event.subject = event.subject().unwrap_or_default(),
            attempt = delivered.travel.attempt,
        );
        let parent = delivered.travel.traceparent.clone().or_else(|| traceparent_of(event));
        telemetry::set_parent(&span, parent.as_deref());
        async {
            let settlement = self.decide(&delivered, event).await;
            drop(slot);
            self.settle(&delivered, settlement, settler).await;
        }
        .instrument(span)
        .await;
    }

    async fn decide(&self, delivered: &Delivered, event: &Event) -> Settlement {
        let began = self.context.clock.instant();
        let settlement = if delivered.travel.crashes > 0 {
            let _alone = self.alone.write().await;
            self.react(delivered, event).await
        } else {
            let _beside_others = self.alone.read().await;
            self.react(delivered, event).await
        };
        self.rounds.took(&partition_of(event), self.context.clock.instant() - began);
        settlement
    }

    /// A fact of ours that a queue refused before: published now, unless the queue still refuses its like.
    fn pay(&self, travel: &Travel, event: &Event) -> Settlement {
        if self.doors.is_closed(event.ty(), self.context.clock.instant()) {
            return settlement::unchanged(settlement::round(self.waited(travel)), travel.clone());
        }
        Settlement { publish: vec![event.clone()], then: Then::Ack }
    }

    fn waited(&self, travel: &Travel) -> Duration {
        (self.context.clock.now() - travel.first_at).to_std().unwrap_or_default()
    }

    /// It has reached its worker, whatever becomes of it: the audit need not take it up.
    pub(super) fn receipt(&self, delivered: &Delivered) -> Option<impl Future<Output = ()> + Send + use<>> {
        let event = fresh(delivered)?;
        self.arrivals.note(event.id());
        Some(audit::receipt(self.worker, event.id().to_owned(), self.context.clone()))
    }

    pub(super) async fn take_back_receipt(&self, delivered: &Delivered) {
        if let Some(event) = fresh(delivered) {
            self.arrivals.forget(event.id());
            audit::take_back_receipt(self.worker, event, &self.context).await;
        }
    }

    async fn react(&self, delivered: &Delivered, event: &Event) -> Settlement {
        let Some(reaction) = self.reactions.get(event.ty()) else {
            let reason = format!("{} does not react to {}", self.worker, event.ty());
            return self.conclude(Handled::Ignored(reason), delivered, event, None);
        };
        let chain = match reaction.chain(event) {
            Ok(chain) => chain.map(|key| chain_key(self.worker, event.ty(), &key)),
            Err(fault) => {
                return self.conclude(Handled::Dead { reason: fault.to_string() }, delivered, event, None);
            }
        };
        let noted = match self.standing(chain.as_deref(), &delivered.travel).await {
            Standing::Holder => None,
            Standing::Spare { noted } => Some(noted),
            Standing::Surplus => {
                let reason = "another copy of this watch lives".to_owned();
                return self.conclude(Handled::Ignored(reason), delivered, event, None);
            }
        };
        let handled = self.call(&**reaction, delivered, event, noted.is_some()).await;
        if let (Some(chain), None, Handled::Done(_) | Handled::Ignored(_)) = (&chain, noted, &handled) {
            // The chain's end is its last tick: copies that noted an earlier one may go.
            let end = delivered.travel.tick + 1;
            let _ = self.context.store.advance(chain, end, "ended", CHAIN_LIFE).await;
        }
        self.conclude(handled, delivered, event, noted)
    }

    async fn standing(&self, chain: Option<&str>, travel: &Travel) -> Standing {
        let Some(chain) = chain else { return Standing::Holder };
        let holder = match self.context.store.advance(chain, travel.tick, &travel.tag, CHAIN_LIFE).await {
            Ok(Chain::Other { tick }) => Some(tick),
            // Without the Store every copy acts; each reads before it writes.
            Ok(Chain::Holder) | Err(_) => None,
        };
        standing(holder, travel.noted)
    }

    async fn call(
        &self,
        reaction: &dyn Reaction,
        delivered: &Delivered,
        event: &Event,
        spare: bool,
    ) -> Handled {
        let travel = &delivered.travel;
        let delivery = Delivery {
            data: (),
            time: event.time().copied().unwrap_or(travel.first_at),
            redelivered: delivered.redelivered,
            attempt: travel.attempt,
            first_and_direct: delivered.direct && !travel.again && travel.attempt == 1,
            first_at: travel.first_at,
            state: travel.state.clone(),
            spare,
            traceparent: traceparent_of(event),
            began: self.context.clock.instant(),
        };
        let reaction = AssertUnwindSafe(reaction.handle(event, delivery)).catch_unwind();
        let failed = match tokio::time::timeout(REACTION_MAX, reaction).await {
            Ok(Ok(handled)) => return handled,
            Ok(Err(_)) => "the reaction panicked".to_owned(),
            Err(_) => format!("the reaction took longer than {} s", REACTION_MAX.as_secs()),
        };
        tracing::error!(worker = self.worker, reason = failed, "a reaction failed");
        match &travel.state {
            // A watch is never lost: it holds a gate.
            Some(state) => {
                Handled::Watch { after: Tier::ThirtySeconds.duration(), state: state.clone(), events: vec![] }
            }
            None => Handled::Later { reason: failed },
        }
    }

    fn conclude(
        &self,
        handled: Handled,
        delivered: &Delivered,
        event: &Event,
        noted: Option<u64>,
    ) -> Settlement {
        let word = handled.word();
        match &handled {
            Handled::Ignored(reason) => tracing::debug!(reason, "ignored"),
            Handled::Later { reason } => tracing::warn!(reason, "failed; it comes again"),
            Handled::Dead { reason } => tracing::error!(reason, "to the dead letters"),
            Handled::Done(_) | Handled::Watch { .. } => {}
        }
        metrics::counter!("interlock_deliveries_total", "worker" => self.worker, "type" => event.ty().to_owned(), "outcome" => word)
            .increment(1);
        let origin = Origin {
            worker: self.worker,
            event,
            travel: &delivered.travel,
            noted,
            now: self.context.clock.now(),
            fresh_tag: self.context.clock.tag(),
        };
        settlement::settlement(handled, &origin)
    }

    /// Keeps the delivery until its outcome is confirmed, and lets nothing new in meanwhile. Facts that a queue
    /// refuses wait apart: one full queue of another worker must not hold up the gates that are due.
    pub(super) async fn settle(
        &self,
        delivered: &Delivered,
        mut settlement: Settlement,
        settler: &dyn Settler,
    ) {
        let mut pause = Duration::from_millis(200);
        let mut stuck = None;
        loop {
            let Err(fault) = self.try_to_settle(delivered, &settlement, settler).await else { return };
            match &fault {
                PublishError::Gone(_) => return self.let_go(delivered, &fault).await,
                refusal if refusal.is_refusal() && self.set_aside(&mut settlement, refusal).await => continue,
                _ => {}
            }
            if stuck.is_none() {
                stuck = Some(Stuck::new(&self.stuck));
                tracing::warn!(worker = self.worker, %fault, "the broker does not take an outcome; waiting with it");
            }
            tokio::time::sleep(self.context.clock.jittered(pause)).await;
            pause = (pause * 2).min(SETTLE_PAUSE_MAX);
        }
    }

    async fn try_to_settle(
        &self,
        delivered: &Delivered,
        settlement: &Settlement,
        settler: &dyn Settler,
    ) -> Result<(), PublishError> {
        let types: Vec<&str> = settlement.publish.iter().map(AttributesReader::ty).collect();
        if self.doors.enter(&types, self.context.clock.instant()).is_err() {
            return Err(PublishError::Full { what: types.join(", ") });
        }
        let settled = settler.settle(&delivered.receipt, settlement).await;
        match &settled {
            Ok(()) => self.doors.open(&types),
            Err(fault) if fault.is_refusal() => {
                self.doors.close(&types, self.context.clock.instant());
            }
            Err(_) => {}
        }
        settled
    }

    /// Moves refused facts into a tier of our own, from where they are published by and by.
    async fn set_aside(&self, settlement: &mut Settlement, fault: &PublishError) -> bool {
        if settlement.publish.is_empty() {
            return false;
        }
        tracing::warn!(worker = self.worker, %fault, "facts are refused and wait apart");
        metrics::counter!("interlock_owed_total", "worker" => self.worker)
            .increment(settlement.publish.len() as u64);
        let owed = self.context.broker.owe(self.worker, &settlement.publish).await;
        if let Err(fault) = &owed {
            tracing::warn!(worker = self.worker, %fault, "nor does their tier take them");
        } else {
            settlement.publish.clear();
        }
        owed.is_ok()
    }

    /// The delivery comes again by itself.
    async fn let_go(&self, delivered: &Delivered, fault: &PublishError) {
        tracing::debug!(%fault, "the delivery comes again");
        // Unless its queue is gone: then the log brings it, if it has no receipt.
        self.take_back_receipt(delivered).await;
    }
}

/// The event of what is neither a watch nor a fact that its worker owes.
fn fresh(delivered: &Delivered) -> Option<&Event> {
    let is_fresh = delivered.travel.state.is_none() && !delivered.travel.owed;
    delivered.event.as_ref().ok().filter(|_| is_fresh)
}

/// One outcome that the broker does not take. Counted until it is taken or given up with its session.
struct Stuck<'a>(&'a AtomicUsize);

impl<'a> Stuck<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The Store's key of a chain. It is there while a watch of `key` comes round, and a while after.
#[must_use]
pub fn chain_key(worker: &str, ty: &str, key: &str) -> String {
    format!("chain:{worker}:{ty}:{key}")
}
