//! One session with the broker: from consuming to the loss of the connection, or to the drain.

use std::sync::Arc;

use futures_util::future::join_all;
use interlock_events::partition_of;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::desk::Desk;
use super::room::{Room, Size};
use crate::ports::broker::{BrokerError, Delivered, Prefetch, Settlement, Settler};
use crate::signals::Shutdown;

/// Deliveries in hand for each slot, of each queue: behind those of a project that floods it there may be others.
const AHEAD: u16 = 16;
/// Of them so many wait for a slot where projects have more than their share; the others are on their way into a tier.
const WAITING: u16 = 4;
/// So many are put off together, by so many at once: the next are carried while the last are confirmed.
const TOGETHER_MAX: usize = 64;
const PORTERS: usize = 4;

/// Consumes until the shutdown (`Ok`) or the loss of the connection.
pub(super) async fn session(desk: &Desk, shutdown: &Shutdown) -> Result<(), BrokerError> {
    let ahead = desk.context.concurrency.saturating_mul(AHEAD);
    let prefetch = Prefetch { intake: ahead, watch: ahead };
    let mut inbox = desk.context.broker.consume(desk.worker, prefetch).await?;
    desk.context.health.set(desk.worker, Ok(()));
    let mut session = Session::new(desk.clone(), inbox.settler());
    let ended = loop {
        desk.until_unstuck(shutdown).await;
        session.begin();
        tokio::select! {
            biased;
            () = shutdown.begun() => break Ok(()),
            () = session.shared.freed() => {}
            () = session.watches.freed() => {}
            next = inbox.next() => match next {
                Some(Ok(delivered)) => session.arrive(delivered),
                Some(Err(fault)) => break Err(fault),
                None => break Err(BrokerError::Unavailable("the inbox closed".into())),
            },
        }
    };
    inbox.stop().await;
    session.end(ended.is_ok()).await;
    ended
}

struct Session {
    desk: Desk,
    settler: Arc<dyn Settler>,
    /// For what every project may bring: facts, and what comes again without a state.
    shared: Room<Delivered>,
    /// For watches. They are never put off: their deadline may be near.
    watches: Room<Delivered>,
    porter: mpsc::Sender<PutOff>,
    in_hand: JoinSet<()>,
}

/// What is over its project's share, and where it goes.
type PutOff = (Delivered, Settlement);

impl Session {
    fn new(desk: Desk, settler: Arc<dyn Settler>) -> Self {
        let slots = desk.context.concurrency;
        let places = usize::from(slots.saturating_mul(WAITING));
        let shared = Room::new(Size::shared(slots, places));
        let watches = Room::new(Size::open(slots.saturating_mul(2)));
        let mut in_hand = JoinSet::new();
        // No more than the prefetch of both queues is ever in hand.
        let (porter, waiting) = mpsc::channel(usize::from(slots.saturating_mul(AHEAD)) * 2);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..PORTERS {
            in_hand.spawn(carry_off(desk.clone(), settler.clone(), waiting.clone()));
        }
        Self { desk, settler, shared, watches, porter, in_hand }
    }

    fn arrive(&mut self, delivered: Delivered) {
        self.leave_receipt(&delivered);
        if let Some(outcome) = self.desk.outcome_at_once(&delivered) {
            return self.settle(delivered, outcome);
        }
        let project = delivered.event.as_ref().ok().and_then(partition_of);
        let room = if delivered.travel.state.is_some() { &self.watches } else { &self.shared };
        if let Err(delivered) = room.enter(project.clone(), delivered) {
            let settlement = self.desk.put_off(&delivered, &project);
            if let Err(unsent) = self.porter.try_send((delivered, settlement)) {
                let (delivered, settlement) = unsent.into_inner();
                self.settle(delivered, settlement);
            }
        }
    }

    /// Lets everything begin for which there is a slot.
    fn begin(&mut self) {
        while self.in_hand.try_join_next().is_some() {}
        while let Some((delivered, slot)) = self.watches.next().or_else(|| self.shared.next()) {
            let (desk, settler) = (self.desk.clone(), self.settler.clone());
            self.in_hand.spawn(async move { desk.take(delivered, slot, &*settler).await });
        }
    }

    fn settle(&mut self, delivered: Delivered, settlement: Settlement) {
        let (desk, settler) = (self.desk.clone(), self.settler.clone());
        self.in_hand.spawn(async move { desk.settle(&delivered, settlement, &*settler).await });
    }

    fn leave_receipt(&mut self, delivered: &Delivered) {
        let Some(receipt) = self.desk.receipt(delivered) else { return };
        self.in_hand.spawn(receipt);
    }

    /// Gives back what waits, and finishes what has begun.
    async fn end(mut self, connected: bool) {
        let waiting: Vec<_> = [&self.watches, &self.shared].into_iter().flat_map(Room::clear).collect();
        if connected {
            join_all(waiting.iter().map(|delivered| self.settler.put_back(&delivered.receipt))).await;
        }
        drop(self.porter);
        let drain = self.desk.context.drain;
        let drained =
            tokio::time::timeout(drain, async { while self.in_hand.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(
                worker = self.desk.worker,
                left = self.in_hand.len(),
                "stopped with deliveries in hand; they come again"
            );
        }
        // They come again, unless their queue is gone: then the log brings them, if they have no receipt.
        join_all(waiting.iter().map(|delivered| self.desk.take_back_receipt(delivered))).await;
    }
}

/// Those that came while others were carried off go together.
async fn carry_off(desk: Desk, settler: Arc<dyn Settler>, waiting: Arc<Mutex<mpsc::Receiver<PutOff>>>) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while waiting.lock().await.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let outcomes = together.iter().map(|(delivered, to)| (delivered.receipt.clone(), to.clone()));
        let outcomes: Vec<_> = outcomes.collect();
        let alone = match settler.settle_all(&outcomes).await {
            Ok(()) => Vec::new(),
            Err(_) => std::mem::take(&mut together),
        };
        together.clear();
        join_all(alone.into_iter().map(|(delivered, settlement)| {
            let (desk, settler) = (&desk, &settler);
            async move { desk.settle(&delivered, settlement, &**settler).await }
        }))
        .await;
    }
}
