//! Where health, metrics and the tools' writes are served.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use interlock_runtime::health::Health;
use interlock_runtime::signals::Shutdown;
use interlock_runtime::telemetry::Telemetry;
use tokio::task::JoinSet;

/// The admin listener before it is bound.
pub struct Door<'t> {
    /// Where it will be.
    pub listen: SocketAddr,
    /// What it says of the process.
    pub health: Health,
    /// What it counts.
    pub telemetry: &'t Telemetry,
}

impl Door<'_> {
    /// Binds and serves it, with the routes of `tools`; answers its address.
    pub async fn open(
        &self,
        tools: Router,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<SocketAddr> {
        let Self { listen, health, telemetry } = self;
        let metrics = telemetry.metrics.clone();
        let (bound, served) =
            interlock_runtime::admin::serve(*listen, health.clone(), metrics, tools, shutdown.clone())
                .await
                .with_context(|| format!("admin.listen: cannot listen at {listen}"))?;
        tasks.spawn(async move { Ok(served.await?) });
        Ok(bound)
    }
}
