//! A stateful GitHub: Actions runs whose deployments wait at an App's custom protection rule, the REST calls that
//! such an App makes, and the signed webhooks that it gets. One lock, no I/O: `serve` adds sockets and deliveries.
//!
//! Nothing happens inside a request's future but the request itself. What comes later waits in a schedule, and webhooks
//! wait in the outbox; [`GitHub::settle_due`] and [`Outbox::take_due`] let a deterministic harness drive both.

mod api;
mod app_key;
mod artifacts;
mod call;
mod control;
mod exchange;
mod faults;
mod hooks;
mod lifecycle;
mod model;
mod options;
mod payloads;
mod progress;
mod schedule;
mod start;
mod tell;
mod tokens;
mod view;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use app_key::AppKey;
pub use artifacts::ArtifactFile;
pub use faults::{Fault, FaultKind, Match};
pub use model::{Outcome, Refused, StartDeployment, Started};
pub use options::{Knobs, Loss, Options, WebhookTarget};
pub use view::{DeploymentView, RunView};

use crate::clock::SimClock;
use crate::journal::{Journal, JournalEntry};
use crate::outbox::Outbox;
use crate::request_log::RequestLog;
use world::World;

/// The simulated GitHub. Clones share one state.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

struct Inner {
    world: Mutex<World>,
    clock: SimClock,
    outbox: Outbox,
    requests: RequestLog,
    journal: Journal,
    control_token: Option<String>,
    changed: watch::Sender<u64>,
}

impl GitHub {
    /// An empty GitHub: repositories come with their first deployment.
    pub fn new(options: Options) -> Self {
        let journal = Journal::default();
        let inner = Inner {
            clock: options.clock.clone(),
            control_token: options.control_token.clone(),
            world: Mutex::new(World::new(options, journal.clone())),
            outbox: Outbox::default(),
            requests: RequestLog::default(),
            journal,
            changed: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The REST API, and the control plane under `/__sim/`.
    pub fn router(&self) -> Router {
        Router::new().fallback(exchange::handle).with_state(self.clone())
    }

    /// Serves API and control plane, sends webhooks and lets time pass until the handle is aborted.
    pub async fn serve(&self, addr: SocketAddr) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        let background = {
            let (deliver, tick) =
                (self.outbox().deliver_until_dropped(self.clock()), self.clone().tick_until_dropped());
            async move {
                tokio::select! { () = deliver => {}, () = tick => {} }
            }
        };
        crate::serve::serve_with(self.router(), addr, background).await
    }

    /// A job with an environment is reached: run, deployment and webhooks.
    pub fn start_deployment(&self, wish: &StartDeployment) -> Result<Started, Refused> {
        self.with(|world, now| world.start(wish, now))
    }

    /// The job of a deployment that was let through ends.
    pub fn finish(&self, deployment: u64, outcome: Outcome) -> Result<(), Refused> {
        self.with(|world, now| world.finish(deployment, outcome, now))
    }

    /// A person cancels a run.
    pub fn cancel(&self, run: u64, actor: &str) -> Result<(), Refused> {
        self.with(|world, now| world.cancel(run, actor, now))
    }

    /// All jobs of a completed run again: the next attempt, new deployments, the same run id.
    pub fn rerun(&self, run: u64) -> Result<Started, Refused> {
        self.with(|world, now| world.rerun(run, false, now))
    }

    /// As `rerun`, but only the jobs that did not succeed.
    pub fn rerun_failed(&self, run: u64) -> Result<Started, Refused> {
        self.with(|world, now| world.rerun(run, true, now))
    }

    /// A job of the run uploads files under one name; the artifact's id.
    pub fn upload_artifact(&self, run: u64, name: &str, files: &[ArtifactFile]) -> Result<u64, Refused> {
        let archive = artifacts::archive(files)?;
        self.upload_archive(run, name, archive)
    }

    /// The same, with an archive as it is.
    pub fn upload_archive(&self, run: u64, name: &str, archive: Vec<u8>) -> Result<u64, Refused> {
        self.with(|world, now| world.upload(run, name, archive.into(), now))
    }

    /// Its time to be kept is over: the artifact is listed, and its content gone.
    pub fn expire_artifact(&self, id: u64) -> Result<(), Refused> {
        self.with(|world, _| world.expire_artifact(id))
    }

    /// A person starts a waiting job past its protection rules.
    pub fn bypass(&self, deployment: u64, actor: &str) -> Result<(), Refused> {
        self.with(|world, now| world.bypass(deployment, actor, now))
    }

    /// The required reviewer of a waiting job lets it through, as far as that person is concerned.
    pub fn approve_as_reviewer(&self, deployment: u64) -> Result<(), Refused> {
        self.with(|world, now| world.approve_as_reviewer(deployment, now))
    }

    /// All deployments, oldest first.
    pub fn deployments(&self) -> Vec<DeploymentView> {
        self.read(|world| world.deployments.values().map(|one| world.deployment_view(one)).collect())
    }

    /// One deployment.
    pub fn deployment(&self, id: u64) -> Option<DeploymentView> {
        self.read(|world| world.deployments.get(&id).map(|one| world.deployment_view(one)))
    }

    /// All workflow runs, oldest first.
    pub fn runs(&self) -> Vec<RunView> {
        self.read(|world| world.runs.values().map(|run| world.run_view(run)).collect())
    }

    /// One workflow run.
    pub fn run(&self, id: u64) -> Option<RunView> {
        self.read(|world| world.runs.get(&id).map(|run| world.run_view(run)))
    }

    /// Sets where webhooks go from now on; `None` sends none.
    pub fn set_webhook(&self, target: Option<WebhookTarget>) {
        self.with(|world, _| world.hooks.target = target);
    }

    /// Sets the base of callback and API URLs, such as the address that `serve` has bound.
    pub fn set_api_base(&self, base: &str) {
        base.trim_end_matches('/').clone_into(&mut self.lock().options.api_base);
    }

    /// Sends a `ping`.
    pub fn ping(&self) {
        self.with(|world, now| world.tell_ping(now));
    }

    /// Sends any body under any event name, signed like all others.
    pub fn send(&self, event: &str, body: &Value) {
        self.with(|world, now| world.tell_raw(event, body, now));
    }

    /// How the knobs stand.
    pub fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    /// Turns knobs; what was started before keeps its times.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.with(|world, _| change(&mut world.knobs));
    }

    /// Adds a fault behind those that are there; false when there are too many.
    pub fn fault(&self, fault: Fault) -> bool {
        self.with(|world, _| world.faults.add(fault))
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.with(|world, _| world.faults.clear());
    }

    /// Ends every installation token at once, as an uninstalled and reinstalled App would see it.
    pub fn revoke_tokens(&self) {
        self.with(|world, _| world.tokens.revoke_all());
    }

    /// The simulator's clock.
    pub fn clock(&self) -> SimClock {
        self.inner.clock.clone()
    }

    /// Webhooks that wait. Whoever sends one calls [`Outbox::record`], which fills the list of deliveries.
    pub fn outbox(&self) -> Outbox {
        self.inner.outbox.clone()
    }

    /// All API requests so far.
    pub fn requests(&self) -> RequestLog {
        self.inner.requests.clone()
    }

    /// What happened. `what` is one of `gate.asked`, `gate.released`, `gate.rejected`, `gate.reported`, `gate.bypassed`,
    /// `gate.expired`, `job.reviewed`, `job.started`, `job.finished`, `job.canceled`, `run.canceled`, `run.rerun`,
    /// `status.created`, `artifact.uploaded`.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.settle_due(self.inner.clock.now());
        self.inner.journal.entries()
    }

    /// Lets everything happen that is due; true when something waits for a later time.
    pub fn settle_due(&self, now: DateTime<Utc>) -> bool {
        let mut world = self.lock();
        let settled = world.settle(now);
        self.send_off(&mut world);
        let waits = world.schedule.next_due().is_some();
        drop(world);
        if settled {
            self.wake();
        }
        waits
    }

    /// Wakes after every request and every effect, so that a test can wait for a condition without sleeping.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// When the next scheduled effect happens.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.lock().schedule.next_due()
    }

    /// Back to an empty GitHub with its knobs at their first position. The webhook target and the API base stay, and
    /// ids go on, so that no receiver takes a new deployment for an old one.
    pub fn reset(&self) {
        self.lock().clear();
        self.inner.outbox.clear();
        self.inner.requests.clear();
        self.inner.journal.clear();
        self.wake();
    }

    /// What is due happens first here too, but looking alone wakes nobody who watches.
    fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.settle_due(self.inner.clock.now());
        look(&self.lock())
    }

    /// Every change goes through here: what is due happens first, and what is to be sent goes to the outbox.
    fn with<T>(&self, act: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let now = self.inner.clock.now();
        let mut world = self.lock();
        world.settle(now);
        let result = act(&mut world, now);
        self.send_off(&mut world);
        drop(world);
        self.wake();
        result
    }

    fn send_off(&self, world: &mut World) {
        for outgoing in world.hooks.take_outgoing() {
            self.inner.outbox.push(outgoing);
        }
    }

    async fn tick_until_dropped(self) {
        let mut changed = self.inner.changed.subscribe();
        let mut clock_set = self.inner.clock.watch();
        loop {
            self.settle_due(self.inner.clock.now());
            let next = self.next_due();
            tokio::select! {
                _ = changed.changed() => {}
                _ = clock_set.changed() => {}
                () = self.until(next) => {}
            }
        }
    }

    async fn until(&self, due: Option<DateTime<Utc>>) {
        match due {
            Some(due) if !self.inner.clock.is_frozen() => {
                let wait = (due - self.inner.clock.now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
            }
            // A frozen clock reaches nothing by waiting; setting it wakes the loop.
            _ => std::future::pending().await,
        }
    }

    fn wake(&self) {
        self.inner.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
