//! The configuration: environment over one YAML file over the embedded defaults. All that is wrong with
//! it is said in one message, before anything is bound or connected.

mod connection;
mod document;
mod endpoint;
mod fault;
mod freezes;
mod layers;
mod piece;
mod policies;
mod sections;
mod watch;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use interlock_rules::{Freeze, Policy};

pub use connection::Connection;
pub use endpoint::{Backend, Endpoint, Place};
pub use fault::{Fault, Faults, Origin};
pub use sections::{
    AdminConfig, IngressConfig, LogFormat, SpoolConfig, TelemetryConfig, Timing, WorkerConfig,
};

use document::Document;
use layers::Layers;

/// The lowest layer: every key with its default, explained.
pub const DEFAULTS: &str = include_str!("../../../../deploy/interlock.default.yaml");

/// The largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What this process is to do, checked as far as can be without its adapters.
#[derive(Debug, Clone)]
pub struct Config {
    /// What happened and what is to do.
    pub broker: Backend,
    /// What can be rebuilt.
    pub store: Backend,
    /// Where webhooks come in.
    pub ingress: IngressConfig,
    /// Where health, metrics and tools are served.
    pub admin: AdminConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Times that decide how soon things are done.
    pub timing: Timing,
    /// How workers run.
    pub worker: WorkerConfig,
    /// In order: the first that matches wins. One named `default` is among them.
    pub policies: Vec<Policy>,
    /// Times in which nothing is released.
    pub freezes: Vec<Freeze>,
    connections: Vec<Connection>,
}

impl Config {
    /// Reads `file` over the defaults, and `environment` (`INTERLOCK__SECTION__KEY`) over both.
    ///
    /// # Errors
    /// Every fault of all layers.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        Self::load_and_check(file, environment, |_| Faults::default())
    }

    /// As [`Config::load`], with what `check` finds told in the same message. It is asked even where
    /// there are faults already; what was faulty has its default then.
    ///
    /// # Errors
    /// Every fault of all layers, and those of `check`.
    pub fn load_and_check(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        check: impl FnOnce(&Self) -> Faults,
    ) -> Result<Self, Faults> {
        let document = match file {
            Some(path) => Some(Document::parse(&path.display().to_string(), &read(path)?)?),
            None => None,
        };
        Self::of(document, environment, check)
    }

    /// As [`Config::load`], of a text; `source` names it in faults.
    ///
    /// # Errors
    /// Every fault of all layers.
    pub fn parse(
        source: &str,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        Self::of(Some(Document::parse(source, text)?), environment, |_| Faults::default())
    }

    /// The connections, in the file's order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// Checks that `role` can run in a process of its own: what it shares must be on a server.
    ///
    /// # Errors
    /// One fault each for broker and store.
    pub fn for_single_role(&self, role: &str) -> Result<(), Faults> {
        let broker = self.broker.not_shared(role, "amqp or amqps");
        let store = self.store.not_shared(role, "redis or rediss");
        Faults(broker.into_iter().chain(store).collect()).into_result()
    }

    fn of(
        file: Option<Document>,
        environment: impl Iterator<Item = (String, String)>,
        check: impl FnOnce(&Self) -> Faults,
    ) -> Result<Self, Faults> {
        let defaults = Document::parse("defaults", DEFAULTS)?;
        let mut layers = Layers::new(file, defaults, environment);
        let connections = connections(&mut layers);
        let config = Self {
            broker: Backend::read(&mut layers, "broker", &["amqp", "amqps"]),
            store: Backend::read(&mut layers, "store", &["redis", "rediss"]),
            ingress: IngressConfig::read(&mut layers),
            admin: AdminConfig::read(&mut layers),
            telemetry: TelemetryConfig::read(&mut layers),
            timing: Timing::read(&mut layers),
            worker: WorkerConfig::read(&mut layers),
            policies: policies::read(&mut layers, &connections),
            freezes: freezes::read(&mut layers),
            connections,
        };
        let mut faults = layers.faults;
        faults.0.extend(check(&config).0);
        faults.sort();
        faults.into_result().map(|()| config)
    }
}

fn read(path: &Path) -> Result<String, Faults> {
    let fault = |what: String| {
        let cure = Some("name a readable YAML file".to_owned());
        let origin = Origin { source: path.display().to_string(), line: None, column: None };
        Faults::from(Fault { origin, path: String::new(), what, excerpt: None, cure })
    };
    let file = File::open(path).map_err(|error| fault(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| fault(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn connections(layers: &mut Layers) -> Vec<Connection> {
    let Layers { file, faults, .. } = layers;
    file.as_ref().map(|file| connection::read(file, faults)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
