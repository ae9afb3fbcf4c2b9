//! What a change costs that waits, for people or for its deployment's end, before a simulated instance and in paused
//! time.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "approval-worker's tests need more of what both share")]

mod evidence;
#[path = "../../../approval-worker/src/tests/memory.rs"]
mod memory;
#[path = "../../../approval-worker/src/tests/paused.rs"]
mod paused;
#[path = "../../../approval-worker/src/tests/platform.rs"]
mod platform;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use interlock_broker::embedded::Embedded;
use interlock_events::{
    CorrelationId, Deployment, DeploymentFinished, DeploymentKey, DeploymentRequested, GateHandle, Outcome,
    Project,
};
use interlock_rules::{ChangeState, Policies};
use interlock_runtime::health::Health;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::worker::{Context, Delivery, Handled, Subscriber as _};
use interlock_servicenow::{Mark, ServiceNow};
use interlock_simulators::servicenow::ServiceNow as Simulator;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use self::memory::Memory;
use self::paused::{InProcess, Paused, simulator, unlocked};
use self::platform::Gates;
use crate::Desk;
use crate::subscribers::CloseChange;

struct World {
    sim: Simulator,
    desk: Desk,
    platform: Arc<Gates>,
    service_now: Arc<ServiceNow>,
    store: Arc<Memory>,
    request: DeploymentRequested,
    state: Option<Value>,
    _directory: TempDir,
}

impl World {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let (sim, directory) = (simulator(&clock), tempfile::tempdir().unwrap());
        let (store, http) = (Arc::new(Memory::default()), Arc::new(InProcess(sim.router())));
        let settings = unlocked(directory.path());
        let service_now =
            Arc::new(ServiceNow::new("acme", settings, http.clone(), clock.clone(), store.clone() as Arc<_>));
        let platform = Arc::new(Gates::new(clock.clone()));
        let broker = Embedded::open(&directory.path().join("broker"), clock.clone()).unwrap();
        let request = requested(&*clock);
        let context = Context {
            broker,
            store: store.clone(),
            clock,
            http,
            health: Health::new(),
            concurrency: 16,
            drain: Duration::from_secs(1),
        };
        let desk = Desk {
            context,
            service_now: BTreeMap::from([("acme".to_owned(), service_now.clone())]),
            platforms: BTreeMap::from([("ci".to_owned(), platform.clone() as Arc<_>)]),
            policies: Policies::new(Vec::new(), "acme".into()),
            settle: Duration::from_secs(75),
        };
        Self { sim, desk, platform, service_now, store, request, state: None, _directory: directory }
    }

    /// Ticks for so long. What changes meanwhile is followed, as the poll of approval-worker does.
    async fn tick_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.follow_changes().await;
            let Handled::Watch { after, state, .. } = self.desk.follow(&self.delivery()).await else {
                return;
            };
            self.state = Some(state);
            tokio::time::sleep(after).await;
        }
    }

    async fn follow_changes(&self) {
        let now = self.desk.context.clock.now();
        let before = self.sim.requests().find(&Default::default());
        let changed = self.service_now.changed_since(&Mark::before(now)).await.unwrap();
        for row in &changed.rows {
            let key = CorrelationId::hash_in(&row.correlation_id).unwrap();
            self.service_now.note_moved(&key, row).await;
        }
        self.service_now.note_followed(self.request.requested_at, "0", Duration::from_secs(3_600)).await;
        self.sim.requests().clear();
        before.into_iter().for_each(|request| self.sim.requests().push(request));
    }

    fn delivery(&self) -> Delivery<DeploymentRequested> {
        Delivery {
            data: self.request.clone(),
            time: self.request.requested_at,
            redelivered: false,
            attempt: 1,
            first_and_direct: true,
            first_at: self.request.requested_at,
            state: self.state.clone(),
            spare: false,
            traceparent: None,
            began: Instant::now(),
        }
    }

    fn calls(&self) -> usize {
        self.sim.requests().find(&Default::default()).len()
    }

    fn change(&self) -> Value {
        self.sim.changes().into_iter().next().unwrap()
    }
}

impl World {
    /// The deployment's end, told so long ago.
    async fn end_told(&self, ago: TimeDelta) -> Handled {
        let now = self.desk.context.clock.now();
        let fact = DeploymentFinished {
            deployment: self.request.deployment.clone(),
            outcome: Outcome::Succeeded,
            at: now,
        };
        let delivery = Delivery {
            data: fact,
            time: now,
            redelivered: false,
            attempt: 1,
            first_and_direct: true,
            first_at: now - ago,
            state: None,
            spare: false,
            traceparent: None,
            began: Instant::now(),
        };
        CloseChange { desk: Arc::new(self.desk.clone()) }.handle(delivery).await
    }
}

fn requested(clock: &dyn Clock) -> DeploymentRequested {
    let key = DeploymentKey {
        tenant: "default".into(),
        connection: "ci".into(),
        project: "1".into(),
        environment: "production".into(),
        occurrence: "1".into(),
    };
    let handle = GateHandle {
        platform: "ci".into(),
        connection: "ci".into(),
        ids: BTreeMap::from([("job".to_owned(), "1".to_owned())]),
        sealed: None,
    };
    let project = Project { id: "1".into(), name: "acme/payments-api".into(), url: None };
    let sha = "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31".into();
    let deployment = Deployment { key, project, sha, reference: None, run: None, actor: None };
    DeploymentRequested { deployment, gate: Some(handle), place: None, requested_at: clock.now() }
}

async fn asked() -> World {
    let mut world = World::new();
    let group = json!({ "name": "default", "change": { "assignment_group": "Change Management" } });
    world.desk.policies = Policies::new(vec![serde_json::from_value(group).unwrap()], "acme".into());
    world.tick_for(Duration::from_secs(600)).await;
    assert_eq!(world.change()["state"], "-4", "people are asked");
    world.sim.requests().clear();
    world
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_for_people_costs_no_calls_until_it_moves_or_its_job_ends() {
    let mut world = asked().await;
    world.tick_for(Duration::from_secs(4 * 3_600)).await;
    assert_eq!(world.calls(), 0, "{:#?}", world.sim.requests().find(&Default::default()));
    let sys_id = world.change()["sys_id"].as_str().unwrap().to_owned();
    world.sim.update("change_request", &sys_id, &[("risk", "2")]).unwrap();
    world.tick_for(Duration::from_secs(600)).await;
    assert!(world.calls() > 0, "it moved");
    world.platform.give_up(1);
    world.tick_for((TimeDelta::hours(2)).to_std().unwrap()).await;
    assert_eq!(world.change()["state"], "4", "its job ended before it began");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_deployment_runs_costs_no_calls_until_it_moves_or_the_run_ends() {
    let mut world = asked().await;
    let number = world.change()["number"].as_str().unwrap().to_owned();
    world.sim.approve_all(&number).unwrap();
    world.platform.let_go(1);
    world.tick_for(Duration::from_secs(600)).await;
    let sys_id = world.change()["sys_id"].as_str().unwrap().to_owned();
    world.service_now.move_to(&sys_id, ChangeState::Implement, &BTreeMap::new()).await.unwrap();
    world.tick_for(Duration::from_secs(1_200)).await;
    world.sim.requests().clear();
    world.tick_for(Duration::from_secs(4 * 3_600)).await;
    assert_eq!(world.calls(), 0, "{:#?}", world.sim.requests().find(&Default::default()));
    world.platform.end(1);
    world.tick_for(Duration::from_secs(2 * 3_600)).await;
    assert_eq!(world.change()["state"], "3", "nobody told of its end");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_deployment_that_nothing_holds_costs_no_calls() {
    let world = World::new();
    assert!(
        matches!(world.end_told(TimeDelta::zero()).await, Handled::Watch { .. }),
        "its request may come yet"
    );
    assert!(matches!(world.end_told(TimeDelta::minutes(11)).await, Handled::Ignored(_)));
    assert_eq!(world.calls(), 0);
    world.store.be_young();
    assert!(matches!(world.end_told(TimeDelta::minutes(11)).await, Handled::Watch { .. }));
    assert!(world.calls() > 0, "a Store that may have forgotten says nothing");
}
