//! What the simulated GitHub is told at its start, and the knobs that may be turned while it runs.

use serde::{Deserialize, Serialize};

use super::model::Outcome;
use crate::clock::SimClock;

/// Fixed for the life of one simulator.
#[derive(Clone)]
pub struct Options {
    /// The simulator's only source of time.
    pub clock: SimClock,
    /// Base of the callback URL and of all `url` fields.
    pub api_base: String,
    /// Base of all `html_url` fields.
    pub web_base: String,
    /// Our App's slug; its answers are signed `<slug>[bot]`.
    pub app_slug: String,
    /// The App's numeric id, accepted as `iss`.
    pub app_id: u64,
    /// The App's client id, accepted as `iss` too.
    pub client_id: String,
    /// Public half of the App's key, PEM.
    pub app_public_pem: String,
    /// The one installation of the App.
    pub installation_id: u64,
    /// Where webhooks go; none are made without a target.
    pub webhook: Option<WebhookTarget>,
    /// When set, `/__sim/` demands it as a bearer token.
    pub control_token: Option<String>,
    /// Distinguishes the ids, GUIDs and SHAs of two simulators; the same seed tells the same story again.
    pub seed: u64,
    /// The knobs' first position, to which a reset returns.
    pub knobs: Knobs,
}

impl Options {
    /// Everything at its default but the key that App tokens are checked with.
    pub fn new(app_public_pem: impl Into<String>) -> Self {
        Self {
            clock: SimClock::real(),
            api_base: "https://api.github.com".into(),
            web_base: "https://github.com".into(),
            app_slug: "interlock".into(),
            app_id: 771_203,
            client_id: "Iv23liInterlockSim".into(),
            app_public_pem: app_public_pem.into(),
            installation_id: 5_530_021,
            webhook: None,
            control_token: None,
            seed: 1,
            knobs: Knobs::default(),
        }
    }
}

/// The App's webhook: one address, one secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct WebhookTarget {
    /// Where deliveries are posted.
    pub url: String,
    /// Key of `X-Hub-Signature-256`; without it no signature is sent.
    #[serde(default)]
    pub secret: Option<String>,
}

/// Which webhooks never reach the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// All arrive.
    #[default]
    None,
    /// None arrives.
    All,
    /// So many more are lost.
    Next(u32),
    /// Each n-th is lost.
    Every(u32),
}

/// Behaviour that may change while the simulator runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Between a release and the start of the job.
    pub queue_delay_ms: u64,
    /// How long a job runs; without it a job ends only when it is told to.
    pub run_for_ms: Option<u64>,
    /// How a job ends that ends by itself.
    pub run_outcome: Outcome,
    /// Life of an installation token (docs: one hour).
    pub token_ttl_seconds: u64,
    /// After so long at the gate the platform itself fails the job (docs: 30 days).
    pub gate_limit_seconds: u64,
    /// Requests an hour and installation.
    pub rate_limit: u32,
    /// Whether the App subscribes to `workflow_job` too.
    pub workflow_jobs: bool,
    /// Whether the App is installed; without it every repository is 404.
    pub installed: bool,
    /// Where contents of artifacts are; beside the API when absent.
    pub artifact_store: Option<String>,
    /// How often the store sends on before it has the content.
    pub artifact_hops: u32,
    /// Every webhook leaves so much later.
    pub webhook_delay_ms: u64,
    /// Each second webhook leaves so much later than the one after it.
    pub webhook_reorder_ms: u64,
    /// Further copies of each webhook, with the same GUID.
    pub webhook_copies: u32,
    /// Webhooks that get lost.
    pub webhook_loss: Loss,
    /// Whether a lost webhook stands in the list of deliveries, as one that timed out.
    pub webhook_loss_listed: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            queue_delay_ms: 0,
            run_for_ms: None,
            run_outcome: Outcome::Success,
            token_ttl_seconds: 3_600,
            gate_limit_seconds: 30 * 24 * 3_600,
            rate_limit: 5_000,
            workflow_jobs: false,
            installed: true,
            artifact_store: None,
            artifact_hops: 0,
            webhook_delay_ms: 0,
            webhook_reorder_ms: 0,
            webhook_copies: 0,
            webhook_loss: Loss::None,
            webhook_loss_listed: true,
        }
    }
}
