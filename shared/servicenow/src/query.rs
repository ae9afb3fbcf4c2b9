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

    /// A list of a table with the count of its rows, those that we may not see included.
    pub(crate) fn counted(table: &str, query: &str, fields: &str, limit: usize) -> Self {
        Self::new(&format!("/api/now/table/{table}"))
            .with("sysparm_query", query)
            .with("sysparm_fields", fields)
            .with("sysparm_limit", &limit.to_string())
            .with("sysparm_exclude_reference_link", "true")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_that_could_change_the_query_is_refused() {
        for text in ["", "a^b", "a\nb", "javascript:gs.getUserID()", "^"] {
            assert!(value(text).is_err(), "{text}");
        }
        for text in ["Change Management", "a=b", "100 % & more", "Größe"] {
            assert_eq!(value(text).unwrap(), text);
        }
    }

    #[test]
    fn only_thirty_two_hexadecimal_digits_are_a_sys_id() {
        assert!(sys_id(&"0aF9".repeat(8)).is_ok());
        for text in ["", "0af9", &"0ag9".repeat(8), &"é".repeat(16)] {
            assert!(sys_id(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_query_comes_out_of_its_address_as_it_went_in(query in ".*") {
            let address = Address::list("change_request", &query, "sys_id,number", 7);
            let (_, parameters) = address.as_str().split_once('?').unwrap();
            let read: Vec<_> = url::form_urlencoded::parse(parameters.as_bytes()).collect();
            prop_assert_eq!(&*read[0].1, &query);
            prop_assert_eq!(&*read[1].1, "sys_id,number");
            let uri: http::Uri = format!("https://x{}", address.as_str()).parse().unwrap();
            prop_assert_eq!(uri.path(), "/api/now/table/change_request");
        }
    }
}
