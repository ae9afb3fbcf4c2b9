//! ServiceNow simulator: Table API, Change Management API, state model, approvals, authentication,
//! outbound webhooks and faults.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SimClock;
use crate::journal::Journal;
use crate::outbox::Outbox;
use crate::request_log::RequestLog;
use crate::tls::ServerTls;

mod actions;
mod answers;
mod api;
mod approvals;
mod attachment_api;
mod auth;
mod batch_api;
mod change_api;
mod change_tasks;
mod changes;
mod conditions;
mod control;
mod devops_api;
mod dictionary;
mod errors;
mod faults;
mod import_api;
mod input;
mod limits;
mod options;
mod past;
mod policies;
mod query;
mod record;
mod records;
mod routes;
pub mod seed;
mod select;
mod shapes;
mod states;
mod stats_api;
mod table_api;
mod templates;
mod tiny_api;
mod webhook;
mod wire;
mod work;
mod world;
mod zone;

#[cfg(test)]
mod tests;

pub use control::ControlError;
pub use faults::{Effect, Fault, FaultMatch};
pub use limits::SemaphoreKnob;
pub use options::{
    Account, FirstAvailable, InitialStatePolicy, Knobs, OauthClient, Options, ResultShape, ValueTypes,
    WaitFor,
};
pub use webhook::{Encoding, WebhookTarget};

use faults::Faults;
use limits::Pool;
use webhook::Webhooks;
use world::{Later, World};

/// A simulated instance. Clones are handles to the same one.
#[derive(Clone)]
pub struct ServiceNow {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    outbox: Outbox,
    requests: RequestLog,
    journal: Journal,
    faults: Faults,
    pool: Pool,
    world: Mutex<World>,
    scheduled: watch::Sender<u64>,
}

impl ServiceNow {
    /// A fresh instance with its seed data.
    pub fn new(options: Options) -> Self {
        let (outbox, journal) = (Outbox::default(), Journal::default());
        let world = fresh_world(&options, &outbox, &journal);
        Self {
            inner: Arc::new(Inner {
                options,
                outbox,
                requests: RequestLog::default(),
                journal,
                faults: Faults::default(),
                pool: Pool::default(),
                world: Mutex::new(world),
                scheduled: watch::Sender::new(0),
            }),
        }
    }

    /// The API and the control plane.
    pub fn router(&self) -> Router {
        let api = Router::new().fallback(wire::api).with_state(self.clone());
        control::router(self).fallback_service(api)
    }

    /// Binds the router, delivers webhooks and lets late effects happen, until the handle is aborted.
    pub async fn serve(&self, addr: SocketAddr) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        crate::serve::serve_with(self.router(), addr, self.background()).await
    }

    /// Binds the router over TLS, beside `serve`; nothing is delivered or settled by this one.
    pub async fn serve_tls(
        &self,
        addr: SocketAddr,
        tls: ServerTls,
    ) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        crate::serve::serve_tls(self.router(), addr, tls).await
    }

    /// Delivers webhooks and settles late effects for as long as the future lives.
    pub fn background(&self) -> impl Future<Output = ()> + Send + 'static {
        let deliver = self.outbox().clone().deliver_until_dropped(self.clock().clone());
        let tick = self.clone().tick();
        async move {
            tokio::join!(deliver, tick);
        }
    }

    async fn tick(self) {
        let mut scheduled = self.inner.scheduled.subscribe();
        let mut clock_set = self.clock().watch();
        loop {
            self.settle_due(self.clock().now());
            let next = self.next_due();
            tokio::select! {
                _ = scheduled.changed() => {}
                _ = clock_set.changed() => {}
                () = self.until(next) => {}
            }
        }
    }

    async fn until(&self, due: Option<DateTime<Utc>>) {
        match due {
            Some(due) if !self.clock().is_frozen() => {
                let wait = (due - self.clock().now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
            }
            _ => std::future::pending().await,
        }
    }

    /// The instance's clock.
    pub fn clock(&self) -> &SimClock {
        &self.inner.options.clock
    }

    /// Webhooks that wait to be sent.
    pub fn outbox(&self) -> &Outbox {
        &self.inner.outbox
    }

    /// What was asked of the API.
    pub fn requests(&self) -> &RequestLog {
        &self.inner.requests
    }

    /// What came of it.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Lets everything happen that is due by now: late commits, approvals that take their time.
    pub fn settle_due(&self, now: DateTime<Utc>) {
        let mut world = self.lock();
        while let Some((at, effect)) = world.take_due(now) {
            world.now = at;
            settle(&mut world, effect);
        }
    }

    /// When the next late effect is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.lock().next_due()
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) -> Result<(), ControlError> {
        self.inner.faults.add(fault)
    }

    /// The faults that are still to hit something.
    pub fn faults(&self) -> Vec<Fault> {
        self.inner.faults.all()
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    /// Sets all knobs.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.lock().set_knobs(knobs);
    }

    /// Sends webhooks there from now on, or nowhere.
    pub fn set_webhook(&self, target: Option<WebhookTarget>) {
        self.lock().webhooks.target = target;
    }

    /// Makes every access token invalid.
    pub fn revoke_tokens(&self) {
        self.lock().tokens.revoke();
    }

    /// Back to the seed data and the options; logs, journal, faults and waiting webhooks are gone.
    pub fn reset(&self) {
        let inner = &self.inner;
        inner.outbox.clear();
        inner.journal.clear();
        inner.requests.clear();
        inner.faults.clear();
        *self.lock() = fresh_world(&inner.options, &inner.outbox, &inner.journal);
    }

    /// Works on the world at the clock's time, then wakes the ticker for what was scheduled.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        world.now = self.clock().now();
        let done = work(&mut world);
        drop(world);
        let scheduled = &self.inner.scheduled;
        scheduled.send_modify(|count| *count = count.wrapping_add(1));
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ServiceNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceNow").finish_non_exhaustive()
    }
}

/// Seeding is no effect of anybody's: the journal starts empty and no webhook goes out.
fn fresh_world(options: &Options, outbox: &Outbox, journal: &Journal) -> World {
    let webhooks = Webhooks::new(options.webhook.clone(), outbox.clone());
    let mut world =
        World::new(options.clock.now(), &options.seed, options.knobs.clone(), webhooks, Journal::default());
    seed::fill(&mut world, &options.accounts);
    world.journal = journal.clone();
    world
}

fn settle(world: &mut World, effect: Later) {
    match effect {
        Later::Commit(request) => {
            routes::dispatch(world, &request);
        }
        Later::AskApprovers { change, level } => approvals::create_rows(world, &change, level),
        // Whoever was asked may have been answered for meanwhile.
        Later::Revoke { change } => approvals::revoke(world, &change),
        Later::CheckConflicts { job } => change_api::run_conflict_check(world, &job),
        Later::AutoApprove { change } => {
            let _ = actions::answer(world, &change, None, "approved", "");
        }
    }
}
