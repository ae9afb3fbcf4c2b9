//! Sockets: a bounded number of connections, a time-out for each head, and a drain at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use interlock_runtime::signals::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Ingress;

/// For a request's head, and for the next request on a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections beyond the requests in hand: those that wait for their next request.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// After a failed accept (no file descriptors left) the next one would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

impl Ingress {
    /// Serves until the shutdown begins, then answers what is in hand, for `drain` at most.
    ///
    /// The listener is bound, its address known and the broker looked at when this returns.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(
        self,
        listen: SocketAddr,
        drain: Duration,
        shutdown: Shutdown,
    ) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        let listener = TcpListener::bind(listen).await?;
        let bound = listener.local_addr()?;
        self.look().await;
        tracing::info!(address = %bound, "ingress listens");
        let looking = tokio::spawn(self.clone().keep_looking(shutdown.clone()));
        let draining = tokio::spawn(self.clone().keep_draining(shutdown.clone()));
        let connections = self.inner.parts.limits.in_flight + IDLE_CONNECTIONS_MAX;
        let router = self.router();
        let task = tokio::spawn(async move {
            let open = accept_until(&listener, &router, connections, &shutdown).await;
            drop(listener);
            if tokio::time::timeout(drain, open.shutdown()).await.is_err() {
                tracing::warn!("requests in hand were dropped at the end of the drain");
            }
            looking.abort();
            draining.abort();
        });
        Ok((bound, task))
    }
}

async fn accept_until(
    listener: &TcpListener,
    router: &Router,
    connections: usize,
    shutdown: &Shutdown,
) -> GracefulShutdown {
    let open = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections));
    let mut server = Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (accept(listener).await, place)
        };
        let (stream, place) = tokio::select! {
            () = shutdown.begun() => return open,
            next = next => next,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _place = place;
            // A sender that goes away in the middle is no event of ours.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
