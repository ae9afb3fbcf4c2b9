//! Logs to stderr, traces by OTLP, metrics for Prometheus; and the `traceparent` that ties hops together.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogFormat, TelemetryConfig};

const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// An exporter that does not answer must not hold up the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds; from a read in process to a call that waits for its deadline.
const BUCKETS: [f64; 11] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const TRACEPARENT: &str = "traceparent";

/// Running telemetry. Call [`Telemetry::shutdown`] at the end, or the last spans are lost.
#[derive(Debug)]
pub struct Telemetry {
    /// Gives the metrics to the admin listener.
    pub metrics: PrometheusHandle,
    traces: SdkTracerProvider,
}

/// Telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter cannot be built.
    #[error("OTLP exporter: {0}")]
    Exporter(String),
    /// The recorder cannot be built.
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
    /// The level is no filter.
    #[error("telemetry.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
}

impl Telemetry {
    /// Starts logs, traces and metrics for the whole process.
    ///
    /// A second start leaves the first one's logs and metrics in place: tests start many.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn start(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let metrics = recorder()?;
        let traces = tracer_provider(config.otlp_endpoint.as_deref())?;
        let ids = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("interlock"))
            // Without a filter of its own a quiet log would also stop the trace ids.
            .with_filter(LevelFilter::INFO);
        let log = log_layer(config.log).with_filter(EnvFilter::try_new(&config.level)?);
        // Err says that a subscriber stands already, from an earlier start.
        let _ = tracing_subscriber::registry().with(ids).with(log).try_init();
        Ok(Self { metrics, traces })
    }

    /// Sends what is still held back, for a few seconds at most. Blocks; call it last.
    pub fn shutdown(self) {
        if let Err(error) = self.traces.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// `traceparent` of the current span, as it travels with what the span sends (W3C Trace Context).
#[must_use]
pub fn inject() -> Option<String> {
    let mut carrier = Traceparent(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// Makes what arrived with `traceparent` the parent of `span`. What is absent or malformed is ignored.
///
/// Must come before the span is entered: a span's parent is fixed once its id is in use.
pub fn set_parent(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let parent = TraceContextPropagator::new().extract(&Traceparent(Some(traceparent.to_owned())));
    if parent.span().span_context().is_valid() {
        // Err says that no trace layer runs, or that the span is disabled.
        let _ = span.set_parent(parent);
    }
}

/// A carrier of one header. `tracestate` does not travel: nothing of ours writes it.
struct Traceparent(Option<String>);

impl Injector for Traceparent {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Traceparent {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Human => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    }
}

/// Without an endpoint nothing is exported, but spans have ids, so that a trace begun here goes on elsewhere.
fn tracer_provider(endpoint: Option<&str>) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder().with_service_name("interlock").build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    crate::http_client::install_tls_provider();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// The process has one recorder; whoever starts later shares it.
fn recorder() -> Result<PrometheusHandle, TelemetryError> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS)?;
    let handle = RECORDER.get_or_init(|| {
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder stands: /metrics will be empty");
        }
        handle
    });
    Ok(handle.clone())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn config(otlp_endpoint: Option<String>) -> TelemetryConfig {
        TelemetryConfig { log: LogFormat::Json, level: "error".to_owned(), otlp_endpoint }
    }

    #[test]
    fn starting_twice_shares_the_metrics_and_does_not_panic() {
        let first = Telemetry::start(&config(None)).unwrap();
        let second = Telemetry::start(&config(None)).unwrap();
        metrics::counter!("interlock_started_twice_total").increment(1);
        for telemetry in [first, second] {
            assert!(telemetry.metrics.render().contains("interlock_started_twice_total 1"));
            telemetry.shutdown();
        }
    }

    #[test]
    fn a_trace_goes_on_across_a_hop_even_where_nothing_is_exported() {
        let _telemetry = Telemetry::start(&config(None)).unwrap();
        let arrived = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let span = tracing::info_span!("hop");
        set_parent(&span, Some(arrived));
        let left = span.in_scope(inject).unwrap();
        assert_eq!(left[..36], arrived[..36], "{left}");
        assert_ne!(left[36..52], arrived[36..52], "{left}");
    }

    #[test]
    fn a_span_without_a_usable_parent_begins_a_trace() {
        let _telemetry = Telemetry::start(&config(None)).unwrap();
        for arrived in [
            None,
            Some(""),
            Some("00-zz-zz-01"),
            Some("00-00000000000000000000000000000000-0000000000000000-01"),
        ] {
            let span = tracing::info_span!("first hop");
            set_parent(&span, arrived);
            let left = span.in_scope(inject).unwrap();
            assert!(left.len() == 55 && !left.contains("-00000000000000000000000000000000-"), "{left}");
        }
        assert_eq!(inject(), None, "there is no span here");
    }

    #[test]
    fn a_span_reaches_the_collector_by_the_shutdown() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", collector.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = collector.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let provider = tracer_provider(Some(&endpoint)).unwrap();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info_span!("exported").in_scope(|| {});
        });
        provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT).unwrap();
        assert!(asked.join().unwrap().starts_with("POST /v1/traces HTTP/1.1"));
    }
}
