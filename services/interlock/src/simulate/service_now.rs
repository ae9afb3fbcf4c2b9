//! A simulated ServiceNow on a socket, and the connection that reaches it.

use std::net::SocketAddr;

use anyhow::Context as _;
use interlock_simulators::servicenow::{OauthClient, Options, ServiceNow, WebhookTarget};
use interlock_simulators::tls::ServerTls;
use tokio::task::JoinHandle;

use super::secrets::Secrets;

/// Its connection's name.
pub const CONNECTION: &str = "servicenow";

const CLIENT_ID: &str = "interlock-client";
const CLIENT_SECRET: &str = "servicenow-client-secret";
const WEBHOOK_SECRET: &str = "servicenow-webhook-secret";

/// An instance that is served.
pub struct Instance {
    /// The simulator itself.
    pub simulator: ServiceNow,
    /// Where it listens.
    pub address: SocketAddr,
    /// Serves it until aborted.
    pub task: JoinHandle<()>,
    webhook_secret: String,
}

/// Serves an instance at `listen`, over TLS where it is given.
pub async fn start(
    secrets: &Secrets,
    listen: SocketAddr,
    tls: Option<ServerTls>,
) -> anyhow::Result<Instance> {
    let mut options = Options {
        oauth_clients: vec![OauthClient {
            client_id: CLIENT_ID.to_owned(),
            client_secret: secrets.of(CLIENT_SECRET)?,
            user_name: "interlock".to_owned(),
        }],
        ..Options::default()
    };
    for account in &mut options.accounts {
        account.password = secrets.of(&format!("servicenow-password-{}", account.user_name))?;
    }
    let webhook_secret = secrets.of(WEBHOOK_SECRET)?;
    let simulator = ServiceNow::new(options);
    let served = match tls {
        Some(tls) => serve_tls(&simulator, listen, tls).await,
        None => simulator.serve(listen).await,
    };
    let (address, task) = served.with_context(|| format!("ServiceNow cannot listen at {listen}"))?;
    Ok(Instance { simulator, address, task, webhook_secret })
}

/// With its webhooks and what comes later, which the plain listener brings along.
async fn serve_tls(
    simulator: &ServiceNow,
    listen: SocketAddr,
    tls: ServerTls,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let (address, served) = simulator.serve_tls(listen, tls).await?;
    let (background, served) = (simulator.background(), AbortOnDrop(served));
    let task = tokio::spawn(async move {
        let _served = served;
        background.await;
    });
    Ok((address, task))
}

/// Ends with whoever holds it.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Instance {
    /// Sends its webhooks to an ingress.
    pub fn tell(&self, ingress: &str) {
        let url = format!("{}/webhooks/{CONNECTION}", ingress.trim_end_matches('/'));
        self.simulator.set_webhook(Some(WebhookTarget::new(&url, &self.webhook_secret)));
    }
}

/// Its entry under `connections`.
pub fn connection(base_url: &str, secrets: &Secrets) -> String {
    format!(
        "  {CONNECTION}:
    kind: servicenow
    base_url: {base_url}
    auth:
      oauth:
        client_id: {CLIENT_ID}
        client_secret: {}
    webhook:
      secrets: [\"{}\"]",
        secrets.reference(CLIENT_SECRET),
        secrets.reference(WEBHOOK_SECRET)
    )
}
