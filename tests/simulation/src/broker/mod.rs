//! A broker in memory that keeps to RabbitMQ's ways: competing consumers, deliveries that come again,
//! delay tiers, publish and ack as two steps that a crash can fall between. It answers inline.

mod inbox;
mod kept;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_broker::topology::{OWED_FOR, WORKERS, intake};
use interlock_events::Event;
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Inbox, LogEntry, Prefetch, PublishError, Standing, Travel,
};
use interlock_runtime::ports::clock::Clock;

use self::inbox::SimInbox;
use self::kept::Message;
pub use self::kept::{BrokerCore, Trouble};
use crate::process::Process;

/// One process's connection to the broker.
pub struct SimBroker {
    core: Arc<BrokerCore>,
    process: Arc<Process>,
    clock: Arc<dyn Clock>,
    /// Acks before what follows is published: a sabotage.
    acks_first: bool,
}

/// The name in the topology; events for anybody else have nowhere to go.
fn known(worker: &str) -> Result<&'static str, BrokerError> {
    let known = WORKERS.iter().find(|known| known.name == worker);
    known.map(|known| known.name).ok_or_else(|| BrokerError::Missing(intake(worker)))
}

impl SimBroker {
    /// The broker as one process has it.
    #[must_use]
    pub fn new(core: Arc<BrokerCore>, process: Arc<Process>, clock: Arc<dyn Clock>) -> Self {
        Self { core, process, clock, acks_first: false }
    }

    /// The same, but it acks before it has published.
    #[must_use]
    pub fn acking_first(self, acks_first: bool) -> Self {
        Self { acks_first, ..self }
    }

    /// Every event on its own, each confirmed or not.
    async fn publish_each(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        for event in events {
            self.process.point("broker publish").await;
            self.core.trouble()?;
            let travel = Travel { again, ..Travel::first(self.clock.now(), self.clock.tag()) };
            self.core.route(event, &travel);
            self.core.doubt()?;
            self.process.point("broker published").await;
        }
        Ok(())
    }
}

#[async_trait]
impl Broker for SimBroker {
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        self.publish_each(events, again).await
    }

    async fn consume(&self, worker: &'static str, prefetch: Prefetch) -> Result<Box<dyn Inbox>, BrokerError> {
        self.process.point("broker consume").await;
        let worker = known(worker)?;
        self.core.reachable()?;
        let session = self.core.open(worker, prefetch, &self.process);
        let broker = Self::new(self.core.clone(), self.process.clone(), self.clock.clone());
        let broker = broker.acking_first(self.acks_first);
        Ok(Box::new(SimInbox::new(Arc::new(broker), session)))
    }

    async fn check(&self) -> Result<(), BrokerError> {
        self.process.point("broker check").await;
        self.core.reachable()
    }

    async fn apply_topology(&self) -> Result<(), BrokerError> {
        self.check().await
    }

    async fn reassert(&self, worker: &'static str) -> Result<Standing, BrokerError> {
        self.check().await?;
        Ok(Standing { was_missing: false, ready: self.core.intake_ready(known(worker)?) })
    }

    async fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError> {
        self.check().await?;
        Ok(self.core.log(since, types, limit))
    }

    async fn take_up(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        let known = known(worker)
            .map_err(|fault| PublishError::Refused { what: worker.into(), reason: fault.to_string() })?;
        for event in events {
            self.process.point("broker take up").await;
            self.core.trouble()?;
            let travel = Travel { again: true, ..Travel::first(self.clock.now(), self.clock.tag()) };
            self.core.put(known, Message::again(Ok(event.clone()), travel));
        }
        Ok(())
    }

    async fn owe(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        for event in events {
            self.process.point("broker owe").await;
            // A worker's own tiers have no bound: only what is wrong with the whole broker is wrong with them.
            self.core.reachable().map_err(|fault| PublishError::Gone(fault.to_string()))?;
            let travel = Travel { owed: true, ..Travel::first(self.clock.now(), self.clock.tag()) };
            self.core.delay(worker, OWED_FOR, Message::again(Ok(event.clone()), travel));
            self.core.doubt()?;
        }
        Ok(())
    }

    async fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.check().await?;
        Ok(self.core.dead_letters(known(worker)?, limit))
    }

    async fn replay_dead_letter(
        &self,
        worker: &str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
    ) -> Result<bool, BrokerError> {
        self.check().await?;
        Ok(self.core.replay(known(worker)?, id, edited, nonce, self.clock.now()))
    }

    async fn drop_dead_letter(&self, worker: &str, id: &str) -> Result<bool, BrokerError> {
        self.check().await?;
        Ok(self.core.drop_letter(known(worker)?, id))
    }

    async fn close(&self) {
        self.core.end_sessions_of(&self.process);
    }
}
