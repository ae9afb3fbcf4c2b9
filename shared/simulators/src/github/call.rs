//! One request and its answer as plain values, so that a request may also be carried out later.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::model::Refused;

/// GitHub Enterprise Server serves the same API below this path.
const ENTERPRISE_PREFIX: &str = "/api/v3";

#[derive(Clone)]
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub query: String,
    /// The bearer token, or whatever stood in its place.
    pub token: Option<String>,
    pub has_user_agent: bool,
    pub body: Bytes,
}

impl Call {
    pub fn new(parts: &Parts, body: Bytes) -> Self {
        let path = parts.uri.path();
        Self {
            method: parts.method.clone(),
            path: path.strip_prefix(ENTERPRISE_PREFIX).unwrap_or(path).to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            token: token(&parts.headers),
            has_user_agent: parts.headers.contains_key(header::USER_AGENT),
            body,
        }
    }

    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// A value of the query string.
    pub fn asked(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub fn asked_number(&self, name: &str) -> Option<usize> {
        self.asked(name).and_then(|value| value.parse().ok())
    }

    /// The body as JSON; an empty one is an empty object.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let read: Result<Value, _> = serde_json::from_slice(body);
        let value = read.map_err(|_| Refused::new(400, "Problems parsing JSON"))?;
        serde_json::from_value(value).map_err(|error| Refused::new(422, format!("Invalid request. {error}")))
    }
}

fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then(|| token.trim().to_owned())
}

/// An answer before it becomes HTTP.
#[derive(Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn json(status: u16, value: &Value) -> Self {
        let body = Bytes::from(value.to_string());
        Self { status, content_type: "application/json; charset=utf-8", headers: Vec::new(), body }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: Bytes::new() }
    }

    pub fn html(status: u16, text: &'static str) -> Self {
        let body = Bytes::from_static(text.as_bytes());
        Self { status, content_type: "text/html; charset=utf-8", headers: Vec::new(), body }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !self.content_type.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        let documentation = "https://docs.github.com/rest";
        let status = refused.status.to_string();
        let body =
            json!({ "message": refused.message, "documentation_url": documentation, "status": status });
        Self::json(refused.status, &body)
    }
}
