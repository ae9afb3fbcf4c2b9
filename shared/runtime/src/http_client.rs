//! The `Http` port on the network: bounded, without redirects, cookies or repeats.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::ports::http::{Http, HttpError};

/// The largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Host unreachable is learnt this fast, so that it reads as "not sent" and not as "unknown".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are dropped before usual load balancers drop them (60 s) under a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(45);
const POOL_IDLE_MAX_PER_HOST: usize = 16;
const USER_AGENT: &str = concat!("interlock/", env!("CARGO_PKG_VERSION"));

/// Sends over HTTP/1.1 and TLS. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct ReqwestHttp {
    client: reqwest::Client,
}

/// The client could not be built: the machine's certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("HTTP client: {0}")]
pub struct HttpClientError(String);

impl ReqwestHttp {
    /// A client with its own pool.
    ///
    /// # Errors
    /// [`HttpClientError`] when TLS cannot be set up.
    pub fn new() -> Result<Self, HttpClientError> {
        install_tls_provider();
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_MAX_PER_HOST)
            .build()
            .map_err(|error| HttpClientError(chain(&error)))?;
        Ok(Self { client })
    }
}

/// Makes aws-lc-rs the process's TLS provider. Without a choice rustls refuses to guess where a
/// dependency brings a second one. Repeats are harmless.
pub fn install_tls_provider() {
    // Err says that one is installed already, by an earlier call.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[async_trait]
impl Http for ReqwestHttp {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Instant,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let host = request.uri().authority().map_or_else(|| "?".to_owned(), host_and_port);
        let not_sent = |reason: String| HttpError::NotSent { host: host.clone(), reason };
        if Instant::now() >= deadline {
            return Err(not_sent("the deadline is over".to_owned()));
        }
        let request = reqwest::Request::try_from(request).map_err(|error| not_sent(describe(error)))?;
        tokio::time::timeout_at(deadline, self.exchange(request, &host)).await.unwrap_or_else(|_| {
            Err(HttpError::Unknown { host: host.clone(), reason: "the deadline is over".to_owned() })
        })
    }
}

impl ReqwestHttp {
    async fn exchange(
        &self,
        request: reqwest::Request,
        host: &str,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let host = || host.to_owned();
        let mut answer = self.client.execute(request).await.map_err(|error| {
            // Only these two kinds are certain to come before the first byte of the request.
            if error.is_connect() || error.is_builder() {
                HttpError::NotSent { host: host(), reason: describe(error) }
            } else {
                HttpError::Unknown { host: host(), reason: describe(error) }
            }
        })?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| HttpError::Unknown { host: host(), reason: describe(error) })?
        {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLarge { host: host(), limit: ANSWER_BYTES_MAX });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(with_body(&answer, body.freeze()))
    }
}

fn with_body(answer: &reqwest::Response, body: Bytes) -> http::Response<Bytes> {
    let mut response = http::Response::new(body);
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    *response.headers_mut() = answer.headers().clone();
    response
}

/// Without user and password, which a base URL may carry.
fn host_and_port(authority: &http::uri::Authority) -> String {
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", authority.host())
}

/// The URL is left out: its query may hold a secret.
fn describe(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

#[cfg(test)]
mod tests;
