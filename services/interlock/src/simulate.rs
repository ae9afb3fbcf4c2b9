//! `simulate`: ServiceNow and GitHub on this machine, for rules to be tried without either.

pub mod github;
mod https;
pub mod secrets;
pub mod service_now;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use interlock_runtime::config::{LogFormat, TelemetryConfig};
use interlock_runtime::signals::shutdown_on_signal;
use interlock_runtime::telemetry::Telemetry;

use crate::arguments::{Simulate, Simulated};
use crate::say;
use secrets::Secrets;

/// Kept out of version control, as all that runs leave behind.
const SECRETS_FOLDER: &str = "data/simulated";

/// Serves until a signal.
pub async fn run(wish: &Simulate) -> anyhow::Result<()> {
    let both = wish.which.is_none();
    let github_alone = wish.which == Some(Simulated::Github);
    ensure!(!wish.https || !github_alone, "--https is ServiceNow's: the simulated GitHub speaks HTTP alone");
    ensure!(!both || wish.base_url.is_none(), "--base-url is of one simulator: name it");
    let log = TelemetryConfig { log: LogFormat::Human, level: "info".to_owned(), otlp_endpoint: None };
    Telemetry::start(&log)?;
    let shutdown = shutdown_on_signal().context("cannot listen for signals")?;
    let secrets = Secrets::open(&wish.secrets.clone().unwrap_or_else(|| PathBuf::from(SECRETS_FOLDER)))?;
    let mut tasks = Vec::new();
    let mut told = None;
    say::line("connections:");
    if both || wish.which == Some(Simulated::Servicenow) {
        let named = base_url_host(wish);
        let tls = wish.https.then(|| https::Authority::open(&secrets, named.as_deref(), wish.listen));
        let tls = tls.transpose()?;
        let instance =
            service_now::start(&secrets, wish.listen, tls.as_ref().map(|tls| tls.server.clone())).await?;
        if let Some(ingress) = &wish.webhooks {
            instance.tell(ingress);
        }
        let scheme = if wish.https { "https" } else { "http" };
        say::line(service_now::connection(&base_url(wish, scheme, instance.address), &secrets));
        told = tls.map(|tls| tls.told);
        tasks.push(instance.task);
    }
    if both || wish.which == Some(Simulated::Github) {
        let listen = if both { next_port(wish.listen) } else { wish.listen };
        let platform = github::start(&secrets, listen, wish.run_for_ms).await?;
        let base_url = base_url(wish, "http", platform.address);
        platform.simulator.set_api_base(&base_url);
        if let Some(ingress) = &wish.webhooks {
            platform.tell(ingress);
        }
        say::line(github::connection(&base_url, &secrets));
        tasks.push(platform.task);
    }
    told.iter().for_each(say::line);
    say::line("# Above is what to put into the configuration. Ctrl-C ends the simulation.");
    shutdown.begun().await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

fn base_url(wish: &Simulate, scheme: &str, address: SocketAddr) -> String {
    wish.base_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"))
}

/// The name by which others come, which the certificate must bear.
fn base_url_host(wish: &Simulate) -> Option<String> {
    let url = url::Url::parse(wish.base_url.as_deref()?).ok()?;
    url.host_str().map(str::to_owned)
}

/// Port 0 takes any free one, twice.
fn next_port(mut address: SocketAddr) -> SocketAddr {
    if address.port() != 0 {
        address.set_port(address.port().saturating_add(1));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_simulator_takes_the_next_port_or_any() {
        let next = |address: &str| next_port(address.parse().unwrap()).port();
        assert_eq!((next("127.0.0.1:8090"), next("127.0.0.1:0")), (8091, 0));
    }
}
