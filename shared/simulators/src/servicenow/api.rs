//! A request to the simulated API and its answer, apart from HTTP, so that a request can also be
//! carried out later than it was asked; and the instance's error texts.

use bytes::Bytes;
use http::HeaderName;
use serde_json::{Value, json};

pub(super) use super::errors::ApiError;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    /// `sys_user.user_name`.
    pub(super) user_name: String,
    /// `sys_user.sys_id`.
    pub(super) sys_id: String,
    /// Roles, such as `admin` and `approval_admin`.
    pub(super) roles: Vec<String>,
}

impl Actor {
    /// The platform itself: workflows and flows.
    pub(super) fn system() -> Self {
        Self { user_name: "system".to_owned(), sys_id: String::new(), roles: vec!["admin".to_owned()] }
    }

    /// Whether the actor holds the role; an admin holds all.
    pub(super) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role || held == "admin")
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) content_type: Option<String>,
    pub(super) actor: Actor,
    /// Scheme and host, for links.
    pub(super) base_url: String,
    /// What faults take from the caller's rights.
    pub(super) rights: Rights,
}

/// What the caller may not do, because a fault says so.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights {
    /// Fields whose writes are ignored without a word.
    pub(super) unwritable: Vec<String>,
    /// Records that the caller cannot see.
    pub(super) hidden: Vec<String>,
}

impl Rights {
    /// Whether a record is out of the caller's sight.
    pub(super) fn hides(&self, sys_id: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == sys_id)
    }
}

impl ApiRequest {
    /// A query parameter; an empty one counts as absent, as some clients send all of them always.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A boolean query parameter, in any case.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The table that the request is about, if it is about one.
    pub(super) fn table(&self) -> Option<&str> {
        for api in ["/table/", "/stats/", "/import/"] {
            if let Some((_, rest)) = self.path.split_once(api) {
                return rest.split('/').next();
            }
        }
        if self.path.contains("/attachment") {
            return Some("sys_attachment");
        }
        self.path.contains("/sn_chg_rest/").then_some("change_request")
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct ApiResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Value>,
    /// A file instead of JSON.
    pub(super) raw: Option<Raw>,
    /// The fields of each record in the order in which they were asked for.
    pub(super) order: Vec<String>,
}

/// A body that is no JSON.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

impl ApiResponse {
    /// `{"result": ..}`.
    pub(super) fn result(status: u16, result: Value) -> Self {
        Self { body: Some(json!({ "result": result })), ..Self::no_content() }.with_status(status)
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: None, raw: None, order: Vec::new() }
    }

    /// A file.
    pub(super) fn raw(status: u16, raw: Raw) -> Self {
        Self { raw: Some(raw), ..Self::no_content() }.with_status(status)
    }

    /// With another status.
    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With the fields of each record in an order.
    pub(super) fn in_order(mut self, fields: Option<Vec<String>>) -> Self {
        self.order = fields.unwrap_or_default();
        self
    }

    /// Without what it says.
    pub(super) fn without_body(mut self) -> Self {
        (self.body, self.raw) = (None, None);
        self
    }

    /// The body as it goes out.
    pub(super) fn bytes(&self) -> Bytes {
        match (&self.raw, &self.body) {
            (Some(raw), _) => raw.bytes.clone(),
            (None, Some(body)) => Bytes::from(ordered(body, &self.order)),
            (None, None) => Bytes::new(),
        }
    }

    /// With one more header.
    pub(super) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// JSON whose records have their fields in this order; a client of the vendor's relies on it.
fn ordered(body: &Value, order: &[String]) -> String {
    let record = |record: &Value| {
        let fields: Vec<String> = order
            .iter()
            .filter_map(|field| Some(format!("{}:{}", json!(field), record.get(field)?)))
            .collect();
        format!("{{{}}}", fields.join(","))
    };
    match body.get("result") {
        Some(Value::Array(rows)) if !order.is_empty() => {
            let rows: Vec<String> = rows.iter().map(record).collect();
            format!("{{\"result\":[{}]}}", rows.join(","))
        }
        Some(one @ Value::Object(_)) if !order.is_empty() => format!("{{\"result\":{}}}", record(one)),
        _ => body.to_string(),
    }
}
