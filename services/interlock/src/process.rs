//! One process: starts its roles, runs until a signal, drains.

mod door;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use ingress::Ingress;
use interlock_runtime::config::{Config, Place};
use interlock_runtime::health::Health;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::signals::{Shutdown, shutdown_on_signal};
use interlock_runtime::telemetry::Telemetry;
use tokio::task::JoinSet;

use self::door::Door;
use crate::roles::Role;
use crate::wiring::{Ports, Wiring};
use crate::{admin, ports};

/// Roles that run.
pub struct Running {
    /// Where health and metrics are.
    pub admin: SocketAddr,
    /// Where webhooks go, if ingress is among the roles.
    pub ingress: Option<SocketAddr>,
    /// Whether they are ready.
    pub health: Health,
    /// The broker that they share.
    pub broker: Arc<dyn Broker>,
    tasks: JoinSet<anyhow::Result<()>>,
    shutdown: Shutdown,
}

/// Runs roles until a signal.
pub async fn run(roles: &[Role], config: Config) -> anyhow::Result<()> {
    let telemetry = Telemetry::start(&config.telemetry)?;
    let shutdown = shutdown_on_signal().context("cannot listen for signals")?;
    let ended = match start(roles, config, &telemetry, shutdown).await {
        Ok(running) => running.until_ended().await,
        Err(fault) => Err(fault),
    };
    // It blocks while the last spans are sent.
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    ended
}

/// Starts roles; they run until the shutdown begins.
pub async fn start(
    roles: &[Role],
    config: Config,
    telemetry: &Telemetry,
    shutdown: Shutdown,
) -> anyhow::Result<Running> {
    let (clock, http) = ports::machine()?;
    let name = if let [role] = roles { role.name() } else { "run" };
    let health = Health::new();
    roles.iter().for_each(|role| health.expect(role.name()));
    let mut tasks = JoinSet::new();
    let door = Door { listen: config.admin.listen, health: health.clone(), telemetry };
    // A folder opens at once or not at all. A server may keep us waiting, and meanwhile we are alive and say so.
    let early = match config.broker.place {
        Place::Remote(_) => Some(door.open(Router::new(), &mut tasks, &shutdown).await?),
        Place::Embedded(_) => None,
    };
    let broker = ports::broker(&config, clock.clone(), true, name).await?;
    let store = ports::store(&config, clock.clone())?;
    let tools = admin::routes(&config, broker.clone(), clock.clone());
    let ports = Ports { broker: broker.clone(), store: store.clone(), clock, http };
    let wiring = Wiring::new(config, ports, health.clone())?;
    let admin = match early {
        Some(bound) => bound,
        None => door.open(tools, &mut tasks, &shutdown).await?,
    };
    let mut ingress = None;
    for role in roles {
        if let Some(bound) = begin(*role, &wiring, &mut tasks, &shutdown).await? {
            ingress = Some(bound);
        }
    }
    tokio::spawn(store::watch(store, shutdown.clone()));
    tracing::info!(roles = ?roles.iter().map(|role| role.name()).collect::<Vec<_>>(), %admin, "started");
    Ok(Running { admin, ingress, health, broker, tasks, shutdown })
}

/// Starts one role; answers where it listens, if it does.
async fn begin(
    role: Role,
    wiring: &Wiring,
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<SocketAddr>> {
    let workers = match role {
        Role::Ingress => return begin_ingress(wiring, tasks, shutdown).await.map(Some),
        Role::ChangeWorker => {
            vec![change_worker::worker(wiring.change_desk()), change_worker::evidence(wiring.change_desk())]
        }
        Role::ApprovalWorker => vec![approval_worker::worker(wiring.approval_desk())],
    };
    for worker in workers {
        let (context, shutdown) = (wiring.context.clone(), shutdown.clone());
        tasks.spawn(async move {
            worker.run(context, shutdown).await;
            Ok(())
        });
    }
    Ok(None)
}

async fn begin_ingress(
    wiring: &Wiring,
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &Shutdown,
) -> anyhow::Result<SocketAddr> {
    let (listen, drain) = (wiring.config.ingress.listen, wiring.context.drain);
    let spool = ports::spool(&wiring.config, wiring.context.clock.clone())?;
    let (bound, served) = Ingress::new(wiring.ingress(spool)?)
        .serve(listen, drain, shutdown.clone())
        .await
        .with_context(|| format!("ingress.listen: cannot listen at {listen}"))?;
    tasks.spawn(async move { Ok(served.await?) });
    Ok(bound)
}

impl Running {
    /// Waits for the end of every role; whichever ends early takes the others with it.
    pub async fn until_ended(mut self) -> anyhow::Result<()> {
        let mut ended = Ok(());
        while let Some(task) = self.tasks.join_next().await {
            let early = !self.shutdown.has_begun();
            let outcome = task.map_err(anyhow::Error::from).and_then(|outcome| outcome);
            let outcome =
                if early { outcome.and(Err(anyhow::anyhow!("a role ended by itself"))) } else { outcome };
            if ended.is_ok() {
                ended = outcome;
            }
            self.shutdown.begin();
        }
        self.broker.close().await;
        ended
    }
}
