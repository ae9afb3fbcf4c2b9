//! A webhook that its sender shows over its own API. It needs no signature: whoever answers a call that we made
//! ourselves, to the address of the connection and with its credentials, is the sender.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;

use super::{Verified, Webhook};
use crate::ports::http::{Http, HttpError};

/// What an API answered to a call of ours that carried our credentials. Only [`Authenticated::fetch`] makes one.
#[derive(Debug, Clone)]
pub struct Authenticated(Response<Bytes>);

impl Authenticated {
    /// Sends a request that must carry credentials.
    ///
    /// # Errors
    /// [`HttpError`]; a request without credentials is not sent.
    pub async fn fetch(
        http: &dyn Http,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Self, HttpError> {
        if !request.headers().contains_key(header::AUTHORIZATION) {
            let host = request.uri().host().unwrap_or_default().to_owned();
            return Err(HttpError::NotSent { host, reason: "it carries no credentials".into() });
        }
        http.send(request, deadline).await.map(Self)
    }

    /// The answer itself.
    #[must_use]
    pub fn response(&self) -> &Response<Bytes> {
        &self.0
    }

    /// The webhook that a successful answer shows; `None` where it shows none. `pick` finds headers and payload in it.
    pub fn webhook(
        &self,
        received_at: DateTime<Utc>,
        pick: impl FnOnce(&Value) -> Option<(HeaderMap, Value)>,
    ) -> Option<Verified> {
        let shown =
            serde_json::from_slice(self.0.body()).ok().filter(|_| self.0.status() == StatusCode::OK)?;
        let (headers, payload) = pick(&shown)?;
        let body = Bytes::from(payload.to_string());
        Some(Verified(Webhook { headers, body, received_at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    /// Answers everybody alike.
    struct Says(StatusCode, &'static str);

    #[async_trait]
    impl Http for Says {
        async fn send(&self, _: Request<Bytes>, _: Instant) -> Result<Response<Bytes>, HttpError> {
            let answer = Response::builder().status(self.0).body(Bytes::from_static(self.1.as_bytes()));
            Ok(answer.expect("a response"))
        }
    }

    fn request(credentials: bool) -> Request<Bytes> {
        let request = Request::builder().uri("https://api.example/deliveries/1");
        let request = if credentials { request.header(header::AUTHORIZATION, "Bearer x") } else { request };
        request.body(Bytes::new()).expect("a request")
    }

    async fn shown(says: Says) -> Option<Verified> {
        let answer = Authenticated::fetch(&says, request(true), Instant::now()).await.expect("an answer");
        answer.webhook(DateTime::UNIX_EPOCH, |shown| Some((HeaderMap::new(), shown.get("payload")?.clone())))
    }

    #[tokio::test]
    async fn only_a_successful_answer_to_a_call_with_credentials_shows_a_webhook() {
        let says = || Says(StatusCode::OK, r#"{"payload":{"action":"requested"}}"#);
        let webhook = shown(says()).await.expect("a webhook");
        assert_eq!(webhook.body, r#"{"action":"requested"}"#);
        let anonymous = Authenticated::fetch(&says(), request(false), Instant::now()).await;
        assert!(matches!(anonymous, Err(HttpError::NotSent { .. })), "{anonymous:?}");
        assert!(shown(Says(StatusCode::FORBIDDEN, r#"{"payload":{}}"#)).await.is_none());
        assert!(shown(Says(StatusCode::OK, "<html>")).await.is_none());
        assert!(shown(Says(StatusCode::OK, "{}")).await.is_none());
    }
}
