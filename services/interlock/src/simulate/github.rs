//! A simulated GitHub on a socket, and the connection that reaches it.

use std::net::SocketAddr;

use anyhow::Context as _;
use interlock_simulators::github::{GitHub, Options, WebhookTarget};
use tokio::task::JoinHandle;

use super::secrets::Secrets;

/// Its connection's name.
pub const CONNECTION: &str = "github";

const APP_KEY: &str = "github-app-key";
const WEBHOOK_SECRET: &str = "github-webhook-secret";
const APP_ID: u64 = 771_203;

/// A GitHub that is served.
pub struct Platform {
    /// The simulator itself.
    pub simulator: GitHub,
    /// Where it listens.
    pub address: SocketAddr,
    /// Serves it until aborted.
    pub task: JoinHandle<()>,
    webhook_secret: String,
}

/// Serves a GitHub at `listen`, whose jobs run for `run_for_ms`, or until they are ended.
pub async fn start(
    secrets: &Secrets,
    listen: SocketAddr,
    run_for_ms: Option<u64>,
) -> anyhow::Result<Platform> {
    let mut options = Options::new(secrets.app_key(APP_KEY)?);
    options.app_id = APP_ID;
    options.knobs.run_for_ms = run_for_ms;
    let webhook_secret = secrets.of(WEBHOOK_SECRET)?;
    let simulator = GitHub::new(options);
    let served = simulator.serve(listen).await;
    let (address, task) = served.with_context(|| format!("GitHub cannot listen at {listen}"))?;
    // Callback URLs must lead here, or they are refused as foreign.
    simulator.set_api_base(&format!("http://{address}"));
    Ok(Platform { simulator, address, task, webhook_secret })
}

impl Platform {
    /// Sends its webhooks to an ingress.
    pub fn tell(&self, ingress: &str) {
        let url = format!("{}/webhooks/{CONNECTION}", ingress.trim_end_matches('/'));
        self.simulator.set_webhook(Some(WebhookTarget { url, secret: Some(self.webhook_secret.clone()) }));
    }
}

/// Its entry under `connections`.
pub fn connection(base_url: &str, secrets: &Secrets) -> String {
    format!(
        "  {CONNECTION}:
    kind: github
    base_url: {base_url}
    app_id: {APP_ID}
    private_key: {}
    webhook_secrets: [\"{}\"]",
        secrets.reference(APP_KEY),
        secrets.reference(WEBHOOK_SECRET)
    )
}
