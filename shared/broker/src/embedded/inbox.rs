//! What one `consume` hands out, and how its deliveries are settled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_runtime::ports::broker::{
    BrokerError, Delivered, Inbox, Prefetch, PublishError, Receipt, Settlement, Settler, Then,
};
use interlock_runtime::ports::clock::Clock;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::dead;
use super::failure::Failure;
use super::publish::{FOLLOW_UPS_MAX, Mark, publish};
use super::queue::{self, Claimed, Message};
use super::writer::{Reply, Rung, Writer};

/// A look at least so often while something waits for its time: a wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// One consumer. Its deliveries come again once it is gone, with all who settle for it.
pub(super) struct Session {
    number: u64,
    worker: &'static str,
    writer: Writer,
    clock: Arc<dyn Clock>,
}

impl Session {
    pub(super) fn new(number: u64, worker: &'static str, writer: Writer, clock: Arc<dyn Clock>) -> Self {
        Self { number, worker, writer, clock }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without a runtime the process ends; the next one gives the deliveries back when it opens.
        let Ok(runtime) = Handle::try_current() else { return };
        let (number, worker, writer) = (self.number, self.worker, self.writer.clone());
        runtime.spawn(async move {
            let ended = writer.ask(move |connection, rung| {
                rung.insert(worker);
                queue::end_session(connection, number)
            });
            if let Err(fault @ Failure::Storage(_)) = ended.await {
                tracing::error!(worker, %fault, "deliveries of a consumer that is gone come again only after a restart");
            }
        });
    }
}

/// Hands out what a session claims.
pub(super) struct EmbeddedInbox {
    session: Arc<Session>,
    prefetch: Prefetch,
    bell: watch::Receiver<u64>,
    /// Kept when `next` is abandoned: what it claimed is handed out by the next call.
    claiming: Option<Reply<Claimed>>,
    ready: VecDeque<Delivered>,
    stopped: bool,
}

impl EmbeddedInbox {
    pub(super) fn new(session: Session, prefetch: Prefetch, bell: watch::Receiver<u64>) -> Self {
        let session = Arc::new(session);
        Self { session, prefetch, bell, claiming: None, ready: VecDeque::new(), stopped: false }
    }

    async fn claim(&mut self) -> Result<Claimed, Failure> {
        if self.claiming.is_none() {
            // Before the look: what is rung during it is looked for again.
            self.bell.borrow_and_update();
            let (number, worker, prefetch) = (self.session.number, self.session.worker, self.prefetch);
            let clock = self.session.clock.clone();
            let claim = self
                .session
                .writer
                .submit(move |connection, _| queue::claim(connection, worker, number, prefetch, clock.now()));
            self.claiming = Some(claim.await?);
        }
        let Some(claiming) = &mut self.claiming else { return Err(Failure::Closed) };
        let claimed = claiming.await.unwrap_or(Err(Failure::Closed));
        self.claiming = None;
        claimed
    }

    /// Waits for a change, or until the next message is due.
    async fn wait(&mut self, next_due: Option<DateTime<Utc>>) {
        let rung = self.bell.changed();
        let Some(due) = next_due else {
            let _ = rung.await;
            return;
        };
        let delay = (due - self.session.clock.now()).to_std().unwrap_or_default().min(LOOK_AGAIN);
        tokio::select! {
            _ = rung => {}
            () = tokio::time::sleep_until(self.session.clock.instant() + delay) => {}
        }
    }
}

#[async_trait]
impl Inbox for EmbeddedInbox {
    async fn next(&mut self) -> Option<Result<Delivered, BrokerError>> {
        while !self.stopped {
            if let Some(delivery) = self.ready.pop_front() {
                return Some(Ok(delivery));
            }
            match self.claim().await {
                Ok(claimed) if claimed.deliveries.is_empty() => self.wait(claimed.next_due).await,
                Ok(claimed) => self.ready.extend(claimed.deliveries),
                Err(Failure::Closed) => self.stopped = true,
                Err(fault) => return Some(Err(fault.at_broker())),
            }
        }
        None
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::new(EmbeddedSettler { session: self.session.clone() })
    }

    async fn stop(&mut self) {
        self.stopped = true;
        if let Some(claiming) = self.claiming.take()
            && let Ok(Ok(claimed)) = claiming.await
        {
            self.ready.extend(claimed.deliveries);
        }
        let receipts: Vec<_> = self.ready.drain(..).map(|delivery| delivery.receipt).collect();
        if receipts.is_empty() {
            return;
        }
        let worker = self.session.worker;
        let given_back = self.session.writer.ask(move |connection, rung| {
            rung.insert(worker);
            queue::unclaim(connection, &receipts)
        });
        if let Err(fault) = given_back.await {
            tracing::warn!(worker, %fault, "deliveries that were not handed out come again as redelivered");
        }
    }
}

/// Carries out outcomes: what follows, the successor and the ack in one transaction.
struct EmbeddedSettler {
    session: Arc<Session>,
}

#[async_trait]
impl Settler for EmbeddedSettler {
    async fn settle(&self, receipt: &Receipt, settlement: &Settlement) -> Result<(), PublishError> {
        let (worker, clock) = (self.session.worker, self.session.clock.clone());
        let (receipt, settlement) = (receipt.clone(), settlement.clone());
        let settled = self.session.writer.ask(move |connection, rung| {
            // There is room again in the hand that had it, and perhaps a new time to wait for.
            rung.insert(worker);
            let mark = Mark { now: clock.now(), tag: clock.tag(), again: false };
            settle(connection, rung, &receipt, &settlement, &mark)
        });
        settled.await.map_err(Failure::at_publish)
    }

    async fn settle_all(&self, outcomes: &[(Receipt, Settlement)]) -> Result<(), PublishError> {
        let (worker, clock) = (self.session.worker, self.session.clock.clone());
        let outcomes = outcomes.to_vec();
        let settled = self.session.writer.ask(move |connection, rung| {
            rung.insert(worker);
            outcomes.iter().try_for_each(|(receipt, settlement)| {
                let mark = Mark { now: clock.now(), tag: clock.tag(), again: false };
                settle(connection, rung, receipt, settlement, &mark)
            })
        });
        settled.await.map_err(Failure::at_publish)
    }

    async fn put_back(&self, receipt: &Receipt) {
        let (worker, receipt) = (self.session.worker, receipt.clone());
        let given_back = self.session.writer.ask(move |connection, rung| {
            rung.insert(worker);
            queue::put_back(connection, &receipt)
        });
        if let Err(fault) = given_back.await {
            tracing::warn!(worker, %fault, "a delivery that was put back comes again as if its holder had died");
        }
    }
}

fn settle(
    connection: &Connection,
    rung: &mut Rung,
    receipt: &Receipt,
    settlement: &Settlement,
    mark: &Mark,
) -> Result<(), Failure> {
    let taken = queue::take_out(connection, receipt)?;
    publish(connection, rung, &settlement.publish, mark, FOLLOW_UPS_MAX)?;
    match &settlement.then {
        Then::Ack => {}
        Then::Again { tier, travel } => {
            let message = Message {
                worker: &taken.worker,
                lane: queue::WATCH,
                due: Some(mark.now + tier.duration()),
                event: &taken.event,
                travel,
                direct: false,
            };
            queue::put(connection, &message)?;
        }
        Then::Dead { reason, attempts } => {
            dead::put(connection, &taken, (reason, *attempts), mark.now)?;
        }
    }
    Ok(())
}
