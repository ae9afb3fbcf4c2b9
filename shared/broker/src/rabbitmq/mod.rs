//! The Broker on RabbitMQ 3.10 and 4.x, without plug-ins.

mod dead_letters;
mod declare;
mod faults;
mod inbox;
mod link;
mod log;
mod outgoing;
mod publisher;
mod settler;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interlock_events::{Event, traceparent_of};
use interlock_runtime::ports::broker::{
    Broker, BrokerError, DeadLetter, Inbox, LogEntry, Prefetch, PublishError, Standing, Travel,
};
use interlock_runtime::ports::clock::Clock;
use lapin::uri::AMQPUri;

use self::dead_letters::Fresh;
use self::inbox::RabbitInbox;
use self::link::{Link, Purpose, Target};
use self::outgoing::Destination;
use self::publisher::Publisher;
use crate::topology::{self, OWED_FOR};

const HEARTBEAT_S: u16 = 10;

/// How to use a broker.
#[derive(Debug, Clone)]
pub struct Options {
    /// Declare the topology at start where the user may; otherwise it is only looked at.
    pub declare: bool,
    /// How long a publication waits for its confirm.
    pub confirm_timeout: Duration,
    /// How long one attempt to connect may take, and how long the start waits for the first.
    pub connect_timeout: Duration,
    /// Shown in the broker's list of connections.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            declare: true,
            confirm_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(5),
            name: "interlock".into(),
        }
    }
}

/// Between two looks at a topology that cannot be looked at.
const STAND_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A RabbitMQ with two connections of ours: one publishes, one consumes.
pub struct RabbitMq {
    publish: Arc<Link>,
    consume: Arc<Link>,
    publisher: Arc<Publisher>,
    clock: Arc<dyn Clock>,
    may_declare: AtomicBool,
    /// Workers whose intake was not there at the start; told at their next `reassert`.
    missed: Mutex<BTreeSet<&'static str>>,
    sessions: AtomicU64,
}

impl RabbitMq {
    /// Connects, and declares or checks the topology.
    ///
    /// A broker that is not there yet is no error: the connections go on trying and [`Broker::check`] tells.
    ///
    /// # Errors
    /// An address that cannot be read; a topology that is missing or stands with other arguments.
    pub async fn connect(url: &str, clock: Arc<dyn Clock>, options: Options) -> anyhow::Result<Arc<Self>> {
        let broker = Arc::new(Self::start(url, clock, &options)?);
        let (publish, consume) = tokio::join!(
            broker.publish.wait(options.connect_timeout),
            broker.consume.wait(options.connect_timeout)
        );
        let stood = match publish.and(consume) {
            Ok(_) => broker.stand().await,
            Err(reason) => Err(BrokerError::Unavailable(reason)),
        };
        match stood {
            // Also one that is still starting its queues.
            Err(BrokerError::Unavailable(reason)) => {
                tracing::warn!(reason, "the broker is not there yet");
                tokio::spawn(stand_later(Arc::downgrade(&broker)));
            }
            stood => stood.context("the topology of the broker")?,
        }
        Ok(broker)
    }

    fn start(url: &str, clock: Arc<dyn Clock>, options: &Options) -> anyhow::Result<Self> {
        // The parser's message may repeat the address, and with it the password.
        let mut uri: AMQPUri =
            url.parse().map_err(|_| anyhow::anyhow!("the broker's address is no AMQP address"))?;
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT_S));
        let target = |purpose: &str| Target {
            uri: uri.clone(),
            connect_timeout: options.connect_timeout,
            name: format!("{} {purpose}", options.name),
        };
        let publish = Link::start(target("publish"), Purpose::Publish, clock.clone());
        let consume = Link::start(target("consume"), Purpose::Consume, clock.clone());
        let publisher = Arc::new(Publisher::new(publish.clone(), clock.clone(), options.confirm_timeout));
        let may_declare = AtomicBool::new(options.declare);
        Ok(Self {
            publish,
            consume,
            publisher,
            clock,
            may_declare,
            missed: Mutex::default(),
            sessions: AtomicU64::new(0),
        })
    }

    /// Only at the first connection: what goes missing later is noticed, not papered over.
    async fn stand(&self) -> Result<(), BrokerError> {
        if self.may_declare.load(Ordering::Relaxed) {
            let missed = self.look_for_holes().await?;
            self.missed.lock().unwrap_or_else(PoisonError::into_inner).extend(missed);
            match declare::apply(&self.publish).await {
                Err(BrokerError::Refused(reason)) if faults::is_denied(&reason) => {
                    tracing::info!(reason, "may not declare: looks only");
                    self.may_declare.store(false, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        declare::check(&self.publish).await
    }

    /// Workers whose intake is gone while the log stands: what was published meanwhile did not reach them.
    async fn look_for_holes(&self) -> Result<Vec<&'static str>, BrokerError> {
        let stands = |queue: String| async move {
            match declare::count(&declare::channel(&self.publish).await?, &queue).await {
                Ok(_) => Ok(true),
                Err(BrokerError::Missing(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        if !stands(topology::LOG.to_owned()).await? {
            return Ok(Vec::new());
        }
        let mut missed = Vec::new();
        for worker in topology::WORKERS {
            if !stands(topology::intake(worker.name)).await? {
                tracing::warn!(worker = worker.name, "its queue was missing");
                missed.push(worker.name);
            }
        }
        Ok(missed)
    }

    async fn repair(&self, worker: &'static str) -> Result<bool, BrokerError> {
        let intake = topology::intake(worker);
        let mut was_missing = false;
        for queue in topology::queues_of(worker) {
            let looked = declare::count(&declare::channel(&self.publish).await?, &queue.name).await;
            match looked {
                Ok(_) => {}
                Err(BrokerError::Missing(name)) if self.may_declare.load(Ordering::Relaxed) => {
                    tracing::warn!(queue = name, "a queue was missing and is declared again");
                    declare::declare(&declare::channel(&self.publish).await?, &queue).await?;
                    was_missing |= queue.name == intake;
                }
                Err(error) => return Err(error),
            }
        }
        if self.may_declare.load(Ordering::Relaxed) {
            let channel = declare::channel(&self.publish).await?;
            for queue in topology::queues_of(worker) {
                declare::bind(&channel, &queue).await?;
            }
        }
        Ok(was_missing)
    }
}

/// The name in the topology.
fn known(worker: &str) -> Result<&'static str, BrokerError> {
    let known = topology::WORKERS.iter().find(|row| row.name == worker);
    known.map(|row| row.name).ok_or_else(|| BrokerError::Missing(topology::dead(worker)))
}

async fn stand_later(broker: std::sync::Weak<RabbitMq>) {
    loop {
        let Some(present) = broker.upgrade() else { return };
        let link = present.publish.clone();
        drop(present);
        if link.wait(Duration::from_secs(60)).await.is_ok() {
            let Some(present) = broker.upgrade() else { return };
            match present.stand().await {
                Ok(()) => return,
                Err(BrokerError::Unavailable(reason)) => {
                    tracing::warn!(reason, "the topology is not looked at yet");
                    tokio::time::sleep(STAND_AGAIN_AFTER).await;
                }
                Err(error) => {
                    return tracing::error!(%error, "the topology of the broker is not as it must be");
                }
            }
        }
        if link.is_closed() {
            return;
        }
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, events: &[Event], again: bool) -> Result<(), PublishError> {
        let now = self.clock.now();
        let facts = events.iter().map(|event| outgoing::fact(event, again, now, self.clock.tag()));
        self.publisher.send(&facts.collect::<Result<Vec<_>, _>>()?).await
    }

    async fn consume(&self, worker: &'static str, prefetch: Prefetch) -> Result<Box<dyn Inbox>, BrokerError> {
        let session = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let (link, publisher, clock) = (self.consume.clone(), self.publisher.clone(), self.clock.clone());
        let inbox = RabbitInbox::open(worker, prefetch, session, link, publisher, clock).await?;
        Ok(Box::new(inbox))
    }

    async fn check(&self) -> Result<(), BrokerError> {
        declare::check(&self.publish).await
    }

    async fn apply_topology(&self) -> Result<(), BrokerError> {
        declare::apply(&self.publish).await
    }

    async fn reassert(&self, worker: &'static str) -> Result<Standing, BrokerError> {
        let was_missing = self.repair(worker).await?;
        let channel = declare::channel(&self.publish).await?;
        let ready = declare::count(&channel, &topology::intake(worker)).await?;
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner).remove(worker);
        Ok(Standing { was_missing: was_missing || missed, ready })
    }

    async fn log(
        &self,
        since: DateTime<Utc>,
        types: &[&str],
        limit: usize,
    ) -> Result<Vec<LogEntry>, BrokerError> {
        log::read(&self.consume, since, types, limit, self.clock.now()).await
    }

    async fn take_up(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        let now = self.clock.now();
        let copy = |event: &Event| {
            let travel = Travel { again: true, ..Travel::first(now, self.clock.tag()) };
            outgoing::to(&Destination::Resume(worker), &Ok(event.clone()), &travel, now)
        };
        self.publisher.send(&events.iter().map(copy).collect::<Result<Vec<_>, _>>()?).await
    }

    async fn owe(&self, worker: &'static str, events: &[Event]) -> Result<(), PublishError> {
        let now = self.clock.now();
        let owed = |event: &Event| {
            let first = Travel::first(now, self.clock.tag());
            let travel = Travel { owed: true, traceparent: traceparent_of(event), ..first };
            outgoing::to(&Destination::Delay(worker, OWED_FOR), &Ok(event.clone()), &travel, now)
        };
        self.publisher.send(&events.iter().map(owed).collect::<Result<Vec<_>, _>>()?).await
    }

    async fn dead_letters(&self, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        dead_letters::list(&self.consume, worker, limit).await
    }

    async fn replay_dead_letter(
        &self,
        worker: &str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
    ) -> Result<bool, BrokerError> {
        let worker = known(worker)?;
        let fresh = Fresh { worker, edited, nonce, now: self.clock.now() };
        dead_letters::replay(&self.consume, &self.publisher, id, &fresh).await
    }

    async fn drop_dead_letter(&self, worker: &str, id: &str) -> Result<bool, BrokerError> {
        dead_letters::remove(&self.consume, known(worker)?, id).await
    }

    async fn close(&self) {
        self.publisher.drain().await;
        self.consume.close().await;
        self.publish.close().await;
    }
}
