//! One connection, kept up by a supervisor of our own.
//!
//! lapin's automatic recovery leaves channel errors dead and hides that a gap happened, so a lost
//! connection is torn down as a whole and built anew, and everybody who used it is told.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use interlock_runtime::ports::clock::Clock;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::watch;

use super::faults;

const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A server that closes a connection in order gives no event; so the state is looked at as well.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Publishing, and everything that must go on while it is blocked is elsewhere.
    Publish,
    /// Consuming: an alarm of the broker blocks only connections that publish.
    Consume,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

/// How a connection stands.
#[derive(Clone)]
pub enum State {
    /// Not yet, or no longer.
    Down(String),
    /// It is there.
    Up(Arc<Session>),
    /// It was closed by us and stays so.
    Closed,
}

/// One life of a connection.
pub struct Session {
    connection: Connection,
    blocked: watch::Sender<bool>,
    /// Which life it is, counted from 1.
    pub number: u64,
}

impl Session {
    /// A new channel.
    pub async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// Resolves when the broker blocks publishing (a memory or disk alarm); at once if it does already.
    pub async fn until_blocked(&self) {
        let mut blocked = self.blocked.subscribe();
        if blocked.wait_for(|blocked| *blocked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A supervised connection.
pub struct Link {
    purpose: Purpose,
    state: watch::Sender<State>,
}

/// How to connect.
#[derive(Clone)]
pub struct Target {
    /// Address, with credentials: never printed.
    pub uri: AMQPUri,
    /// How long one attempt may take.
    pub connect_timeout: Duration,
    /// Shown in the broker's list of connections.
    pub name: String,
}

impl Link {
    /// Starts to keep a connection up, until it is closed or dropped.
    pub fn start(target: Target, purpose: Purpose, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (state, _) = watch::channel(State::Down("not connected yet".into()));
        let link = Arc::new(Self { purpose, state });
        metrics::gauge!("interlock_broker_connected", "connection" => purpose.name()).set(0.0);
        tokio::spawn(supervise(Arc::downgrade(&link), link.state.subscribe(), target, clock));
        link
    }

    /// The present session, or why there is none.
    pub fn session(&self) -> Result<Arc<Session>, String> {
        match &*self.state.borrow() {
            State::Up(session) => Ok(session.clone()),
            State::Down(reason) => Err(reason.clone()),
            State::Closed => Err("closed".into()),
        }
    }

    /// Waits until it is up, or says why it is not after `patience`.
    pub async fn wait(&self, patience: Duration) -> Result<Arc<Session>, String> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Down(_)));
        // Its outcome stands in the state either way.
        drop(tokio::time::timeout(patience, settled).await);
        self.session()
    }

    /// Resolves with the reason when the given session is over.
    pub async fn until_over(&self, session: u64) -> String {
        let mut state = self.state.subscribe();
        let over = state.wait_for(|state| !matches!(state, State::Up(now) if now.number == session)).await;
        match over.as_deref() {
            Ok(State::Down(reason)) => reason.clone(),
            Ok(State::Closed) | Err(_) => "closed".into(),
            Ok(State::Up(_)) => "it was built anew".into(),
        }
    }

    /// It was closed by us.
    pub fn is_closed(&self) -> bool {
        matches!(&*self.state.borrow(), State::Closed)
    }

    /// Closes it for good; deliveries in hand go back to the broker.
    pub async fn close(&self) {
        let before = self.state.send_replace(State::Closed);
        if let State::Up(session) = before {
            let closing = session.connection.close(200, "closing".into());
            drop(tokio::time::timeout(CLOSE_WITHIN, closing).await);
        }
    }

    /// False once it was closed.
    fn put(&self, state: State) -> bool {
        let up = matches!(state, State::Up(_));
        let put = self.state.send_if_modified(|now| {
            let open = !matches!(now, State::Closed);
            if open {
                *now = state;
            }
            open
        });
        metrics::gauge!("interlock_broker_connected", "connection" => self.purpose.name())
            .set(f64::from(u8::from(up && put)));
        put
    }
}

async fn supervise(
    link: Weak<Link>,
    mut closed: watch::Receiver<State>,
    target: Target,
    clock: Arc<dyn Clock>,
) {
    let mut backoff = BACKOFF_MIN;
    let mut number = 0;
    loop {
        number += 1;
        let reason = match connect(&target).await {
            Ok(connection) => {
                backoff = BACKOFF_MIN;
                let session = Arc::new(Session { connection, blocked: watch::channel(false).0, number });
                let Some(link) = link.upgrade() else { return };
                if !link.put(State::Up(session.clone())) {
                    return;
                }
                drop(link);
                watch_over(&session, &mut closed).await
            }
            Err(reason) => reason,
        };
        let Some(link) = link.upgrade() else { return };
        tracing::warn!(connection = link.purpose.name(), reason, "the connection to the broker is down");
        if !link.put(State::Down(reason)) {
            return;
        }
        drop(link);
        tokio::time::sleep(clock.jittered(backoff)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

async fn connect(target: &Target) -> Result<Connection, String> {
    let properties = ConnectionProperties::default().with_connection_name(target.name.as_str().into());
    let connecting = Connection::connect_uri(target.uri.clone(), properties);
    // The asynchronous path of lapin ignores the address's own `connection_timeout`.
    match tokio::time::timeout(target.connect_timeout, connecting).await {
        Ok(connected) => connected.map_err(|e| faults::text(&e)),
        Err(_) => Err(format!("no connection in {} ms", target.connect_timeout.as_millis())),
    }
}

/// Until the connection is gone; says why.
async fn watch_over(session: &Session, closed: &mut watch::Receiver<State>) -> String {
    let mut events = std::pin::pin!(session.connection.events_listener());
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "the broker blocks publishing");
                    session.blocked.send_replace(true);
                }
                Some(Event::ConnectionUnblocked) => drop(session.blocked.send_replace(false)),
                // Errors of one channel are told here too.
                Some(Event::Error(error)) if !session.connection.status().connected() => {
                    return faults::text(&error);
                }
                Some(_) => {}
                None => return "its events ended".into(),
            },
            _ = look.tick() => {
                if !session.connection.status().connected() {
                    return "the broker closed it".into();
                }
            }
            over = closed.wait_for(|state| matches!(state, State::Closed)) => {
                drop(over);
                return "closed".into();
            }
        }
    }
}
