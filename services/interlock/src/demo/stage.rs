//! What the story is played on: both simulators, all roles, and a broker and a Store in a folder.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, bail};
use interlock_runtime::config::Config;
use interlock_runtime::signals::Shutdown;
use interlock_runtime::telemetry::Telemetry;
use tracing_subscriber::EnvFilter;

use crate::process::{self, Running};
use crate::roles::Role;
use crate::simulate::secrets::Secrets;
use crate::simulate::{github, service_now};

/// How long a released job runs.
const JOB_MS: u64 = 2_000;
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_LOOK: Duration = Duration::from_millis(20);
const LOOPBACK: &str = "127.0.0.1:0";
const LOG_FILE: &str = "interlock.log";

/// Everything that plays.
pub struct Stage {
    /// The simulated ServiceNow.
    pub service_now: service_now::Instance,
    /// The simulated GitHub.
    pub github: github::Platform,
    /// The roles.
    pub running: Running,
    /// Where webhooks go.
    pub ingress: SocketAddr,
    /// Ends it all.
    pub shutdown: Shutdown,
}

impl Stage {
    /// Starts everything in `folder` and waits until it is ready.
    pub async fn set(folder: &Path, verbose: bool, shutdown: Shutdown) -> anyhow::Result<Self> {
        if !verbose {
            log_to(&folder.join(LOG_FILE))?;
        }
        let any: SocketAddr = LOOPBACK.parse().context("the loopback address")?;
        let secrets = Secrets::open(&folder.join("secrets"))?;
        let service_now = service_now::start(&secrets, any, None).await?;
        let github = github::start(&secrets, any, Some(JOB_MS)).await?;
        let text = configuration(folder, &secrets, service_now.address, github.address);
        let config = Config::parse("demo", &text, std::iter::empty())?;
        let telemetry = Telemetry::start(&config.telemetry)?;
        let running = process::start(&Role::ALL, config, &telemetry, shutdown.clone()).await?;
        let ingress = running.ingress.context("ingress is among the roles")?;
        service_now.tell(&format!("http://{ingress}"));
        github.tell(&format!("http://{ingress}"));
        until_ready(&running).await?;
        Ok(Self { service_now, github, running, ingress, shutdown })
    }

    /// Ends everything in order.
    pub async fn strike(self) -> anyhow::Result<()> {
        self.github.task.abort();
        self.service_now.task.abort();
        self.shutdown.begin();
        self.running.until_ended().await
    }
}

async fn until_ready(running: &Running) -> anyhow::Result<()> {
    let ready = async {
        while !running.health.not_ready().is_empty() {
            tokio::time::sleep(READY_LOOK).await;
        }
    };
    if tokio::time::timeout(READY_WITHIN, ready).await.is_err() {
        bail!(
            "the roles are not ready within {} s: {:?}",
            READY_WITHIN.as_secs(),
            running.health.not_ready()
        );
    }
    Ok(())
}

/// Logs would stand between the steps. Telemetry leaves a log that is there in place.
fn log_to(path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file));
    // Err says that there is one: that of a test.
    let _ = log.with_env_filter(EnvFilter::new("info")).try_init();
    Ok(())
}

/// Waits are as short as simulators allow, which answer at once and commit nothing late.
fn configuration(folder: &Path, secrets: &Secrets, service_now: SocketAddr, github: SocketAddr) -> String {
    let data = folder.join("data");
    let (data, loopback) = (data.display(), LOOPBACK);
    let service_now = service_now::connection(&format!("http://{service_now}"), secrets);
    let github = github::connection(&format!("http://{github}"), secrets);
    format!(
        "broker: embedded:{data}
store: embedded:{data}
ingress: {{ listen: \"{loopback}\" }}
admin: {{ listen: \"{loopback}\" }}
timing: {{ settle_seconds: 1, poll_seconds: 1, drain_seconds: 5 }}
connections:
{service_now}
{github}
policies:
  - name: default
    change:
      assignment_group: Change Management
      cmdb_ci: payments-api
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_the_demo_has_no_faults() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path()).unwrap();
        let address = ([127, 0, 0, 1], 8090).into();
        let text = configuration(folder.path(), &secrets, address, address);
        let config = Config::parse("demo", &text, std::iter::empty()).unwrap();
        crate::check::faults(&config, None, &Role::ALL).into_result().unwrap();
    }
}
