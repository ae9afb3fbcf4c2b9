//! Binds a simulator to a socket. An answer that carries `RESET_HEADER` is not sent:
//! the connection is reset instead, as by a load balancer that dies.

mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Extension, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::tls::ServerTls;
use tls::TlsListener;

/// In process this header says that the connection was cut; on a socket it really is.
pub const RESET_HEADER: &str = "x-sim-reset";

/// Serves a router until the handle is aborted. Port 0 takes a free one; the address is the bound one.
pub async fn serve(router: Router, addr: SocketAddr) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    serve_with(router, addr, std::future::pending()).await
}

/// As `serve`, with work that runs beside it (deliveries, a ticker) and ends with it.
pub async fn serve_with(
    router: Router,
    addr: SocketAddr,
    background: impl Future<Output = ()> + Send + 'static,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(addr).await?;
    let bound = listener.local_addr()?;
    let service = router.layer(from_fn(cut_connection)).into_make_service_with_connect_info::<Peer>();
    let handle = tokio::spawn(async move {
        tokio::select! {
            served = axum::serve(CuttingListener(listener), service) => {
                if let Err(error) = served {
                    tracing::error!(%error, "simulator stopped");
                }
            }
            () = background => {}
        }
    });
    Ok((bound, handle))
}

/// As `serve`, over TLS.
pub async fn serve_tls(
    router: Router,
    addr: SocketAddr,
    tls: ServerTls,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(addr).await?;
    let bound = listener.local_addr()?;
    let (listener, handshakes) = TlsListener::new(listener, tls)?;
    let service = router.layer(from_fn(cut_connection)).into_make_service_with_connect_info::<Peer>();
    let handle = tokio::spawn(async move {
        tokio::select! {
            served = axum::serve(listener, service) => {
                if let Err(error) = served {
                    tracing::error!(%error, "simulator stopped");
                }
            }
            () = handshakes => {}
        }
    });
    Ok((bound, handle))
}

/// What is known of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    cut: Cut,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
    /// SHA-256 of the certificate that the client showed.
    pub(crate) certificate: Option<String>,
}

impl Peer {
    /// What is known of the connection that a request came by; in process nothing is.
    pub(crate) fn of(request: &Request) -> Self {
        let info = request.extensions().get::<ConnectInfo<Self>>();
        info.map(|ConnectInfo(peer)| peer.clone()).unwrap_or_default()
    }
}

/// Shared between a connection and its requests: once set, nothing more is written.
#[derive(Debug, Clone, Default)]
struct Cut(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, CuttingListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        Self { cut: stream.io().cut.clone(), ..Self::default() }
    }
}

async fn cut_connection(
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<Peer>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if response.headers().contains_key(RESET_HEADER) {
        peer.cut.0.store(true, Ordering::SeqCst);
    }
    response
}

struct CuttingListener(TcpListener);

impl Listener for CuttingListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        let cut = Cut::default();
        (CuttableStream { stream, cut }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

struct CuttableStream {
    stream: TcpStream,
    cut: Cut,
}

impl CuttableStream {
    fn refuse_if_cut(&self) -> io::Result<()> {
        if self.cut.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.refuse_if_cut()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::time::Duration;

    async fn fetch(url: String) -> reqwest::Result<String> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        client.get(url).send().await?.text().await
    }

    #[tokio::test]
    async fn a_router_is_served_on_a_free_port() {
        let router = Router::new().route("/", get(|| async { "hello" }));
        let (addr, handle) = serve(router, ([127, 0, 0, 1], 0).into()).await.unwrap();
        assert_eq!(fetch(format!("http://{addr}/")).await.unwrap(), "hello");
        handle.abort();
    }

    #[tokio::test]
    async fn an_answer_with_the_reset_header_cuts_the_connection() {
        let router = Router::new().route("/", get(|| async { [(RESET_HEADER, "1")] }));
        let (addr, handle) = serve(router, ([127, 0, 0, 1], 0).into()).await.unwrap();
        assert!(fetch(format!("http://{addr}/")).await.is_err());
        handle.abort();
    }
}
