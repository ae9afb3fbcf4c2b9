//! The sections that every process reads itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::layers::Layers;

/// No spool.
const SPOOL_OFF: &str = "off";

/// Where webhooks come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// The largest body that is taken.
    pub body_limit_bytes: usize,
    /// Requests in hand at once; what is over is answered 503.
    pub in_flight_max: usize,
    /// Where events wait while RabbitMQ does not take them.
    pub spool: Option<SpoolConfig>,
}

/// Where events wait while RabbitMQ does not take them, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// A folder that no other process uses.
    pub folder: PathBuf,
    /// What all of them may take.
    pub bytes_max: u64,
    /// How many webhooks.
    pub entries_max: u64,
}

/// Where health, metrics and tools are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Address and port.
    pub listen: SocketAddr,
}

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// How a log line looks.
    pub log: LogFormat,
    /// Which lines are written: a level, or a filter such as `info,interlock_broker=debug`.
    pub level: String,
    /// Where traces go, over HTTP; nowhere, if absent.
    pub otlp_endpoint: Option<String>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a terminal.
    Human,
    /// One object a line, for a log store.
    Json,
}

/// Times that decide how soon things are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long a write may commit after its time-out.
    pub settle: Duration,
    /// How often pending approvals are asked for in one batch.
    pub poll: Duration,
    /// How often is looked for lost webhooks and unknown gates.
    pub sweep: Duration,
    /// How long work in hand may take after a signal.
    pub drain: Duration,
}

/// How workers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Deliveries handled at once, a worker.
    pub concurrency: usize,
}

impl IngressConfig {
    pub(super) fn read(layers: &mut Layers) -> Self {
        Self {
            listen: layers.value(&["ingress", "listen"], "write an address and a port: 127.0.0.1:8080"),
            body_limit_bytes: layers.number(&["ingress", "body_limit_bytes"], 1_024..=100_000_000),
            in_flight_max: layers.number(&["ingress", "in_flight_max"], 1..=10_000),
            spool: SpoolConfig::read(layers),
        }
    }
}

impl SpoolConfig {
    fn read(layers: &mut Layers) -> Option<Self> {
        let path = ["ingress", "spool"];
        let cure = "write a folder on a disk that outlives the process, or off";
        let folder: String = layers.value(&path, cure);
        if folder.trim().is_empty() {
            layers.refuse(&path, "names no folder".to_owned(), cure.to_owned());
        }
        let bytes_max = layers.number(&["ingress", "spool_bytes_max"], 1_000_000..=100_000_000_000);
        let entries_max = layers.number(&["ingress", "spool_entries_max"], 1..=10_000_000);
        (folder != SPOOL_OFF).then(|| Self { folder: folder.into(), bytes_max, entries_max })
    }
}

impl AdminConfig {
    pub(super) fn read(layers: &mut Layers) -> Self {
        Self { listen: layers.value(&["admin", "listen"], "write an address and a port: 127.0.0.1:9464") }
    }
}

impl TelemetryConfig {
    pub(super) fn read(layers: &mut Layers) -> Self {
        Self {
            log: layers.value(&["telemetry", "log"], "write human or json"),
            level: level(layers),
            otlp_endpoint: otlp_endpoint(layers),
        }
    }
}

impl Timing {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let mut seconds = |key, range| Duration::from_secs(layers.number(&["timing", key], range));
        Self {
            settle: seconds("settle_seconds", 1..=310),
            poll: seconds("poll_seconds", 1..=600),
            sweep: seconds("sweep_seconds", 1..=3_600),
            drain: seconds("drain_seconds", 1..=600),
        }
    }
}

impl WorkerConfig {
    pub(super) fn read(layers: &mut Layers) -> Self {
        Self { concurrency: layers.number(&["worker", "concurrency"], 1..=1_024) }
    }
}

fn level(layers: &mut Layers) -> String {
    let path = ["telemetry", "level"];
    let cure = "write error, warn, info, debug or trace, or a filter: info,interlock_broker=debug";
    let level: String = layers.value(&path, cure);
    if let Err(error) = EnvFilter::try_new(&level) {
        layers.refuse(&path, format!("is no filter: {error}"), cure.to_owned());
    }
    level
}

fn otlp_endpoint(layers: &mut Layers) -> Option<String> {
    let path = ["telemetry", "otlp_endpoint"];
    let cure = "write the collector's base: http://localhost:4318";
    let endpoint: Option<String> = layers.value(&path, cure);
    let is_http = |text: &String| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if endpoint.as_ref().is_some_and(|text| !is_http(text)) {
        layers.refuse(&path, "is no URL over HTTP".to_owned(), cure.to_owned());
    }
    endpoint
}
