//! What an answer says: the one place where status, content type and error texts are read.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;

use crate::error::{Fault, Kind};
use crate::standing::Why;

/// As much of the instance's words as goes into an error.
const MESSAGE_CHARS_MAX: usize = 500;

/// The `result` of an answer.
pub(crate) fn result(kind: Kind, response: &Response<Bytes>) -> Result<Value, Fault> {
    let status = response.status();
    if status.is_redirection() {
        return Err(Fault::Unavailable(format!(
            "answered with a redirect ({status}): a login page, not the REST API"
        )));
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Err(no_word(kind, &server_error(response)));
    }
    if is_markup(response) {
        let text = "not the REST API (hibernating, login or maintenance page)";
        return Err(Fault::Unavailable(format!("{text} ({status})")));
    }
    if status.is_success() { success(kind, response) } else { Err(refusal(kind, response)) }
}

/// What an outcome says of the instance as a whole: `None` is an answer of its API, whatever it says.
pub(crate) fn heard(kind: Kind, outcome: &Result<Response<Bytes>, Fault>) -> Option<(Why, String)> {
    let response = match outcome {
        Ok(response) => response,
        Err(Fault::NotAuthenticated(said)) => return Some((Why::Refused, said.clone())),
        Err(Fault::Unavailable(said) | Fault::Unknown(said)) => return Some((Why::Silent, said.clone())),
        // Nothing was sent: a fault of our own.
        Err(_) => return None,
    };
    let status = response.status();
    let is_silent = status.is_redirection()
        || status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || is_markup(response);
    let why = match status {
        StatusCode::UNAUTHORIZED => Why::Refused,
        _ if is_silent => Why::Silent,
        _ => return None,
    };
    result(kind, response).err().map(|fault| (why, fault.to_string()))
}

/// Seconds of `Retry-After`, where the answer names them.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<std::time::Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(std::time::Duration::from_secs(seconds))
}

/// An answer that says nothing about what became of the request.
pub(crate) fn no_word(kind: Kind, reason: &str) -> Fault {
    match kind {
        Kind::Read => Fault::Unavailable(reason.to_owned()),
        Kind::Update | Kind::Create => Fault::Unknown(reason.to_owned()),
    }
}

/// A list is streamed: its transaction can fail after the 200 has gone out, and the rest is missing.
fn success(kind: Kind, response: &Response<Bytes>) -> Result<Value, Fault> {
    let body = response.body();
    if body.iter().all(u8::is_ascii_whitespace) {
        let text = "the answer is empty; the integration user needs read on what it writes";
        return Err(no_word(kind, text));
    }
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
        return Err(no_word(kind, "the answer is cut or not JSON"));
    };
    if let Some(error) = body.get("error") {
        let (message, detail) = texts(error);
        return Err(no_word(kind, &format!("an error within the answer: {}", joined(&message, &detail))));
    }
    match body.remove("result") {
        None | Some(Value::Null) => Err(no_word(kind, "the answer has no result")),
        Some(result) => Ok(result),
    }
}

fn server_error(response: &Response<Bytes>) -> String {
    let status = response.status();
    let what =
        if is_markup(response) { " (hibernating or maintenance page)".to_owned() } else { said(response) };
    format!("the instance fails with {status}{what}")
}

fn said(response: &Response<Bytes>) -> String {
    let text = words(response);
    if text.is_empty() { text } else { format!(": {text}") }
}

/// One status means several things here (ServiceNow docs, "REST API HTTP response codes"): 403 is an ACL,
/// a business rule or a data policy, and 404 is no such record or no right to see it. The text decides.
fn refusal(kind: Kind, response: &Response<Bytes>) -> Fault {
    let status = response.status();
    let error = error_of(response);
    let (message, detail) = texts(&error);
    let text = joined(&message, &detail);
    if status == StatusCode::UNAUTHORIZED {
        return Fault::NotAuthenticated(not_authenticated(response.headers()));
    }
    let names_a_reason = RULES.iter().any(|rule| text.contains(rule));
    if status == StatusCode::FORBIDDEN && kind == Kind::Create && !names_a_reason {
        // The user may create but not read back: the record stands all the same.
        let hint = "the integration user needs read on what it creates";
        return Fault::Unknown(format!("refused without naming a rule ({status}), {hint}: {text}"));
    }
    let hint = if names_a_reason { rule_hint(&text) } else { status_hint(status, &text) };
    let message = if hint.is_empty() { text } else { format!("{text}; {hint}") };
    Fault::Refused { status, message }
}

/// The instance's own words in an answer.
pub(crate) fn words(response: &Response<Bytes>) -> String {
    let error = error_of(response);
    let (message, detail) = texts(&error);
    joined(&message, &detail)
}

/// Texts that say that nothing was written.
const RULES: [&str; 5] = [
    "aborted by Business Rule",
    "Data Policy Exception",
    "Insert Failed due to security constraints",
    "Failed API level ACL Validation",
    "Insufficient rights",
];

fn rule_hint(text: &str) -> &'static str {
    if text.contains("Data Policy") {
        "fill these fields by policy, or exempt the integration user"
    } else if text.contains("Business Rule") {
        "a business rule of the instance forbids it in the record's present condition"
    } else {
        "the integration user lacks a role (itil, sn_change_write) or an ACL"
    }
}

fn status_hint(status: StatusCode, text: &str) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "the integration user lacks a role (itil, sn_change_write) or an ACL",
        StatusCode::NOT_FOUND => "no such record, or an ACL hides it from the integration user",
        StatusCode::BAD_REQUEST if text.contains("does not represent any resource") => {
            "is the plug-in Change Management API (sn_chg_rest) active, and base_url right?"
        }
        _ => "",
    }
}

fn not_authenticated(headers: &HeaderMap) -> String {
    if headers.contains_key("x-mfa_token") {
        return "the user must give a second factor (401); use a user for integrations".to_owned();
    }
    "the credentials are refused (401); check user and secret, and that the user is active, \"web service \
     access only\" or of identity type machine: others may not use basic authentication"
        .to_owned()
}

fn error_of(response: &Response<Bytes>) -> Value {
    let body = serde_json::from_slice::<Value>(response.body()).unwrap_or_default();
    body.get("error").cloned().unwrap_or_default()
}

fn texts(error: &Value) -> (String, String) {
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    match error {
        // The token end point writes its errors so.
        Value::String(error) => (error.clone(), String::new()),
        _ => (text("message"), text("detail")),
    }
}

fn joined(message: &str, detail: &str) -> String {
    let text = match (message, detail) {
        ("", detail) => detail.to_owned(),
        (message, "") => message.to_owned(),
        (message, detail) => format!("{message}: {detail}"),
    };
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

/// Pages for people come with any status, also 200, and not always with their content type.
pub(crate) fn is_markup(response: &Response<Bytes>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.to_ascii_lowercase().contains("text/html"))
        || response.body().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}
