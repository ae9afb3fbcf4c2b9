//! Secrets that cannot be had now, keys that are none, and passwords that cross the network in the clear.

use interlock_runtime::config::{Backend, Config, Connection, Fault, Faults, Place};
use interlock_runtime::secret::SecretRef;
use interlock_servicenow::KIND as SERVICE_NOW;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::{Host, Url};

/// The key under which every adapter has a private key in PEM (RFC 7468).
const PRIVATE_KEY: &str = "private_key";

/// What is wrong with the secrets as they stand now.
pub fn faults(config: &Config) -> Faults {
    let mut faults = Faults::default();
    faults.0.extend([&config.broker, &config.store].into_iter().filter_map(of_backend));
    for connection in config.connections() {
        // What cannot be read is told by its adapter.
        let Ok(section) = connection.section::<Value>() else { continue };
        of_section(connection, &mut Vec::new(), &section, &mut faults);
    }
    faults
}

/// What is not wrong, but should be known.
pub fn warnings(config: &Config) -> Vec<Fault> {
    let of = |connection: &Connection| {
        let section = connection.section::<Value>().ok()?;
        let base = Url::parse(section["base_url"].as_str()?).ok()?;
        let clear = base.scheme() == "http" && !is_loopback(&base) && !section["auth"]["basic"].is_null();
        clear.then(|| {
            let what = "the password crosses the network in the clear".to_owned();
            connection.fault(
                "base_url",
                what,
                Some("write https://, or use a proxy on this machine".to_owned()),
            )
        })
    };
    config.connections().filter(|connection| connection.kind == SERVICE_NOW).filter_map(of).collect()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn of_backend(backend: &Backend) -> Option<Fault> {
    let Place::Remote(endpoint) = &backend.place else { return None };
    match endpoint.resolve() {
        Err(error) => Some(backend.fault(error.to_string(), "set it, or name another reference")),
        // The parser's message may repeat the URL, and with it the password.
        Ok(url) => match Url::parse(url.expose_secret()) {
            Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => None,
            _ => Some(backend.fault("is no URL with a host".to_owned(), "write scheme://host")),
        },
    }
}

fn of_section<'s>(connection: &Connection, path: &mut Vec<&'s str>, value: &'s Value, faults: &mut Faults) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                path.push(key);
                of_section(connection, path, value, faults);
                path.pop();
            }
        }
        Value::Array(values) => values.iter().for_each(|value| of_section(connection, path, value, faults)),
        Value::String(text) => {
            if let Some((what, cure)) = wrong(path.last().copied().unwrap_or_default(), text) {
                faults.0.push(connection.fault_at(path, what, Some(cure)));
            }
        }
        _ => {}
    }
}

/// Of text that is a reference: what is wrong with what it refers to.
fn wrong(key: &str, text: &str) -> Option<(String, String)> {
    let reference = SecretRef::parse(text).ok()?;
    let secret = match reference.resolve() {
        Ok(secret) => secret,
        Err(error) => {
            let cure = "set it where Interlock runs; elsewhere check with --skip-secrets".to_owned();
            return Some((error.to_string(), cure));
        }
    };
    let pem = secret.expose_secret().trim_start();
    let is_key = pem.starts_with("-----BEGIN ") && pem.contains("PRIVATE KEY-----");
    (key == PRIVATE_KEY && !is_key).then(|| {
        (
            format!("{reference} is no private key in PEM"),
            "it begins with -----BEGIN … PRIVATE KEY-----".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("test.yaml", text, std::iter::empty()).unwrap()
    }

    fn said(text: &str) -> Vec<String> {
        faults(&config(text)).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_that_is_not_there_is_a_fault_on_its_line_with_its_cure() {
        let text = "connections:\n  prod:\n    kind: servicenow\n    base_url: https://acme.example\n    auth:\n      \
                    basic:\n        username: u\n        password: ${env:INTERLOCK_NEVER_SET}\n    webhook:\n      \
                    secrets: [\"${file:/nowhere/secret}\"]\n";
        let said = said(text);
        assert_eq!(said.len(), 2, "{said:#?}");
        assert!(said[0].starts_with("test.yaml:8:") && said[0].contains("INTERLOCK_NEVER_SET"), "{said:#?}");
        assert!(said[1].contains("/nowhere/secret") && said[1].contains("--skip-secrets"), "{said:#?}");
    }

    #[test]
    fn a_private_key_must_be_pem_and_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "connections:\n  gh:\n    kind: github\n    private_key: ${{file:{}}}\n",
            file.path().display()
        );
        std::fs::write(file.path(), "hunter2").unwrap();
        let told = said(&text).join("\n");
        assert!(told.contains("no private key in PEM") && !told.contains("hunter2"), "{told}");
        std::fs::write(file.path(), "-----BEGIN RSA PRIVATE KEY-----\nAA==\n").unwrap();
        assert_eq!(said(&text), Vec::<String>::new());
    }

    #[test]
    fn a_broker_whose_address_is_not_set_is_a_fault() {
        let told = said("broker: ${env:INTERLOCK_NEVER_SET}\nstore: embedded:./data\n");
        assert!(told.len() == 1 && told[0].starts_with("test.yaml:1:"), "{told:#?}");
        assert_eq!(said("broker: embedded:./data\n"), Vec::<String>::new());
    }

    #[test]
    fn a_password_in_the_clear_is_warned_of_unless_it_stays_on_this_machine() {
        let warned = |url: &str, auth: &str| {
            let text = format!(
                "connections:\n  prod:\n    kind: servicenow\n    base_url: {url}\n    auth: {{ {auth} }}\n"
            );
            warnings(&config(&text)).len()
        };
        let basic = "basic: { username: u, password: \"${env:P}\" }";
        assert_eq!(warned("http://acme.example", basic), 1);
        assert_eq!(warned("https://acme.example", basic), 0);
        assert_eq!(warned("http://127.0.0.1:8080", basic), 0);
        assert_eq!(warned("http://[::1]:8080", basic), 0);
        assert_eq!(warned("http://acme.example", "api_key: { key: \"${env:K}\" }"), 0);
    }
}
