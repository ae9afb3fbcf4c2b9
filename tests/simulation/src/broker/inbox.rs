//! What one consumer is handed, and how its outcomes are carried out: publish, then ack, as two steps.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_runtime::ports::broker::{
    BrokerError, Delivered, Inbox, PublishError, Receipt, Settlement, Settler, Then, Travel,
};

use super::SimBroker;
use super::kept::Message;

/// One consumer. Its deliveries come again once it is gone, with all who settle for it.
struct Session {
    broker: Arc<SimBroker>,
    number: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.broker.core.end_session(self.number);
    }
}

pub(super) struct SimInbox {
    session: Arc<Session>,
    stopped: bool,
}

impl SimInbox {
    pub(super) fn new(broker: Arc<SimBroker>, number: u64) -> Self {
        Self { session: Arc::new(Session { broker, number }), stopped: false }
    }
}

#[async_trait]
impl Inbox for SimInbox {
    async fn next(&mut self) -> Option<Result<Delivered, BrokerError>> {
        if self.stopped {
            return None;
        }
        let Session { broker, number } = &*self.session;
        while let Some(bell) = broker.core.bell(*number) {
            broker.process.running().await;
            if let Some(delivered) = broker.core.take(*number) {
                return Some(Ok(delivered));
            }
            bell.notified().await;
        }
        Some(Err(BrokerError::Unavailable("the connection is lost".into())))
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::new(SimSettler { session: self.session.clone() })
    }

    async fn stop(&mut self) {
        self.stopped = true;
    }
}

struct SimSettler {
    session: Arc<Session>,
}

#[async_trait]
impl Settler for SimSettler {
    async fn settle(&self, receipt: &Receipt, settlement: &Settlement) -> Result<(), PublishError> {
        let broker = &self.session.broker;
        let SimBroker { core, process, clock, acks_first } = &**broker;
        process.point("broker settle").await;
        let gone = || PublishError::Gone("the delivery is not in hand any more".into());
        let (worker, message) = core.held(receipt).ok_or_else(gone)?;
        if *acks_first {
            core.ack(receipt);
            process.point("broker acked").await;
        }
        broker.publish_each(&settlement.publish, false).await?;
        match &settlement.then {
            Then::Ack => {}
            Then::Again { tier, travel } => {
                core.trouble()?;
                core.delay(worker, *tier, Message::again(message.event, Travel::clone(travel)));
                core.doubt()?;
            }
            Then::Dead { reason, attempts } => {
                core.trouble()?;
                core.bury(worker, message, (reason, *attempts), clock.now());
                core.doubt()?;
            }
        }
        process.point("broker ack").await;
        let acked = *acks_first || core.ack(receipt);
        process.point("broker acked").await;
        if acked { Ok(()) } else { Err(gone()) }
    }

    async fn put_back(&self, receipt: &Receipt) {
        let broker = &self.session.broker;
        broker.process.point("broker put back").await;
        broker.core.put_back(receipt);
    }
}
