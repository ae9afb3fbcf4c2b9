//! Reading the log stream up to its end as of the call.
//!
//! A stream has no end that the protocol names. So its last chunk is read first: the highest offset in it is
//! the end. Then everything from `since` is read until that offset came; what is not read in time is an error,
//! never a shorter answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudevents::AttributesReader;
use futures_util::StreamExt;
use interlock_runtime::ports::broker::{BrokerError, LogEntry};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};

use super::declare::{channel, count, within};
use super::faults;
use super::link::Link;
use crate::{codec, topology};

const PREFETCH: u16 = 512;
/// A chunk is sent at once, so a gap inside it is short.
const GAP: Duration = Duration::from_millis(400);
/// While others publish there is always another entry; the last chunk is long there by then.
const FOLLOW: Duration = Duration::from_secs(2);
/// How long the first entry of a log may take that is not empty.
const FIRST: Duration = Duration::from_secs(10);
/// How long an apparently empty log is believed to hold something after all.
const EMPTY: Duration = Duration::from_secs(1);
/// Offsets by time are the broker's clock and find chunks, not entries; its clock and ours may differ.
const SKEW_S: i64 = 120;

/// Entries from `since` on, oldest first.
pub async fn read(
    link: &Link,
    since: DateTime<Utc>,
    types: &[&str],
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<LogEntry>, BrokerError> {
    let Some(end) = end(link, now).await? else { return Ok(Vec::new()) };
    if end.at < since || limit == 0 {
        return Ok(Vec::new());
    }
    let from = since.timestamp().saturating_sub(SKEW_S).max(0);
    let mut reader = Reader::open(link, AMQPValue::Timestamp(u64::try_from(from).unwrap_or(0))).await?;
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(delivery) = reader.next(FIRST).await? else {
            let gap = FIRST.as_secs();
            return Err(BrokerError::Unavailable(format!("{}: nothing came for {gap} s", topology::LOG)));
        };
        let offset = codec::stream_offset(&delivery.properties).unwrap_or(i64::MAX);
        if let Some(entry) = entry(&delivery).filter(|entry| wanted(entry, since, types)) {
            entries.push(entry);
        }
        if offset >= end.offset {
            break;
        }
    }
    Ok(entries)
}

fn wanted(entry: &LogEntry, since: DateTime<Utc>, types: &[&str]) -> bool {
    entry.at >= since && (types.is_empty() || types.contains(&entry.event.ty()))
}

/// What is no event is in the log too, but nobody can take it up.
fn entry(delivery: &Delivery) -> Option<LogEntry> {
    let event = codec::decode(&delivery.data, &delivery.properties).ok()?;
    Some(LogEntry { at: at(delivery), event })
}

fn at(delivery: &Delivery) -> DateTime<Utc> {
    codec::travel_of(&delivery.properties, None, DateTime::UNIX_EPOCH).first_at
}

struct End {
    offset: i64,
    /// The latest time in the last chunk.
    at: DateTime<Utc>,
}

async fn end(link: &Link, now: DateTime<Utc>) -> Result<Option<End>, BrokerError> {
    let patience = if count(&channel(link).await?, topology::LOG).await? == 0 { EMPTY } else { FIRST };
    let mut reader = Reader::open(link, AMQPValue::LongString("last".into())).await?;
    let Some(first) = reader.next(patience).await? else { return Ok(None) };
    let mut end = End::of(&first);
    let follow = async {
        while end.at <= now {
            let Some(delivery) = reader.next(GAP).await? else { break };
            let later = End::of(&delivery);
            end = End { at: later.at.max(end.at), ..later };
        }
        Ok(())
    };
    match tokio::time::timeout(FOLLOW, follow).await {
        Ok(followed) => followed.map(|()| Some(end)),
        Err(_) => Ok(Some(end)),
    }
}

impl End {
    fn of(delivery: &Delivery) -> Self {
        let offset = codec::stream_offset(&delivery.properties).unwrap_or_default();
        Self { offset, at: at(delivery) }
    }
}

struct Reader {
    /// Dropping the last handle closes it.
    _channel: Channel,
    consumer: Consumer,
}

impl Reader {
    async fn open(link: &Link, offset: AMQPValue) -> Result<Self, BrokerError> {
        let channel = channel(link).await?;
        within(topology::LOG, channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), offset);
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(topology::LOG.into(), "".into(), options, arguments);
        let consumer = within(topology::LOG, consuming).await?;
        Ok(Self { _channel: channel, consumer })
    }

    /// The next entry; `None` when none came in time. Acks are the credit for more.
    async fn next(&mut self, patience: Duration) -> Result<Option<Delivery>, BrokerError> {
        match tokio::time::timeout(patience, self.consumer.next()).await {
            Err(_) => Ok(None),
            Ok(None) => Err(BrokerError::Unavailable(format!("{}: the reader was cancelled", topology::LOG))),
            Ok(Some(Err(error))) => Err(faults::about(topology::LOG, &error)),
            Ok(Some(Ok(delivery))) => {
                within(topology::LOG, delivery.acker.ack(BasicAckOptions::default())).await?;
                Ok(Some(delivery))
            }
        }
    }
}
