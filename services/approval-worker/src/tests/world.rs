//! Many gates that wait for changes of a simulated instance, as one process of the worker has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interlock_broker::embedded::Embedded;
use interlock_events::{CorrelationId, Deployment, DeploymentKey, DeploymentRequested, GateHandle, Project};
use interlock_rules::{Policies, deadline};
use interlock_runtime::health::Health;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::worker::{Context, Task as _};
use interlock_servicenow::{Known, Mark, ServiceNow};
use interlock_simulators::servicenow::ServiceNow as Simulator;
use tempfile::TempDir;
use tokio::time::Instant;

use super::memory::Memory;
use super::paused::{InProcess, Paused, simulator, unlocked};
use super::platform::Gates;
use crate::Desk;
use crate::gate::{Gate, GateState};
use crate::hint::Hint;
use crate::look::{By, Next};
use crate::poll::PollPendingChanges;

const SHA: &str = "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31";
pub const POLL: Duration = Duration::from_secs(15);

/// A gate as its watch carries it.
pub struct Waiting {
    pub request: DeploymentRequested,
    state: GateState,
    pub change: String,
    due: Instant,
}

pub struct World {
    pub sim: Simulator,
    pub store: Arc<Memory>,
    pub platform: Arc<Gates>,
    pub gates: Vec<Waiting>,
    pub desk: Arc<Desk>,
    poll: PollPendingChanges,
    polled: Instant,
    clock: Arc<dyn Clock>,
    _directory: TempDir,
}

impl World {
    /// So many gates, all of them looked at lately, whose changes moved long ago.
    pub async fn with(count: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let (sim, directory) = (simulator(&clock), tempfile::tempdir().unwrap());
        let (store, http) = (Arc::new(Memory::default()), Arc::new(InProcess(sim.router())));
        let settings = unlocked(directory.path());
        let service_now = ServiceNow::new("acme", settings, http.clone(), clock.clone(), store.clone());
        let platform = Arc::new(Gates::new(clock.clone()));
        let broker = Embedded::open(&directory.path().join("broker"), clock.clone()).unwrap();
        let context = Context {
            broker,
            store: store.clone(),
            clock: clock.clone(),
            http,
            health: Health::new(),
            concurrency: 16,
            drain: Duration::from_secs(1),
        };
        let desk = Arc::new(Desk {
            context,
            service_now: BTreeMap::from([("acme".to_owned(), Arc::new(service_now))]),
            platforms: BTreeMap::from([("ci".to_owned(), platform.clone() as Arc<_>)]),
            policies: Policies::new(Vec::new(), "acme".into()),
            settle: Duration::from_secs(75),
            poll: POLL,
            sweep: Duration::from_secs(300),
        });
        let poll = PollPendingChanges::new(desk.clone());
        let polled = Instant::now();
        let mut world = Self {
            sim,
            store,
            platform,
            gates: Vec::new(),
            desk,
            poll,
            polled,
            clock,
            _directory: directory,
        };
        world.seed(count).await;
        world
    }

    async fn seed(&mut self, count: usize) {
        let mut requests = Vec::new();
        for job in 0..count {
            let request = self.request(job);
            let deployment = &request.deployment;
            let correlation = CorrelationId::new(&deployment.key, SHA, &deployment.project.name);
            let fields = [
                ("correlation_id", correlation.as_str()),
                ("correlation_display", "Interlock"),
                ("type", "normal"),
                ("state", "-4"),
                ("approval", "requested"),
            ];
            requests.push((request.clone(), self.sim.insert("change_request", &fields).unwrap()));
        }
        let service_now = self.desk.service_now["acme"].clone();
        let (mut mark, mut rows) = (Mark::before(self.clock.now()), BTreeMap::new());
        loop {
            let changed = service_now.changed_since(&mark).await.unwrap();
            rows.extend(changed.rows.into_iter().map(|row| (row.sys_id.clone(), row)));
            if changed.whole {
                break;
            }
            mark = changed.mark;
        }
        tokio::time::advance(Duration::from_secs(1_800)).await;
        let epoch = interlock_runtime::ports::store::Store::epoch(&*self.store).await.unwrap().id;
        service_now.note_followed(self.clock.now(), &epoch, Duration::from_secs(60)).await;
        for (job, (request, change)) in requests.into_iter().enumerate() {
            let terms = self.desk.policies.of(&request.deployment);
            let until = deadline(request.requested_at, &terms, Duration::from_secs(30 * 86_400), None);
            let mut state = GateState::begin(terms, until, Some(1));
            state.note_row(&rows[&change]);
            state.siblings_known = true;
            let reading = interlock_rules::Reading {
                rows: vec![rows[&change].clone()],
                at: self.clock.now(),
                skew_seconds: Some(0),
            };
            state.known = Known::of(&reading);
            self.desk.remember(&request, &state).await;
            // Those that tick together are ticked together.
            let due = Instant::now() + Duration::from_secs(u64::try_from(job).unwrap() % 120);
            self.gates.push(Waiting { request, state, change, due });
        }
        self.polled = Instant::now();
        self.sim.requests().clear();
    }

    fn request(&self, job: usize) -> DeploymentRequested {
        let key = DeploymentKey {
            tenant: "default".into(),
            connection: "ci".into(),
            project: (job % 100).to_string(),
            environment: "production".into(),
            occurrence: job.to_string(),
        };
        let project = Project { id: key.project.clone(), name: "acme/payments-api".into(), url: None };
        let handle = GateHandle {
            platform: "ci".into(),
            connection: "ci".into(),
            ids: BTreeMap::from([("job".to_owned(), job.to_string())]),
            sealed: None,
        };
        let deployment =
            Deployment { key, project, sha: SHA.into(), reference: None, run: None, actor: None };
        DeploymentRequested { deployment, gate: Some(handle), place: None, requested_at: self.clock.now() }
    }

    /// Lets time go by, with the poll's turns and the watches' ticks as they fall due.
    pub async fn go_on(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let watch = self.gates.iter().map(|gate| gate.due).min();
            let next = watch.map_or(self.polled, |due| due.min(self.polled));
            if next > until {
                return tokio::time::sleep_until(until).await;
            }
            tokio::time::sleep_until(next).await;
            if self.polled <= next {
                self.poll.turn().await;
                self.polled = Instant::now() + self.clock.jittered(POLL);
            }
            self.tick(next).await;
        }
    }

    async fn tick(&mut self, now: Instant) {
        for waiting in self.gates.iter_mut().filter(|gate| gate.due <= now) {
            let gate = Gate::of(&waiting.request).unwrap();
            let looked = self.desk.look(gate, &mut waiting.state, Instant::now(), By::Watch).await;
            let after = match looked.map(|looked| looked.next) {
                Some(Next::After(after)) => after,
                Some(Next::Never) => Duration::from_secs(1_000_000),
                None => Duration::from_secs(1),
            };
            waiting.due = Instant::now() + after;
        }
    }

    /// A person decides: the approver row, and unless it is left alone the change as well.
    pub fn decide(&self, job: usize, decision: &str, change: &[(&str, &str)]) {
        let sys_id = self.gates[job].change.as_str();
        let approval = [("sysapproval", sys_id), ("state", decision), ("approver", "alice")];
        self.sim.insert("sysapproval_approver", &approval).unwrap();
        if !change.is_empty() {
            self.sim.update("change_request", sys_id, change).unwrap();
        }
    }

    pub fn approve(&self, job: usize) {
        self.decide(job, "approved", &[("state", "-2"), ("approval", "approved")]);
    }

    /// As ServiceNow's webhook does.
    pub async fn hint(&self, job: usize) {
        let key = self.gates[job].request.deployment.key.hash();
        self.desk.look_now(&key, Hint::at(Instant::now())).await;
    }

    /// How long after that moment its gate was released.
    pub fn released_after(&self, job: usize, began: Instant) -> Option<Duration> {
        self.platform.answer(job).filter(|(released, _)| *released).map(|(_, at)| at - began)
    }

    /// Calls in each minute since the log was cleared.
    pub fn calls_by_minute(&self) -> Vec<usize> {
        let mut minutes: BTreeMap<i64, usize> = BTreeMap::new();
        for request in self.sim.requests().find(&Default::default()) {
            *minutes.entry(request.at.timestamp() / 60).or_default() += 1;
        }
        minutes.into_values().collect()
    }
}

impl World {
    /// All processes start anew, with another file.
    pub fn restart_with(&mut self, freezes: serde_json::Value) {
        let freezes = serde_json::from_value(freezes).unwrap();
        let policies = Policies::new(Vec::new(), "acme".into()).with_freezes(freezes);
        self.desk = Arc::new(Desk { policies, ..(*self.desk).clone() });
        self.poll = PollPendingChanges::new(self.desk.clone());
    }

    /// What is left for this gate.
    pub fn until_deadline(&self, job: usize) -> Duration {
        (self.gates[job].state.deadline - self.clock.now()).to_std().unwrap()
    }

    /// Readings by the key of a deployment: those of a gate for itself.
    pub fn look_ups(&self) -> usize {
        let asked = self.sim.requests().find(&Default::default());
        asked
            .iter()
            .filter(|request| {
                request.query.contains("correlation_idSTARTSWITHil1.")
                    && !request.query.contains("sys_updated_on%3E")
            })
            .count()
    }
}
