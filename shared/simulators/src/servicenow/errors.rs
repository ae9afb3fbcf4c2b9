//! Refusals, in the platform's envelope and with the texts of an instance.

use serde_json::{Value, json};

use super::api::ApiResponse;

/// A refusal in the platform's envelope.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) detail: Value,
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        let body = json!({
            "error": { "message": error.message, "detail": error.detail },
            "status": "failure",
        });
        Self { body: Some(body), ..Self::no_content() }.with_status(error.status)
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

    /// The role for the REST API itself is missing.
    pub(super) fn no_api_access() -> Self {
        Self::new(403, "Failed API level ACL Validation", "")
    }

    /// What an ACL of a table says to a request of this method.
    pub(super) fn denied(method: &str) -> Self {
        match method {
            "POST" => Self::acl("Insert"),
            "PATCH" | "PUT" => Self::acl("Update"),
            "DELETE" => Self::acl("Delete"),
            _ => Self::new(403, "Insufficient rights to query records", Value::Null),
        }
    }

    /// `action` is `Insert`, `Update` or `Delete`.
    pub(super) fn acl(action: &str) -> Self {
        Self::new(
            403,
            "Operation Failed",
            format!("ACL Exception {action} Failed due to security constraints"),
        )
    }

    pub(super) fn duplicate_key(sys_id: &str, status: u16) -> Self {
        Self::new(
            status,
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

    pub(super) fn rate_limited(per_hour: u64) -> Self {
        let detail = format!("Rate limit of {per_hour} requests per hour for Table API exceeded");
        Self::new(429, "Rate limit exceeded", detail)
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, "Request entity too large", "The file is larger than com.glide.attachment.max_size")
    }

    pub(super) fn extension_refused(name: &str, status: u16) -> Self {
        let detail = format!("File type is not allowed by glide.attachment.extensions: {name}");
        Self::new(status, "Failed to create the attachment", detail)
    }

    pub(super) fn not_acceptable(accept: &str) -> Self {
        Self::new(406, "Not Acceptable", format!("{accept} is not served"))
    }

    pub(super) fn unsupported_media_type(given: &str) -> Self {
        Self::new(415, "Unsupported Media Type", format!("{given} is not understood"))
    }

    pub(super) fn header_missing(name: &str) -> Self {
        Self::new(400, "Exception while reading request", format!("The header {name} is missing"))
    }
}
