//! What one worker receives: its watch queue first, then its intake.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use interlock_runtime::ports::broker::{BrokerError, Delivered, Inbox, Prefetch, Receipt, Settler};
use interlock_runtime::ports::clock::Clock;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};

use super::declare::{channel_on, within};
use super::faults;
use super::link::{Link, Session};
use super::publisher::Publisher;
use super::settler::{Held, RabbitSettler};
use crate::{codec, topology};

/// Deliveries of one consumer session; it ends with its connection.
pub struct RabbitInbox {
    link: Arc<Link>,
    /// Life of the connection that it belongs to.
    life: u64,
    watch: Subscription,
    intake: Subscription,
    settler: Arc<RabbitSettler>,
    clock: Arc<dyn Clock>,
    over: bool,
}

struct Subscription {
    channel: Channel,
    consumer: Consumer,
}

impl RabbitInbox {
    /// Starts to consume both queues of a worker.
    pub async fn open(
        worker: &'static str,
        prefetch: Prefetch,
        session: u64,
        link: Arc<Link>,
        publisher: Arc<Publisher>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BrokerError> {
        let life = link.session().map_err(BrokerError::Unavailable)?;
        let watch = subscribe(&life, &topology::watch(worker), prefetch.watch).await?;
        let intake = subscribe(&life, &topology::intake(worker), prefetch.intake).await?;
        let settler = Arc::new(RabbitSettler::new(worker, session, publisher, clock.clone()));
        Ok(Self { link, life: life.number, watch, intake, settler, clock, over: false })
    }

    /// An inbox that lost its connection says so once.
    fn lose(&mut self, reason: String) -> Option<Result<Delivered, BrokerError>> {
        self.over = true;
        self.settler.void();
        Some(Err(BrokerError::Unavailable(reason)))
    }
}

/// One channel a queue: an error of one is then not mistaken for the other's, and delivery tags are its own.
async fn subscribe(session: &Session, queue: &str, prefetch: u16) -> Result<Subscription, BrokerError> {
    let channel = channel_on(session).await?;
    // Without a prefetch the client's buffer has no bound.
    within(queue, channel.basic_qos(prefetch.max(1), BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let consumer = within(queue, consuming).await?;
    Ok(Subscription { channel, consumer })
}

#[async_trait]
impl Inbox for RabbitInbox {
    async fn next(&mut self) -> Option<Result<Delivered, BrokerError>> {
        if self.over {
            return None;
        }
        let (watch, came) = tokio::select! {
            biased;
            // First, so that nothing that was sent ahead is begun once the connection is lost.
            reason = self.link.until_over(self.life) => return self.lose(reason),
            came = self.watch.consumer.next() => (true, came),
            came = self.intake.consumer.next() => (false, came),
        };
        match came {
            Some(Ok(delivery)) if !delivery.acker.usable() => self.lose("its channel is gone".into()),
            Some(Ok(delivery)) => Some(Ok(self.settler.take(delivery, watch, self.clock.now()))),
            Some(Err(error)) => self.lose(faults::text(&error)),
            // The broker cancels a consumer whose queue was deleted or lost its leader.
            None => self.lose("the broker cancelled the consumer".into()),
        }
    }

    fn settler(&self) -> Arc<dyn Settler> {
        self.settler.clone()
    }

    async fn stop(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for subscription in [&mut self.watch, &mut self.intake] {
            subscription.stop().await;
        }
    }
}

impl Subscription {
    /// Cancels, and gives back what was sent ahead; the channel stays, for deliveries in hand.
    async fn stop(&mut self) {
        let cancelling = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if within("a consumer", cancelling).await.is_err() {
            return;
        }
        // The answer to the cancel comes after the last delivery, so all of them are here by now.
        while let Some(Some(Ok(delivery))) = self.consumer.next().now_or_never() {
            let options = BasicNackOptions { requeue: true, ..Default::default() };
            drop(within("a delivery", delivery.acker.nack(options)).await);
        }
    }
}

/// Reads a delivery.
pub fn read(delivery: Delivery, receipt: Receipt, now: DateTime<Utc>) -> (Delivered, Held) {
    let event = codec::decode(&delivery.data, &delivery.properties);
    let travel = codec::travel_of(&delivery.properties, event.as_ref().ok(), now);
    let direct = delivery.exchange.as_str() == topology::EVENTS && !travel.again;
    let held = Held { acker: delivery.acker, event: event.clone(), travel: travel.clone() };
    let returned = codec::returned(&delivery.properties);
    (Delivered { event, travel, redelivered: delivery.redelivered, returned, direct, receipt }, held)
}
