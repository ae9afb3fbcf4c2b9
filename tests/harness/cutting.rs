//! A wire between a role and its broker that stops at a chosen point: before or after a publication, before or after
//! an ack. Nothing passes from then on, in either direction, until the role has been replaced.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where the wire stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The publication does not reach the broker.
    BeforePublish,
    /// It does, and its confirm does not come back.
    AfterPublish,
    /// The ack does not reach the broker.
    BeforeAck,
    /// It does, and nothing else.
    AfterAck,
}

/// AMQP 0-9-1: method frames (type 1) of the class basic (60).
const METHOD: u8 = 1;
const BASIC: u16 = 60;
const CONSUME: u16 = 20;
const PUBLISH: u16 = 40;
const ACK: u16 = 80;
/// Reading the log acks as well, which decides nothing.
const LOG: &[u8] = b"interlock.log";

#[derive(Default)]
struct State {
    armed: Option<(Point, u32)>,
    is_cut: bool,
    /// Connections made before it are dead wires.
    generation: u64,
}

/// The wire. Clones share it.
#[derive(Clone)]
pub struct Wire {
    state: Arc<Mutex<State>>,
    at: SocketAddr,
}

impl Wire {
    /// A wire to the broker at this address (`amqp://user:password@host:port/vhost`).
    pub async fn to(amqp_url: &str) -> Self {
        let broker = amqp_url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
        let broker = broker.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let wire = Self { state: Arc::default(), at: listener.local_addr().expect("it is bound") };
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&broker).await else { continue };
                accepting.connect(client, server);
            }
        });
        wire
    }

    /// The same address by way of this wire.
    pub fn route(&self, amqp_url: &str) -> String {
        let (credentials, rest) = amqp_url.split_once('@').expect("the address names a user");
        let vhost = rest.split_once('/').expect("the address names a vhost").1;
        format!("{credentials}@{}/{vhost}", self.at)
    }

    /// Stops at the n-th such point from now on.
    pub fn arm(&self, point: Point, nth: u32) {
        self.lock().armed = Some((point, nth));
    }

    /// The point was reached.
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// New connections pass again; those that were cut stay so.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.is_cut = false;
        state.generation += 1;
    }

    fn connect(&self, client: TcpStream, server: TcpStream) {
        let generation = self.lock().generation;
        let logs = Arc::new(Mutex::new(BTreeSet::new()));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let up = Pump { wire: self.clone(), generation, upward: true, logs: logs.clone() };
        let down = Pump { wire: self.clone(), generation, upward: false, logs };
        tokio::spawn(up.pass(from_client, to_server));
        tokio::spawn(down.pass(from_server, to_client));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Pump {
    wire: Wire,
    generation: u64,
    upward: bool,
    /// Channels that read the log.
    logs: Arc<Mutex<BTreeSet<u16>>>,
}

/// What becomes of a frame.
enum Fate {
    Pass,
    PassAndCut,
    Cut,
}

impl Pump {
    async fn pass(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        if self.upward {
            let mut greeting = [0; 8];
            if from.read_exact(&mut greeting).await.is_err() || to.write_all(&greeting).await.is_err() {
                return;
            }
        }
        while let Some(frame) = frame(&mut from).await {
            match self.fate(&frame) {
                Fate::Pass => {
                    if to.write_all(&frame).await.is_err() {
                        return;
                    }
                }
                Fate::PassAndCut => {
                    // Whoever is at the other end may be gone; it is cut either way.
                    let _ = to.write_all(&frame).await;
                    self.wire.lock().is_cut = true;
                    return std::future::pending().await;
                }
                // Open and silent, as a process that was stopped.
                Fate::Cut => return std::future::pending().await,
            }
        }
    }

    fn fate(&self, frame: &[u8]) -> Fate {
        let mut state = self.wire.lock();
        if state.is_cut || state.generation != self.generation {
            return Fate::Cut;
        }
        let Some(point) = self.point(frame) else { return Fate::Pass };
        let Some((armed, left)) = state.armed.as_mut() else { return Fate::Pass };
        let is_it = *armed == point || (*armed == Point::AfterAck && point == Point::BeforeAck);
        if !is_it {
            return Fate::Pass;
        }
        *left -= 1;
        if *left > 0 {
            return Fate::Pass;
        }
        let passes = *armed == Point::AfterAck;
        state.armed = None;
        if passes {
            return Fate::PassAndCut;
        }
        state.is_cut = true;
        Fate::Cut
    }

    /// Which point a frame stands for.
    fn point(&self, frame: &[u8]) -> Option<Point> {
        let number = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
        let (channel, class, method) = (number(1)?, number(7)?, number(9)?);
        if frame[0] != METHOD || class != BASIC {
            return None;
        }
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.upward, method) {
            (true, CONSUME) => {
                // A reserved short, then the queue's name behind its length.
                let queue = frame.get(14..14 + usize::from(*frame.get(13)?))?;
                if queue == LOG {
                    logs.insert(channel)
                } else {
                    logs.remove(&channel)
                };
                None
            }
            (true, PUBLISH) => Some(Point::BeforePublish),
            (true, ACK) if !logs.contains(&channel) => Some(Point::BeforeAck),
            (false, ACK) => Some(Point::AfterPublish),
            _ => None,
        }
    }
}

/// One frame: type, channel, size, payload, end.
async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; 7];
    from.read_exact(&mut frame).await.ok()?;
    let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
    frame.resize(7 + usize::try_from(size).ok()? + 1, 0);
    from.read_exact(&mut frame[7..]).await.ok()?;
    Some(frame)
}
