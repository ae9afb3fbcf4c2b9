//! Interlock, broken on purpose at its seams: each sabotage must be caught by the promise that it breaks,
//! or the judge is worth nothing.

mod at_broker;
mod at_http;
mod at_store;

use std::sync::Arc;

use chrono::TimeDelta;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;
use tokio::time::Instant;

use self::at_broker::BrokenBroker;
use self::at_http::BrokenHttp;
use self::at_store::BrokenStore;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A delivery is acked before what follows from it is published.
    AckBeforePublish,
    /// What the broker does not confirm is taken as confirmed.
    ConfirmUnread,
    /// What comes again is dropped instead.
    DropRedelivered,
    /// A watch does not come again.
    DropWatch,
    /// A delivery does not say that it was delivered before, and no marker is asked for.
    HideRedelivered,
    /// A webhook is answered before its events are published.
    AnswerBeforePublish,
    /// The hint that a webhook was here before is set before its events are confirmed.
    HintBeforeConfirm,
    /// Nothing is looked up before a change is created.
    NoLookUp,
    /// A create that timed out is looked for at once and not again.
    NoSettle,
    /// Every write is sent twice, as by a client that repeats what was slow.
    WriteTwice,
    /// Whatever ServiceNow says, the change counts as approved: a hint is trusted.
    TrustTheHint,
    /// A time-out or an error of ServiceNow counts as approved.
    ReleaseOnTimeout,
    /// A change on hold counts as not on hold.
    IgnoreHold,
    /// The record's planned window is not seen.
    IgnoreWindow,
    /// The record is read from a cache of a minute.
    StaleRecord,
    /// The run is read from a cache of ten minutes before an answer.
    RejectWithoutRead,
    /// A run that does not wait any more is concluded to have been canceled.
    ConcludeFromNotWaiting,
    /// The step to Review is never written, and said to be.
    NeverClose,
    /// The Store remembers nothing: every claim is won, every copy holds its chain.
    RememberNothing,
    /// A watch is dropped because a stored number says that another lives.
    WatchDroppedByNumber,
    /// A process's clock is ten minutes slow.
    SlowClock,
}

impl Sabotage {
    /// All of them, with the promises of which one must be found broken.
    pub const ALL: &'static [(Self, &'static [&'static str])] = &[
        (Self::AckBeforePublish, &["I1", "I4", "I6"]),
        (Self::ConfirmUnread, &["I1", "I4", "I6"]),
        (Self::DropRedelivered, &["I1", "I4", "I6"]),
        (Self::DropWatch, &["I1", "I4", "I6"]),
        (Self::HideRedelivered, &["I2"]),
        (Self::AnswerBeforePublish, &["I1", "I4", "I6"]),
        (Self::HintBeforeConfirm, &["I1", "I4", "I6"]),
        (Self::NoLookUp, &["I2"]),
        (Self::NoSettle, &["I2"]),
        (Self::WriteTwice, &["I2"]),
        (Self::TrustTheHint, &["I3"]),
        (Self::ReleaseOnTimeout, &["I3"]),
        (Self::IgnoreHold, &["I3"]),
        (Self::IgnoreWindow, &["I3"]),
        (Self::StaleRecord, &["I3"]),
        (Self::RejectWithoutRead, &["I5"]),
        (Self::ConcludeFromNotWaiting, &["I6"]),
        (Self::NeverClose, &["I6"]),
        (Self::RememberNothing, &["I2"]),
        (Self::WatchDroppedByNumber, &["I1", "I4", "I6"]),
        (Self::SlowClock, &["I4"]),
    ];

    pub(crate) fn broker(this: Option<Self>, broker: Arc<dyn Broker>) -> Arc<dyn Broker> {
        match this {
            Some(
                sabotage @ (Self::ConfirmUnread
                | Self::DropRedelivered
                | Self::DropWatch
                | Self::HideRedelivered),
            ) => Arc::new(BrokenBroker { broker, sabotage }),
            _ => broker,
        }
    }

    pub(crate) fn broker_of_ingress(this: Option<Self>, broker: Arc<dyn Broker>) -> Arc<dyn Broker> {
        match this {
            Some(sabotage @ Self::AnswerBeforePublish) => Arc::new(BrokenBroker { broker, sabotage }),
            _ => broker,
        }
    }

    pub(crate) fn store(this: Option<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match this {
            Some(
                sabotage @ (Self::RememberNothing
                | Self::HideRedelivered
                | Self::HintBeforeConfirm
                | Self::WatchDroppedByNumber),
            ) => Arc::new(BrokenStore::new(store, sabotage)),
            _ => store,
        }
    }

    pub(crate) fn http(this: Option<Self>, http: Arc<dyn Http>) -> Arc<dyn Http> {
        match this {
            Some(
                sabotage @ (Self::NoLookUp
                | Self::WriteTwice
                | Self::TrustTheHint
                | Self::ReleaseOnTimeout
                | Self::IgnoreHold
                | Self::IgnoreWindow
                | Self::StaleRecord
                | Self::RejectWithoutRead
                | Self::ConcludeFromNotWaiting
                | Self::NeverClose),
            ) => Arc::new(BrokenHttp::new(http, sabotage)),
            _ => http,
        }
    }

    pub(crate) fn clock(this: Option<Self>, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
        if this == Some(Self::SlowClock) { Arc::new(SlowClock(clock)) } else { clock }
    }
}

struct SlowClock(Arc<dyn Clock>);

impl Clock for SlowClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.now() - TimeDelta::minutes(10)
    }

    fn instant(&self) -> Instant {
        self.0.instant()
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}
