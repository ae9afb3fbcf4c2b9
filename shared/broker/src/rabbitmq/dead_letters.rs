//! Dead letters: read on a channel of their own and given back, so that looking changes nothing but a count.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use interlock_events::Event;
use interlock_runtime::ports::broker::{BrokerError, DeadLetter, PublishError};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};

use super::declare::{channel, count, within};
use super::faults;
use super::link::Link;
use super::outgoing::{self, Destination};
use super::publisher::{Outgoing, Publisher};
use crate::{codec, topology};

/// More are not held at once; older ones come first, so draining shows the rest.
const SCAN_MAX: u16 = 2_000;
/// Letters that somebody else looks at do not come; so long is waited for those that were counted.
const COUNTED: Duration = Duration::from_secs(2);
/// What was returned a moment ago is not counted yet; so long is waited for more.
const UNCOUNTED: Duration = Duration::from_millis(500);

/// A worker's dead letters, oldest first.
pub async fn list(link: &Link, worker: &str, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
    let mut scan = Scan::open(link, worker, limit).await?;
    let mut letters = Vec::new();
    while let Some(delivery) = scan.next().await? {
        letters.push(letter(&delivery));
    }
    scan.give_back().await?;
    Ok(letters)
}

/// Gives one back to its worker; the letter is removed once the fresh copy is confirmed.
pub async fn replay(
    link: &Link,
    publisher: &Publisher,
    id: &str,
    fresh: &Fresh<'_>,
) -> Result<bool, BrokerError> {
    let Some((scan, delivery)) = find(link, fresh.worker, id).await? else { return Ok(false) };
    let outgoing = fresh.of(&delivery).map_err(unpublished)?;
    publisher.send(&[outgoing]).await.map_err(unpublished)?;
    within(&scan.queue, delivery.acker.ack(BasicAckOptions::default())).await?;
    scan.give_back().await?;
    Ok(true)
}

/// Removes one for good.
pub async fn remove(link: &Link, worker: &str, id: &str) -> Result<bool, BrokerError> {
    let Some((scan, delivery)) = find(link, worker, id).await? else { return Ok(false) };
    within(&scan.queue, delivery.acker.ack(BasicAckOptions::default())).await?;
    scan.give_back().await?;
    Ok(true)
}

/// The letter, in hand; whatever ends the scan without an ack gives it back.
async fn find(link: &Link, worker: &str, id: &str) -> Result<Option<(Scan, Delivery)>, BrokerError> {
    let mut scan = Scan::open(link, worker, usize::from(SCAN_MAX)).await?;
    while let Some(delivery) = scan.next().await? {
        if id_of(&delivery) == id {
            return Ok(Some((scan, delivery)));
        }
    }
    scan.give_back().await?;
    Ok(None)
}

/// What makes a dead letter a fresh delivery.
pub struct Fresh<'a> {
    pub worker: &'static str,
    /// Goes in place of its event.
    pub edited: Option<&'a Event>,
    pub nonce: &'a str,
    pub now: DateTime<Utc>,
}

impl Fresh<'_> {
    fn of(&self, delivery: &Delivery) -> Result<Outgoing, PublishError> {
        let event = codec::decode(&delivery.data, &delivery.properties);
        let before = codec::travel_of(&delivery.properties, event.as_ref().ok(), self.now);
        let travel = before.replayed(self.now, self.nonce);
        let event = self.edited.map_or(event, |edited| Ok(edited.clone()));
        let mut outgoing = outgoing::to(&Destination::Resume(self.worker), &event, &travel, self.now)?;
        codec::put_header(&mut outgoing.message, codec::NONCE, self.nonce);
        Ok(outgoing)
    }
}

fn unpublished(error: PublishError) -> BrokerError {
    match error {
        PublishError::Full { .. } | PublishError::Refused { .. } => BrokerError::Refused(error.to_string()),
        _ => BrokerError::Unavailable(error.to_string()),
    }
}

fn letter(delivery: &Delivery) -> DeadLetter {
    let event = codec::decode(&delivery.data, &delivery.properties);
    let travel = codec::travel_of(&delivery.properties, event.as_ref().ok(), DateTime::UNIX_EPOCH);
    let by_broker = codec::broker_death(&delivery.properties);
    let reason = match &by_broker {
        Some(cause) => format!("dead-lettered by the broker: {cause}"),
        None => travel.reason.unwrap_or_else(|| "no reason was given".into()),
    };
    let at = if by_broker.is_some() { None } else { codec::published_at(&delivery.properties) };
    DeadLetter { id: id_of(delivery), event, reason, attempts: travel.attempt, at }
}

/// The tag that its publisher minted; of a foreign message that says nothing of itself, what it says.
fn id_of(delivery: &Delivery) -> String {
    let event = codec::decode(&delivery.data, &delivery.properties);
    let tag = codec::travel_of(&delivery.properties, event.as_ref().ok(), DateTime::UNIX_EPOCH).tag;
    if tag.is_empty() {
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &delivery.data).to_string()
    } else {
        tag
    }
}

struct Scan {
    channel: Channel,
    consumer: Consumer,
    queue: String,
    counted: u64,
    seen: u64,
    limit: u64,
}

impl Scan {
    async fn open(link: &Link, worker: &str, limit: usize) -> Result<Self, BrokerError> {
        let queue = topology::dead(worker);
        let channel = channel(link).await?;
        let counted = count(&channel, &queue).await?;
        let limit = u16::try_from(limit).unwrap_or(SCAN_MAX).min(SCAN_MAX);
        within(&queue, channel.basic_qos(limit.max(1), BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consuming =
            channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
        let consumer = within(&queue, consuming).await?;
        Ok(Self { channel, consumer, queue, counted, seen: 0, limit: limit.into() })
    }

    async fn next(&mut self) -> Result<Option<Delivery>, BrokerError> {
        if self.seen == self.limit {
            return Ok(None);
        }
        let patience = if self.seen < self.counted { COUNTED } else { UNCOUNTED };
        match tokio::time::timeout(patience, self.consumer.next()).await {
            Err(_) | Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(faults::about(&self.queue, &error)),
            Ok(Some(Ok(delivery))) => {
                self.seen += 1;
                Ok(Some(delivery))
            }
        }
    }

    /// Returns everything that it holds, to its old place: tag 0 is all of it.
    async fn give_back(self) -> Result<(), BrokerError> {
        // First the consumer, or it would be handed the same letters again.
        let cancelling = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        within(&self.queue, cancelling).await?;
        let options = BasicNackOptions { requeue: true, multiple: true };
        within(&self.queue, self.channel.basic_nack(0, options)).await?;
        within(&self.queue, self.channel.close(200, "done".into())).await
    }
}
