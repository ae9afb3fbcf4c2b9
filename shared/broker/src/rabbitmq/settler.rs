//! Outcomes of deliveries: what follows is confirmed first, then the delivery is acked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use interlock_events::Event;
use interlock_runtime::ports::broker::{
    Delivered, PublishError, Receipt, Settlement, Settler, Then, Travel, Unreadable,
};
use interlock_runtime::ports::clock::Clock;
use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};

use super::declare::within;
use super::outgoing::{self, Destination};
use super::publisher::{Outgoing, Publisher};
use super::{faults, inbox};

/// A delivery in hand; as many as the prefetch allows.
#[derive(Clone)]
pub struct Held {
    /// Answers the broker.
    pub acker: Acker,
    /// What was delivered.
    pub event: Result<Event, Unreadable>,
    /// What travelled beside it.
    pub travel: Travel,
}

/// Settles the deliveries of one consumer session.
pub struct RabbitSettler {
    worker: &'static str,
    session: u64,
    publisher: Arc<Publisher>,
    clock: Arc<dyn Clock>,
    void: AtomicBool,
    in_hand: Mutex<HashMap<Receipt, Held>>,
}

impl RabbitSettler {
    /// A settler with nothing in hand.
    pub fn new(worker: &'static str, session: u64, publisher: Arc<Publisher>, clock: Arc<dyn Clock>) -> Self {
        Self { worker, session, publisher, clock, void: AtomicBool::new(false), in_hand: Mutex::default() }
    }

    /// Takes a delivery in hand.
    pub fn take(&self, delivery: Delivery, watch: bool, now: DateTime<Utc>) -> Delivered {
        let receipt = Receipt { session: self.session, number: delivery.delivery_tag, watch };
        let (delivered, held) = inbox::read(delivery, receipt.clone(), now);
        self.in_hand().insert(receipt, held);
        delivered
    }

    /// The connection is gone: whatever is in hand comes again by itself.
    pub fn void(&self) {
        self.void.store(true, Ordering::Release);
        self.in_hand().clear();
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<Receipt, Held>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, receipt: &Receipt) -> Result<Held, PublishError> {
        let held = self.in_hand().get(receipt).cloned();
        held.filter(|held| held.acker.usable() && !self.void.load(Ordering::Acquire))
            .ok_or_else(|| PublishError::Gone("the session that it was delivered in is over".into()))
    }

    /// What follows, and where the delivery itself goes.
    fn outgoing(
        &self,
        held: &Held,
        settlement: &Settlement,
    ) -> Result<(Vec<Outgoing>, Option<Outgoing>), PublishError> {
        let now = self.clock.now();
        let facts =
            settlement.publish.iter().map(|event| outgoing::fact(event, false, now, self.clock.tag()));
        let facts = facts.collect::<Result<Vec<_>, _>>()?;
        let successor = match &settlement.then {
            Then::Ack => None,
            Then::Again { tier, travel } => {
                let to = Destination::Delay(self.worker, *tier);
                Some(outgoing::to(&to, &held.event, travel, now)?)
            }
            Then::Dead { reason, attempts } => {
                let travel = Travel {
                    attempt: *attempts,
                    reason: Some(reason.clone()),
                    tag: self.clock.tag(),
                    ..held.travel.clone()
                };
                Some(outgoing::to(&Destination::Dead(self.worker), &held.event, &travel, now)?)
            }
        };
        Ok((facts, successor))
    }

    async fn send(&self, outgoing: &[Outgoing], of: &Receipt) -> Result<(), PublishError> {
        if outgoing.is_empty() {
            return Ok(());
        }
        self.publisher.send(outgoing).await.map_err(|error| still_in_hand(error, of))
    }

    async fn ack(&self, receipt: &Receipt, held: &Held) -> Result<(), PublishError> {
        self.in_hand().remove(receipt);
        match within("an ack", held.acker.ack(BasicAckOptions::default())).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PublishError::Gone("the session ended before the ack".into())),
            Err(error) => Err(PublishError::Gone(error.to_string())),
        }
    }
}

#[async_trait]
impl Settler for RabbitSettler {
    async fn settle(&self, receipt: &Receipt, settlement: &Settlement) -> Result<(), PublishError> {
        let held = self.held(receipt)?;
        let (facts, successor) = self.outgoing(&held, settlement)?;
        // Apart: what comes again must not multiply while a queue refuses a fact.
        for outgoing in [facts, successor.into_iter().collect()] {
            self.send(&outgoing, receipt).await?;
        }
        self.ack(receipt, &held).await
    }

    async fn settle_all(&self, outcomes: &[(Receipt, Settlement)]) -> Result<(), PublishError> {
        let Some((first, _)) = outcomes.first() else { return Ok(()) };
        let (mut all, mut facts, mut successors) = (Vec::new(), Vec::new(), Vec::new());
        for (receipt, settlement) in outcomes {
            let held = self.held(receipt)?;
            let (mine, successor) = self.outgoing(&held, settlement)?;
            facts.extend(mine);
            successors.extend(successor);
            all.push((receipt, held));
        }
        for outgoing in [facts, successors] {
            self.send(&outgoing, first).await?;
        }
        let acks = all.iter().map(|(receipt, held)| self.ack(receipt, held));
        join_all(acks).await.into_iter().collect()
    }

    async fn put_back(&self, receipt: &Receipt) {
        let Some(held) = self.in_hand().remove(receipt) else { return };
        let options = BasicNackOptions { requeue: true, ..Default::default() };
        if let Err(error) = held.acker.nack(options).await {
            // It comes back all the same, when its channel closes.
            tracing::debug!(error = faults::text(&error), "a delivery could not be put back");
        }
    }
}

/// Only the connection that it came by can take a delivery away; without the other one it stays in hand.
fn still_in_hand(error: PublishError, receipt: &Receipt) -> PublishError {
    match error {
        PublishError::Gone(reason) => PublishError::Unconfirmed {
            what: format!("what follows from delivery {} ({reason})", receipt.number),
            waited_ms: 0,
        },
        other => other,
    }
}
