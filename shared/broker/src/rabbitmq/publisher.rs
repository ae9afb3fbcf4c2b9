//! Publishing: persistent, mandatory, confirmed in time.
//!
//! The client hands a returned message to whichever confirm it processes next, so with several callers on
//! one channel an unroutable event could pass for another. Therefore a call has a channel to itself until
//! all its confirms are in, and a channel that was given up on (time-out, refusal of the channel) is not used again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use interlock_runtime::ports::broker::PublishError;
use interlock_runtime::ports::clock::Clock;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::Semaphore;

use super::faults;
use super::link::{Link, Session};
use crate::codec::Message;

/// How many calls may be under way; each has a channel of its own.
const CALLS_MAX: u32 = 32;
/// How many messages of one call are in flight.
const IN_FLIGHT_MAX: usize = 256;

/// A message and where it goes.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// To which exchange.
    pub exchange: &'static str,
    /// With which routing key.
    pub routing_key: String,
    /// Body and properties.
    pub message: Message,
    /// Its name in errors.
    pub what: String,
}

/// Publishes on the publish connection.
pub struct Publisher {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    confirm_timeout: Duration,
    calls: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    session: u64,
    channels: Vec<Channel>,
}

impl Publisher {
    /// A publisher on `link` that waits so long for confirms.
    pub fn new(link: Arc<Link>, clock: Arc<dyn Clock>, confirm_timeout: Duration) -> Self {
        let calls = Semaphore::new(CALLS_MAX as usize);
        Self { link, clock, confirm_timeout, calls, idle: Mutex::default() }
    }

    /// Publishes all; `Ok` only when each was taken by every queue that wants it.
    pub async fn send(&self, outgoing: &[Outgoing]) -> Result<(), PublishError> {
        for batch in outgoing.chunks(IN_FLIGHT_MAX) {
            let sent = self.send_batch(batch).await;
            match &sent {
                Ok(()) => metrics::counter!("interlock_published_total").increment(batch.len() as u64),
                Err(error) => {
                    metrics::counter!("interlock_publish_refused_total", "cause" => cause(error))
                        .increment(1);
                }
            }
            sent?;
        }
        Ok(())
    }

    async fn send_batch(&self, batch: &[Outgoing]) -> Result<(), PublishError> {
        let began = self.clock.instant();
        let session = self.link.session().map_err(PublishError::Gone)?;
        let unconfirmed = || PublishError::Unconfirmed {
            what: batch.first().map(|first| first.what.clone()).unwrap_or_default(),
            waited_ms: u64::try_from((self.clock.instant() - began).as_millis()).unwrap_or(u64::MAX),
        };
        tokio::select! {
            // A blocked connection answers nothing until it is unblocked; in order, so that it is asked first.
            biased;
            () = session.until_blocked() => Err(unconfirmed()),
            sent = tokio::time::timeout(self.confirm_timeout, self.send_on(&session, batch)) => match sent {
                Ok(sent) => sent,
                Err(_) => Err(unconfirmed()),
            },
            reason = self.link.until_over(session.number) => Err(PublishError::Gone(reason)),
        }
    }

    async fn send_on(&self, session: &Session, batch: &[Outgoing]) -> Result<(), PublishError> {
        let Ok(_permit) = self.calls.acquire().await else {
            return Err(PublishError::Gone("closed".into()));
        };
        let channel = self.take(session).await.map_err(|e| PublishError::Gone(faults::text(&e)))?;
        let mut confirms = Vec::with_capacity(batch.len());
        for outgoing in batch {
            confirms.push(publish(&channel, outgoing).await?);
        }
        let answers = join_all(confirms).await;
        let judged: Vec<_> =
            batch.iter().zip(answers).map(|(outgoing, answer)| judge(outgoing, answer)).collect();
        if channel.status().connected() {
            self.give_back(session, channel);
        }
        judged.into_iter().collect()
    }

    async fn take(&self, session: &Session) -> lapin::Result<Channel> {
        let idle = self.idle_of(session.number).channels.pop();
        match idle {
            Some(channel) if channel.status().connected() => Ok(channel),
            _ => {
                let channel = session.channel().await?;
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                Ok(channel)
            }
        }
    }

    fn give_back(&self, session: &Session, channel: Channel) {
        self.idle_of(session.number).channels.push(channel);
    }

    /// Channels of an earlier session are forgotten.
    fn idle_of(&self, session: u64) -> std::sync::MutexGuard<'_, Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.session < session {
            *idle = Idle { session, channels: Vec::new() };
        }
        idle
    }

    /// Lets no new call in and waits for those under way.
    pub async fn drain(&self) {
        drop(tokio::time::timeout(self.confirm_timeout, self.calls.acquire_many(CALLS_MAX)).await);
        self.calls.close();
    }
}

fn cause(error: &PublishError) -> &'static str {
    match error {
        PublishError::Full { .. } => "full",
        PublishError::Refused { .. } => "refused",
        PublishError::Unconfirmed { .. } => "unconfirmed",
        PublishError::Gone(_) => "gone",
    }
}

async fn publish(channel: &Channel, outgoing: &Outgoing) -> Result<PublisherConfirm, PublishError> {
    let routing_key = ShortString::try_new(outgoing.routing_key.as_str())
        .map_err(|_| refused(outgoing, "its type has more than 255 bytes"))?;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let Message { body, properties } = &outgoing.message;
    let sent =
        channel.basic_publish(outgoing.exchange.into(), routing_key, options, body, properties.clone()).await;
    sent.map_err(|error| failed(outgoing, &error))
}

/// Stored is an ack without a returned message, and nothing else.
fn judge(outgoing: &Outgoing, answer: lapin::Result<Confirmation>) -> Result<(), PublishError> {
    match answer {
        Ok(Confirmation::Ack(None)) => Ok(()),
        Ok(Confirmation::Ack(Some(_))) => Err(refused(outgoing, "no queue is bound for it")),
        Ok(Confirmation::Nack(_)) => Err(PublishError::Full { what: outgoing.what.clone() }),
        Ok(Confirmation::NotRequested) => Err(refused(outgoing, "the channel does not confirm")),
        Err(error) => Err(failed(outgoing, &error)),
    }
}

fn failed(outgoing: &Outgoing, error: &lapin::Error) -> PublishError {
    match faults::reply_code(error) {
        Some(_) => refused(outgoing, &faults::text(error)),
        None => PublishError::Gone(faults::text(error)),
    }
}

fn refused(outgoing: &Outgoing, reason: &str) -> PublishError {
    PublishError::Refused { what: outgoing.what.clone(), reason: reason.to_owned() }
}
