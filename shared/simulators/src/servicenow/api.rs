//! A request to the simulated API and its answer, apart from HTTP, so that a request can also be
//! carried out later than it was asked; and the instance's error texts.

use http::HeaderName;
use serde_json::{Value, json};

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
    pub(super) body: bytes::Bytes,
    pub(super) actor: Actor,
    /// Scheme and host, for links.
    pub(super) base_url: String,
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
        if let Some((_, rest)) = self.path.split_once("/table/") {
            return rest.split('/').next();
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
}

impl ApiResponse {
    /// `{"result": ..}`.
    pub(super) fn result(status: u16, result: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(json!({ "result": result })) }
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// With one more header.
    pub(super) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A refusal in the platform's envelope.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) detail: Value,
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            headers: Vec::new(),
            body: Some(json!({
                "error": { "message": error.message, "detail": error.detail },
                "status": "failure",
            })),
        }
    }
}

/// Sys_id of the business rule that guards the state model.
const STATE_RULE: &str = "5a1d0c0f2f6d4110b5f0d8b7f699b6c3";

impl ApiError {
    fn new(status: u16, message: &str, detail: impl Into<Value>) -> Self {
        Self { status, message: message.to_owned(), detail: detail.into() }
    }

    pub(super) fn not_authenticated() -> Self {
        Self::new(401, "User Not Authenticated", "Required to provide Auth information")
    }

    /// No such record, or none that the caller may see: the instance does not tell which.
    pub(super) fn no_record() -> Self {
        Self::new(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
    }

    pub(super) fn invalid_table(table: &str) -> Self {
        Self::new(400, &format!("Invalid table {table}"), Value::Null)
    }

    pub(super) fn no_resource(path: &str) -> Self {
        Self::new(400, "Requested URI does not represent any resource", path)
    }

    pub(super) fn unreadable(detail: &str) -> Self {
        Self::new(400, "Exception while reading request", detail)
    }

    pub(super) fn method_not_supported(method: &str) -> Self {
        Self::new(405, "Method not supported", format!("{method} is not supported for this resource"))
    }

    pub(super) fn aborted_by_rule(table: &str, rule: &str, rule_id: &str) -> Self {
        Self::new(
            403,
            "Operation Failed",
            format!(
                "Operation against file '{table}' was aborted by Business Rule '{rule}^{rule_id}'. \
                 Business Rule Stack:{rule}"
            ),
        )
    }

    pub(super) fn illegal_transition() -> Self {
        let rule = "Change Model: Check State Transition";
        Self::aborted_by_rule("change_request", rule, STATE_RULE)
    }

    pub(super) fn mandatory(labels: &[&str]) -> Self {
        Self::new(
            403,
            "Operation Failed",
            format!("Data Policy Exception: The following fields are mandatory: {}", labels.join(", ")),
        )
    }

    /// `action` is `Insert`, `Update` or `Delete`.
    pub(super) fn acl(action: &str) -> Self {
        Self::new(
            403,
            "Operation Failed",
            format!("ACL Exception {action} Failed due to security constraints"),
        )
    }

    pub(super) fn duplicate_key(sys_id: &str) -> Self {
        Self::new(
            403,
            "Operation Failed",
            format!(
                "Unique Key violation detected by database (Duplicate entry '{sys_id}' for key 'PRIMARY')"
            ),
        )
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, message, "")
    }

    /// A simulator's own refusal: a real instance would ignore the part and return too many rows.
    pub(super) fn not_simulated(part: &str) -> Self {
        Self::new(501, "Not simulated", format!("encoded query: {part}"))
    }

    pub(super) fn transaction_cancelled() -> Self {
        Self::new(
            500,
            "Transaction cancelled: maximum execution time exceeded",
            "Transaction cancelled: maximum execution time exceeded. Check logs for error trace.",
        )
    }

    pub(super) fn rate_limited() -> Self {
        Self::new(429, "Rate limit exceeded", "Rate limit of 100 requests per hour for Table API exceeded")
    }
}
