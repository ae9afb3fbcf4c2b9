//! The listener for HTTPS: handshakes run beside each other, so that one slow client stops nobody.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Cut, CuttableStream, Peer};
use crate::tls::{ServerTls, fingerprint};

/// How many handshakes run at once; more wait.
const HANDSHAKES_MAX: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

type Accepted = (TlsStream<CuttableStream>, SocketAddr);

/// Connections whose handshake is done.
pub(super) struct TlsListener {
    accepted: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

impl TlsListener {
    /// The listener, and the work that fills it for as long as it is polled.
    pub(super) fn new(
        listener: TcpListener,
        tls: ServerTls,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        let (send, accepted) = mpsc::channel(HANDSHAKES_MAX);
        let address = listener.local_addr()?;
        Ok((Self { accepted, address }, shake_hands(listener, TlsAcceptor::from(tls.0), send)))
    }
}

async fn shake_hands(mut listener: TcpListener, tls: TlsAcceptor, accepted: mpsc::Sender<Accepted>) {
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.len() >= HANDSHAKES_MAX {
            handshakes.join_next().await;
        }
        let (stream, address) = Listener::accept(&mut listener).await;
        let (tls, accepted) = (tls.clone(), accepted.clone());
        handshakes.spawn(async move {
            let stream = CuttableStream { stream, cut: Cut::default() };
            let done = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = done {
                // Nobody listens any more: then the connection goes too.
                let _ = accepted.send((stream, address)).await;
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<CuttableStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (stream, tls) = stream.io().get_ref();
        let certificate = tls.peer_certificates().and_then(<[_]>::first).map(fingerprint);
        Self { cut: stream.cut.clone(), tls: true, certificate }
    }
}
