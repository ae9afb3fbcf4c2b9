//! Addresses and encoded queries (ServiceNow docs, "Encoded query strings"). A value that could change
//! the query's meaning is refused, not escaped.

use crate::error::Fault;

/// Longer ones are refused by some instances (414).
pub(crate) const URL_CHARS_MAX: usize = 2_000;

/// A path with its query.
#[derive(Debug, Clone)]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// A list of a table: values as stored, references as bare ids, no count.
    pub(crate) fn list(table: &str, query: &str, fields: &str, limit: usize) -> Self {
        Self::new(&format!("/api/now/table/{table}"))
            .with("sysparm_query", query)
            .with("sysparm_fields", fields)
            .with("sysparm_limit", &limit.to_string())
            .with("sysparm_exclude_reference_link", "true")
            .with("sysparm_no_count", "true")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
                self.0.push(char::from(byte));
            } else {
                self.0.push_str(&format!("%{byte:02X}"));
            }
        }
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value as it may stand in an encoded query.
pub(crate) fn value(text: &str) -> Result<&str, Fault> {
    let odd = |c: char| c == '^' || c.is_control();
    if text.is_empty() || text.contains(odd) || text.starts_with("javascript:") {
        return Err(Fault::Input(format!(
            "`{}` cannot stand in a query: it is empty, or holds `^`, a control character or a script",
            text.escape_debug().take(64).collect::<String>()
        )));
    }
    Ok(text)
}

/// A record's id: 32 hexadecimal digits.
pub(crate) fn sys_id(text: &str) -> Result<&str, Fault> {
    if is_sys_id(text) {
        return Ok(text);
    }
    let shown: String = text.escape_debug().take(64).collect();
    Err(Fault::Input(format!("`{shown}` is no sys_id (32 hexadecimal digits)")))
}

pub(crate) fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
