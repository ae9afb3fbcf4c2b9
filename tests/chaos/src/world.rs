//! Everything that one run needs: servers, simulated systems, people, and Interlock in processes of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::middleware::from_fn_with_state;
use interlock_simulators::github::{self, AppKey, GitHub};
use interlock_simulators::serve::serve;
use interlock_simulators::servicenow::{self, ServiceNow};
use interlock_tests::servers::{PrivateBroker, PrivateRedis, test_directory};

use crate::cast::Cast;
use crate::dice::Dice;
use crate::dose::Dose;
use crate::net::{Courier, Losses, lose_answers};
use crate::people::People;
use crate::plan::Plan;
use crate::storm::Stage;

/// The policy's approval time-out.
pub const TIMEOUT_MINUTES: u64 = 2;
/// The configured settle time; nothing commits late here, only unheard.
pub const SETTLE_SECONDS: u64 = 2;
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(250);
const SECRET: &str = "webhook-secret-of-the-chaos";

/// All of it; it ends with this value.
pub struct World {
    /// Everybody outside.
    pub people: People,
    /// Carries webhooks.
    pub courier: Arc<Courier>,
    /// Answers get lost as long as this is set.
    pub raging: Arc<AtomicBool>,
    /// What was done.
    pub dose: Arc<Dose>,
    /// Where RabbitMQ is.
    pub amqp_url: String,
    stage: Option<Stage>,
    folder: PathBuf,
}

impl World {
    /// Starts everything, and waits until every process is ready.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(seed: u64) -> anyhow::Result<Self> {
        let (broker, redis) =
            tokio::task::spawn_blocking(|| (PrivateBroker::start(), PrivateRedis::start())).await?;
        let (dose, raging) = (Arc::<Dose>::default(), Arc::new(AtomicBool::new(true)));
        let folder = test_directory().join("chaos");
        fs::create_dir_all(&folder)?;
        let amqp_url = broker.amqp_url();
        let cast = Cast::new(folder.clone(), amqp_url.clone(), redis.redis_url());
        let key = AppKey::generate()?;
        let mut options = github::Options::new(key.public_pem.clone());
        options.seed = seed;
        options.knobs.rate_limit = u32::MAX;
        let github = GitHub::new(options);
        let service_now = ServiceNow::new(servicenow::Options::default());
        let losses = |system| Losses {
            dice: Arc::new(Dice::of(seed, system)),
            dose: dose.clone(),
            raging: raging.clone(),
        };
        let at_github = serve_lossy(github.router(), losses("github")).await?;
        let at_service_now = serve_lossy(service_now.router(), losses("servicenow")).await?;
        github.set_api_base(&format!("http://{at_github}"));
        github.set_webhook(Some(github::WebhookTarget {
            url: "/webhooks/github".into(),
            secret: Some(SECRET.into()),
        }));
        service_now.set_webhook(Some(servicenow::WebhookTarget::new("/webhooks/servicenow", SECRET)));
        write_settings(&folder, &key, at_github, at_service_now)?;
        let courier = Courier::new(cast.doors(), seed, dose.clone())?;
        let people = People { github: github.clone(), service_now: service_now.clone(), seed };
        let stage = Stage { cast, broker, redis, dose: dose.clone() };
        let mut world = Self { people, courier, raging, dose, amqp_url, stage: Some(stage), folder };
        if let Err(fault) = world.start_cast().await {
            return Err(fault.context(format!("the logs are in {}", world.keep_logs().display())));
        }
        tokio::spawn(world.courier.clone().carry(github, service_now));
        tokio::spawn(world.people.clone().work());
        Ok(world)
    }

    async fn start_cast(&mut self) -> anyhow::Result<()> {
        let stage = self.stage.as_mut().context("nobody storms yet")?;
        for number in 0..stage.cast.players.len() {
            stage.cast.start(number)?;
        }
        let deadline = Instant::now() + READY_WITHIN;
        for url in stage.cast.ready_urls() {
            while !is_ready(&self.courier.client, &url).await {
                let ended = stage.cast.ended_by_themselves();
                ensure!(ended.is_empty(), "{}", ended.join(", "));
                ensure!(Instant::now() < deadline, "not ready: {url}");
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Lets the storm pass.
    ///
    /// # Errors
    /// A process cannot be started again.
    pub async fn storm(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let (mut stage, plan) = (self.stage.take().context("one storm at a time")?, plan.clone());
        let stormed = tokio::task::spawn_blocking(move || stage.storm(&plan).map(|()| stage)).await?;
        self.stage = Some(stormed?);
        Ok(())
    }

    /// Waits until everything is over; says what is not by then.
    pub async fn rest(&self, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        loop {
            let mut open = self.people.open();
            let pending = self.courier.received().pending;
            if pending > 0 {
                open.push(format!("{pending} webhooks that nobody takes"));
            }
            if open.is_empty() || Instant::now() >= deadline {
                // What comes to light only after the settle time shows now.
                tokio::time::sleep(Duration::from_secs(2 * SETTLE_SECONDS)).await;
                return open;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Processes that ended by themselves, and panics.
    pub fn deaths(&mut self) -> Vec<String> {
        let Some(stage) = &mut self.stage else { return Vec::new() };
        let mut deaths = stage.cast.ended_by_themselves();
        deaths.extend(stage.cast.panics());
        deaths
    }

    /// Keeps the logs when everything else goes.
    pub fn keep_logs(&self) -> PathBuf {
        let kept = std::env::temp_dir().join(format!("interlock-chaos-{}", std::process::id()));
        // Without them the findings are still printed.
        let _ = fs::create_dir_all(&kept);
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "log") {
                let _ = fs::copy(file.path(), kept.join(file.file_name()));
            }
        }
        kept
    }
}

async fn serve_lossy(router: Router, losses: Losses) -> anyhow::Result<SocketAddr> {
    let router = router.layer(from_fn_with_state(losses, lose_answers));
    Ok(serve(router, (Ipv4Addr::LOCALHOST, 0).into()).await?.0)
}

async fn is_ready(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

fn write_settings(
    folder: &Path,
    key: &AppKey,
    at_github: SocketAddr,
    at_service_now: SocketAddr,
) -> anyhow::Result<()> {
    fs::write(folder.join("app-key"), &key.private_pem)?;
    fs::write(folder.join("webhook-secret"), SECRET)?;
    fs::write(folder.join("password"), "interlock")?;
    let place = folder.display();
    let settings = format!(
        r#"telemetry: {{ level: "info,change_worker=debug,approval_worker=debug,interlock_runtime=debug" }}
timing: {{ settle_seconds: {SETTLE_SECONDS}, poll_seconds: 1 }}
connections:
  servicenow:
    kind: servicenow
    base_url: http://{at_service_now}
    permits: 8
    auth: {{ basic: {{ username: interlock, password: "${{file:{place}/password}}" }} }}
    webhook: {{ secrets: ["${{file:{place}/webhook-secret}}"] }}
  github:
    kind: github
    base_url: http://{at_github}
    app_id: 771203
    private_key: "${{file:{place}/app-key}}"
    webhook_secrets: ["${{file:{place}/webhook-secret}}"]
policies:
  - name: default
    change: {{ assignment_group: Change Management }}
    approval: {{ timeout_minutes: {TIMEOUT_MINUTES} }}
"#
    );
    Ok(fs::write(folder.join("interlock.yaml"), settings)?)
}
