//! The topology on a broker: declared, bound, looked at.

use std::time::Duration;

use interlock_runtime::ports::broker::BrokerError;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::faults;
use super::link::{Link, Session};
use crate::topology::{self, Argument, Queue, Routing};

/// How long one question to the broker may take; a new quorum queue elects a leader first.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A channel of its own, since an answer of 404 or 406 ends the channel that it came on.
pub async fn channel(link: &Link) -> Result<Channel, BrokerError> {
    let session = link.session().map_err(BrokerError::Unavailable)?;
    channel_on(&session).await
}

/// The same, on a known session.
pub async fn channel_on(session: &Session) -> Result<Channel, BrokerError> {
    within("a channel", session.channel()).await
}

/// An answer of the broker about `what`, in time.
pub async fn within<T>(what: &str, answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(answered) => answered.map_err(|error| faults::about(what, &error)),
        Err(_) => {
            Err(BrokerError::Unavailable(format!("{what}: no answer in {} s", ANSWER_WITHIN.as_secs())))
        }
    }
}

/// Declares everything.
pub async fn apply(link: &Link) -> Result<(), BrokerError> {
    let channel = channel(link).await?;
    for (name, routing) in topology::EXCHANGES {
        exchange(&channel, name, *routing, false).await?;
    }
    for queue in topology::queues() {
        declare(&channel, &queue).await?;
        bind(&channel, &queue).await?;
    }
    Ok(())
}

/// Looks whether every exchange and queue is there.
pub async fn check(link: &Link) -> Result<(), BrokerError> {
    let channel = channel(link).await?;
    exchange(&channel, topology::EVENTS, Routing::Topic, true).await?;
    for queue in topology::queues() {
        count(&channel, &queue.name).await?;
    }
    Ok(())
}

/// How many messages are ready in a queue; [`BrokerError::Missing`] ends the channel.
pub async fn count(channel: &Channel, queue: &str) -> Result<u64, BrokerError> {
    let options = QueueDeclareOptions::durable().passive();
    let found = within(queue, channel.queue_declare(queue.into(), options, FieldTable::default())).await?;
    Ok(found.message_count().into())
}

async fn exchange(channel: &Channel, name: &str, routing: Routing, passive: bool) -> Result<(), BrokerError> {
    let kind = match routing {
        Routing::Direct => ExchangeKind::Direct,
        Routing::Topic => ExchangeKind::Topic,
    };
    let options = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
    within(name, channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

/// Declares one queue.
pub async fn declare(channel: &Channel, queue: &Queue) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(queue.name.as_str().into(), options, arguments(queue));
    within(&queue.name, declared).await.map(drop)
}

/// Binds one queue; a binding that stands stays.
pub async fn bind(channel: &Channel, queue: &Queue) -> Result<(), BrokerError> {
    for (exchange, key) in &queue.bindings {
        let (name, exchange, key) = (queue.name.as_str().into(), (*exchange).into(), key.as_str().into());
        let bound =
            channel.queue_bind(name, exchange, key, QueueBindOptions::default(), FieldTable::default());
        within(&queue.name, bound).await?;
    }
    Ok(())
}

fn arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in &queue.arguments {
        let value = match argument {
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}
