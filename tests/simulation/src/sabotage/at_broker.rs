//! A broker's client that breaks its promises.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::Event;
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Delivered, Inbox, LogEntry, Prefetch, PublishError, Receipt, Settlement,
    Settler, Standing, Then,
};

use super::Sabotage;

pub(super) struct BrokenBroker {
    pub broker: Arc<dyn Broker>,
    pub sabotage: Sabotage,
}

#[async_trait]
impl Broker for BrokenBroker {
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        let published = self.broker.publish(events, again).await;
        // Who answers before it has published does not learn that it failed.
        if self.sabotage == Sabotage::AnswerBeforePublish { Ok(()) } else { published }
    }

    async fn consume(&self, worker: &'static str, prefetch: Prefetch) -> Result<Box<dyn Inbox>, BrokerError> {
        let inbox = self.broker.consume(worker, prefetch).await?;
        Ok(Box::new(BrokenInbox { inbox, sabotage: self.sabotage }))
    }

    async fn check(&self) -> Result<(), BrokerError> {
        self.broker.check().await
    }

    async fn apply_topology(&self) -> Result<(), BrokerError> {
        self.broker.apply_topology().await
    }

    async fn reassert(&self, worker: &'static str) -> Result<Standing, BrokerError> {
        self.broker.reassert(worker).await
    }

    async fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError> {
        self.broker.log(since, types, limit).await
    }

    async fn take_up(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        self.broker.take_up(worker, events).await
    }

    async fn owe(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        self.broker.owe(worker, events).await
    }

    async fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.broker.dead_letters(worker, limit).await
    }

    async fn replay_dead_letter(
        &self,
        worker: &str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
    ) -> Result<bool, BrokerError> {
        self.broker.replay_dead_letter(worker, id, edited, nonce).await
    }

    async fn drop_dead_letter(&self, worker: &str, id: &str) -> Result<bool, BrokerError> {
        self.broker.drop_dead_letter(worker, id).await
    }

    async fn close(&self) {
        self.broker.close().await;
    }
}

struct BrokenInbox {
    inbox: Box<dyn Inbox>,
    sabotage: Sabotage,
}

#[async_trait]
impl Inbox for BrokenInbox {
    async fn next(&mut self) -> Option<Result<Delivered, BrokerError>> {
        loop {
            let mut delivered = match self.inbox.next().await? {
                Ok(delivered) => delivered,
                Err(fault) => return Some(Err(fault)),
            };
            if self.sabotage == Sabotage::DropRedelivered && delivered.redelivered {
                let gone = Settlement { publish: Vec::new(), then: Then::Ack };
                let _ = self.inbox.settler().settle(&delivered.receipt, &gone).await;
                continue;
            }
            if self.sabotage == Sabotage::HideRedelivered {
                (delivered.redelivered, delivered.returned) = (false, 0);
                // A client that does not know what came before takes everything for the first time.
                (delivered.direct, delivered.travel.again, delivered.travel.attempt) = (true, false, 1);
                delivered.travel.state = None;
            }
            return Some(Ok(delivered));
        }
    }

    fn settler(&self) -> Arc<dyn Settler> {
        Arc::new(BrokenSettler { settler: self.inbox.settler(), sabotage: self.sabotage })
    }

    async fn stop(&mut self) {
        self.inbox.stop().await;
    }
}

struct BrokenSettler {
    settler: Arc<dyn Settler>,
    sabotage: Sabotage,
}

#[async_trait]
impl Settler for BrokenSettler {
    async fn settle(&self, receipt: &Receipt, settlement: &Settlement) -> Result<(), PublishError> {
        let ack = |publish: &[Event]| Settlement { publish: publish.to_vec(), then: Then::Ack };
        match (self.sabotage, &settlement.then) {
            (Sabotage::ConfirmUnread, _) => {
                if self.settler.settle(receipt, settlement).await.is_err() {
                    self.settler.settle(receipt, &ack(&[])).await?;
                }
                Ok(())
            }
            (Sabotage::DropWatch, Then::Again { .. }) => {
                self.settler.settle(receipt, &ack(&settlement.publish)).await
            }
            _ => self.settler.settle(receipt, settlement).await,
        }
    }

    async fn put_back(&self, receipt: &Receipt) {
        self.settler.put_back(receipt).await;
    }
}
