//! Webhooks: from bytes that anybody may send to bytes that are proven to come from a connection.
//!
//! A verification function of this module, or an answer to a call of our own ([`Authenticated`]), is the
//! only maker of [`Verified`], and translation takes nothing else, so an unverified body cannot be read.

mod read_back;

use std::ops::Deref;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName};
use interlock_events::Event;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

pub use read_back::Authenticated;

/// Deepest nesting of a body that is read. Vendors' payloads stay below 12.
pub const NESTING_MAX: usize = 64;

/// One request to `/webhooks/{connection}`, as it came.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// All headers.
    pub headers: HeaderMap,
    /// The raw body: signatures are over these bytes.
    pub body: Bytes,
    /// When it came, by our clock.
    pub received_at: DateTime<Utc>,
}

/// A webhook that is proven to come from who holds the connection's secret, or shown by the sender's own API.
#[derive(Debug, Clone)]
pub struct Verified(Webhook);

impl Deref for Verified {
    type Target = Webhook;

    fn deref(&self) -> &Webhook {
        &self.0
    }
}

/// Why a webhook is not authentic. For logs; never holds what was expected or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// The signature is not there.
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    /// There is more than one, and a proxy may have judged another than we would.
    #[error("the header {0} is there more than once")]
    Repeated(HeaderName),
    /// It is no signature of this scheme.
    #[error("the header {header} is no signature: {reason}")]
    Malformed {
        /// Which header.
        header: HeaderName,
        /// Prefix, encoding or length.
        reason: &'static str,
    },
    /// It does not fit the body under any of the connection's secrets.
    #[error("the signature in {0} fits none of the connection's secrets")]
    Mismatch(HeaderName),
    /// We cannot judge: our secrets cannot be had. Not the sender's fault.
    #[error("the connection has no usable secret: {0}")]
    NoSecret(String),
}

/// A body that cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at {at})")]
pub struct Unreadable {
    /// Where: a line and column, or a JSON pointer.
    pub at: String,
    /// What is wrong there.
    pub reason: String,
}

impl From<serde_json::Error> for Unreadable {
    /// Names the place and the kind of fault only: serde's own text repeats parts of the body.
    fn from(error: serde_json::Error) -> Self {
        let reason = match error.classify() {
            serde_json::error::Category::Data => "a value has an unexpected type, or is missing",
            serde_json::error::Category::Eof => "the JSON ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        };
        Self { at: format!("line {}, column {}", error.line(), error.column()), reason: reason.into() }
    }
}

/// What a webhook says, in our events.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The sender's name of the event (`deployment_status.created`), for counting. One of a fixed set,
    /// so that a sender cannot make metrics without end.
    pub kind: String,
    /// The facts in it; none where it is not for us.
    pub events: Vec<Event>,
}

/// Each platform, and ServiceNow: all that ingress knows of them.
pub trait WebhookSource: Send + Sync + 'static {
    /// Name of the connection, as in `/webhooks/{connection}`.
    fn connection(&self) -> &str;

    /// CloudEvents `source` of its events: the connection's URI.
    fn source_uri(&self) -> String;

    /// The largest body that is read, in bytes.
    fn body_limit(&self) -> usize;

    /// Checks signature or token.
    ///
    /// # Errors
    /// [`NotAuthentic`].
    fn verify(&self, webhook: Webhook) -> Result<Verified, NotAuthentic>;

    /// The sender's id of this delivery, the same when it is sent again.
    fn delivery_id(&self, webhook: &Verified) -> Option<String>;

    /// Translates; pure. A webhook that we do not care about has no events; that is no error.
    ///
    /// # Errors
    /// [`Unreadable`] says where the body is not what the sender's documentation promises.
    fn parse(&self, webhook: &Verified) -> Result<Parsed, Unreadable>;

    /// Translates a body that somebody kept, for tools that show what would be done and do nothing: it proves
    /// nothing, so it may go nowhere else. Which event it is follows from its shape.
    ///
    /// # Errors
    /// [`Unreadable`], also where this sender's bodies do not show which event they are.
    fn recorded(&self, body: &[u8], received_at: DateTime<Utc>) -> Result<Parsed, Unreadable> {
        let _ = (body, received_at);
        Err(Unreadable { at: "the body".into(), reason: "it does not show which event it is".into() })
    }
}

/// How the digest is written in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base64 with padding (RFC 4648 section 4).
    Base64,
}

/// HMAC-SHA256 (RFC 2104) of the raw body in one header.
#[derive(Debug, Clone)]
pub struct HmacSignature {
    header: HeaderName,
    prefix: &'static str,
    encoding: Encoding,
}

impl HmacSignature {
    /// A digest that stands alone in `header`.
    #[must_use]
    pub fn new(header: HeaderName, encoding: Encoding) -> Self {
        Self { header, prefix: "", encoding }
    }

    /// A digest that must follow `prefix`, such as `sha256=`.
    #[must_use]
    pub fn with_prefix(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// Checks the signature in constant time; any of `secrets` may fit, so that they can be rotated.
    ///
    /// # Errors
    /// [`NotAuthentic`].
    pub fn verify(&self, webhook: Webhook, secrets: &[SecretString]) -> Result<Verified, NotAuthentic> {
        let digest = self.digest(&webhook.headers)?;
        let mut usable = secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).peekable();
        if usable.peek().is_none() {
            return Err(NotAuthentic::NoSecret("none is configured".into()));
        }
        // Every secret is tried, so that the time does not tell which one fits.
        let fits = usable.fold(false, |fits, secret| fits | fits_body(secret, &webhook.body, &digest));
        if fits { Ok(Verified(webhook)) } else { Err(NotAuthentic::Mismatch(self.header.clone())) }
    }

    fn digest(&self, headers: &HeaderMap) -> Result<[u8; 32], NotAuthentic> {
        let malformed = |reason| NotAuthentic::Malformed { header: self.header.clone(), reason };
        let mut values = headers.get_all(&self.header).iter();
        let value = values.next().ok_or_else(|| NotAuthentic::Missing(self.header.clone()))?;
        if values.next().is_some() {
            return Err(NotAuthentic::Repeated(self.header.clone()));
        }
        let text = value.to_str().map_err(|_| malformed("not ASCII"))?.trim();
        let text = text.strip_prefix(self.prefix).ok_or_else(|| malformed("another prefix"))?;
        let bytes = match self.encoding {
            Encoding::Hex => hex::decode(text).map_err(|_| malformed("not hexadecimal"))?,
            Encoding::Base64 => BASE64_STANDARD.decode(text).map_err(|_| malformed("not base64"))?,
        };
        bytes.try_into().map_err(|_| malformed("not 32 bytes long"))
    }
}

fn fits_body(secret: &SecretString, body: &[u8], digest: &[u8; 32]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(digest).is_ok()
}

/// Refuses a body that is nested deeper than [`NESTING_MAX`], before any parser recurses into it.
///
/// # Errors
/// [`Unreadable`] with the byte at which it goes too deep.
pub fn check_nesting(body: &[u8]) -> Result<(), Unreadable> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in body.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            let reason = format!("nested deeper than {NESTING_MAX} levels");
            return Err(Unreadable { at: format!("byte {at}"), reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
