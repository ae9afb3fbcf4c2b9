//! Named connections to platforms and to ServiceNow. Each adapter reads its own keys.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::document::{Document, Step};
use super::fault::{Fault, Faults};

const SECTION: &str = "connections";
/// Read here, for every kind; an adapter does not see them.
const COMMON: [&str; 3] = ["kind", "tenant", "aliases"];
/// A name stands in URLs, keys and metrics.
const NAME_CHARS_MAX: usize = 63;

/// One connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its name, as in `/webhooks/{connection}`.
    pub name: String,
    /// Which adapter it is for.
    pub kind: String,
    /// Whose it is.
    pub tenant: String,
    /// Names it had before; its deployments keep their keys.
    pub aliases: Vec<String>,
    document: Document,
}

/// Lets unknown keys pass: they are the adapter's.
#[derive(Deserialize)]
struct Common {
    kind: String,
    #[serde(default = "default_tenant")]
    tenant: String,
    #[serde(default)]
    aliases: Vec<String>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

impl Connection {
    /// The adapter's own keys. Unknown ones are faults if `T` denies them, as it should.
    ///
    /// # Errors
    /// Every fault in them, with its line.
    pub fn section<T: DeserializeOwned>(&self) -> Result<T, Faults> {
        self.document.fields(&self.path(), &COMMON)
    }

    /// A fault of one of its keys (`kind`, `url`), for what only an adapter can judge.
    #[must_use]
    pub fn fault(&self, key: &str, what: String, cure: Option<String>) -> Fault {
        let [section, name] = self.path();
        self.document.fault(&[section, name, Step::Key(key)], what, cure)
    }

    /// A fault of a key within its keys (`auth`, `basic`, `password`).
    #[must_use]
    pub fn fault_at(&self, keys: &[&str], what: String, cure: Option<String>) -> Fault {
        let mut path = self.path().to_vec();
        path.extend(keys.iter().copied().map(Step::Key));
        self.document.fault(&path, what, cure)
    }

    fn path(&self) -> [Step<'_>; 2] {
        [Step::Key(SECTION), Step::Key(&self.name)]
    }
}

/// All connections of a file, in its order.
pub(super) fn read(document: &Document, faults: &mut Faults) -> Vec<Connection> {
    let names = faults.gather(document.keys(&[Step::Key(SECTION)]).map_err(Faults::from)).unwrap_or_default();
    let mut connections: Vec<Connection> = Vec::new();
    for name in names {
        if let Some(connection) = faults.gather(read_one(document, name.value)) {
            faults.0.extend(ambiguity(&connection, &connections));
            connections.push(connection);
        }
    }
    connections
}

fn read_one(document: &Document, name: String) -> Result<Connection, Faults> {
    let path = [Step::Key(SECTION), Step::Key(&name)];
    if !is_name(&name) {
        let cure = format!("letters, digits, `-`, `_` and `.`, at most {NAME_CHARS_MAX}");
        return Err(document.fault(&path, "the name cannot stand in a URL".to_owned(), Some(cure)).into());
    }
    let Common { kind, tenant, aliases } = document.fields(&path, &[])?;
    Ok(Connection { name, kind, tenant, aliases, document: document.clone() })
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(fits)
}

/// Two connections that answer to one name would mix up their deployments' keys.
fn ambiguity(connection: &Connection, earlier: &[Connection]) -> Option<Fault> {
    let answers = |other: &Connection, name: &str| {
        other.name == name || other.aliases.iter().any(|alias| alias == name)
    };
    let taken = std::iter::once(&connection.name).chain(&connection.aliases).find_map(|name| {
        earlier.iter().find(|other| answers(other, name)).map(|other| (name, &other.name))
    })?;
    let what = format!("`{}` is also a name of connection `{}`", taken.0, taken.1);
    Some(connection.fault("aliases", what, Some("take it out of one of them".to_owned())))
}
