//! The world of one simulation: two simulated systems, two replicas of each worker, broker, Store, network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use ingress::{Ingress, Limits, Parts};
use interlock_events::{DeploymentKey, KeyHash};
use interlock_rules::Policies;
use interlock_runtime::config::Config;
use interlock_runtime::health::Health;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;
use interlock_runtime::signals::Shutdown;
use interlock_runtime::webhook::WebhookSource;
use interlock_runtime::worker::{Context, Worker};
use interlock_simulators::clock::SimClock as SystemTime;
use interlock_simulators::github::{self, AppKey, GitHub, Started};
use interlock_simulators::servicenow::{self, ServiceNow};
use tokio::time::{Instant, sleep};

use crate::broker::{BrokerCore, SimBroker};
use crate::clock::{SimClock, wall};
use crate::courier::{Courier, Door};
use crate::dice::Dice;
use crate::http::{Net, SimHttp};
use crate::process::Process;
use crate::sabotage::Sabotage;
use crate::store::StoreCore;
use crate::tale::Tale;

/// The processes, by their numbers in a script.
pub const PROCESSES: [&str; 4] =
    ["change-worker-0", "change-worker-1", "approval-worker-0", "approval-worker-1"];
/// The policy's approval time-out.
pub const TIMEOUT: Duration = Duration::from_secs(300);
/// The configured settle time; no late effect takes longer.
pub const SETTLE: Duration = Duration::from_secs(20);
/// Name of GitHub's connection.
pub const GITHUB: &str = "github";
/// Name of ServiceNow's connection.
pub const SERVICE_NOW: &str = "servicenow";
const SECRET: &str = "not-a-secret-but-long-enough";

/// How a world differs from the usual one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// Keep the tale's lines.
    pub told: bool,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// A process that dies at a certain point of its first life.
    pub dies_at: Option<(usize, u64)>,
}

/// Everything that lives in one simulation.
pub struct World {
    /// When it began.
    pub began: Instant,
    /// The platform.
    pub github: GitHub,
    /// The instance.
    pub service_now: ServiceNow,
    /// What all processes share.
    pub broker: Arc<BrokerCore>,
    /// What all processes share.
    pub store: Arc<StoreCore>,
    /// Between everybody.
    pub net: Arc<Net>,
    /// Carries webhooks.
    pub courier: Arc<Courier>,
    /// Takes webhooks.
    pub door: Arc<Door>,
    /// What happened.
    pub tale: Arc<Tale>,
    config: Config,
    seed: u64,
    setting: Setting,
    running: Mutex<Vec<Arc<Process>>>,
    restart_after: Mutex<Vec<Duration>>,
    places: Mutex<BTreeMap<usize, Started>>,
}

impl World {
    /// Builds a world; must be called on a runtime with paused time.
    ///
    /// # Errors
    /// The configuration has faults, or no key can be made.
    pub fn new(seed: u64, setting: Setting) -> anyhow::Result<Arc<Self>> {
        let began = Instant::now();
        let dice = Dice::of(seed, "world");
        let secrets = Secrets::get()?;
        let config = Config::parse("simulation", &configuration(seed, secrets, setting), std::iter::empty())?;
        let tale = Arc::new(Tale::new(began, setting.told));
        let github = github(seed, began, secrets, &dice);
        let service_now = service_now(seed, began);
        let routers = [("github.sim", github.router()), ("servicenow.sim", service_now.router())];
        let routers = routers.into_iter().map(|(host, router)| (host.to_owned(), router)).collect();
        let net = Net::new(routers, Dice::of(seed, "net"));
        let broker = BrokerCore::new(Dice::of(seed, "broker"));
        let store = StoreCore::new();
        let door = door(&config, (&broker, &store), began, &tale, setting.sabotage)?;
        let courier = Arc::new(Courier {
            github: github.clone(),
            service_now: service_now.clone(),
            door: door.clone(),
            net: net.clone(),
            clock: Arc::new(SimClock::new(began, Dice::of(seed, "courier's clock"))),
            dice: Dice::of(seed, "courier"),
            post: Mutex::default(),
        });
        let dead = Process::new("nobody", 0, None, tale.clone());
        Ok(Arc::new(Self {
            began,
            github,
            service_now,
            broker,
            store,
            net,
            courier,
            door,
            tale,
            config,
            seed,
            setting,
            running: Mutex::new(vec![dead; PROCESSES.len()]),
            restart_after: Mutex::new(vec![Duration::from_secs(1); PROCESSES.len()]),
            places: Mutex::default(),
        }))
    }

    /// Starts all processes, the courier and the door.
    pub fn start(self: &Arc<Self>) {
        for number in 0..PROCESSES.len() {
            let world = self.clone();
            tokio::spawn(async move { world.keep_running(number).await });
        }
        let door = self.door.clone();
        tokio::spawn(async move { door.keep_looking().await });
        tokio::spawn(self.courier.clone().carry());
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        wall(self.began.elapsed())
    }

    /// A process as it lives now.
    #[must_use]
    pub fn process(&self, number: usize) -> Arc<Process> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)[number].clone()
    }

    /// The next crash of a process is followed by a start after so long.
    pub fn restart_after(&self, number: usize, how_long: Duration) {
        self.restart_after.lock().unwrap_or_else(PoisonError::into_inner)[number] = how_long;
    }

    /// What stands at a place of the script.
    #[must_use]
    pub fn place(&self, place: usize) -> Option<Started> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned()
    }

    /// Notes what stands there.
    pub fn set_place(&self, place: usize, started: Started) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(place, started);
    }

    async fn keep_running(self: Arc<Self>, number: usize) {
        for life in 0.. {
            let dies_at =
                self.setting.dies_at.filter(|(who, _)| *who == number && life == 0).map(|(_, at)| at);
            let process = Process::new(PROCESSES[number], life, dies_at, self.tale.clone());
            self.running.lock().unwrap_or_else(PoisonError::into_inner)[number] = process.clone();
            let Ok((worker, context)) = self.worker(number, &process) else { return };
            let task = tokio::spawn(worker.run(context, Shutdown::new()));
            process.until_dead().await;
            task.abort();
            self.broker.end_sessions_of(&process);
            let pause = self.restart_after.lock().unwrap_or_else(PoisonError::into_inner)[number];
            sleep(pause).await;
        }
    }

    /// As the roles of the product are wired, on simulated ports.
    fn worker(&self, number: usize, process: &Arc<Process>) -> anyhow::Result<(Worker, Context)> {
        let dice = Dice::of(self.seed, &format!("{} {}", process.name, process.life));
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new(self.began, dice));
        let clock = Sabotage::clock(self.setting.sabotage, clock);
        let broker = SimBroker::new(self.broker.clone(), process.clone(), clock.clone());
        let acks_first = self.setting.sabotage == Some(Sabotage::AckBeforePublish);
        let broker: Arc<dyn Broker> = Arc::new(broker.acking_first(acks_first));
        let broker = Sabotage::broker(self.setting.sabotage, broker);
        let store: Arc<dyn Store> = Arc::new(self.store.of(process, &clock));
        let store = Sabotage::store(self.setting.sabotage, store);
        let http: Arc<dyn Http> = Arc::new(SimHttp::new(self.net.clone(), process.clone()));
        let http = Sabotage::http(self.setting.sabotage, http);
        let service_now = interlock_servicenow::connections(&self.config, &http, &clock, &store)?;
        let platforms = interlock_platforms::platforms(&self.config, &http, &clock, Some(&store))?;
        let policies = Policies::new(self.config.policies.clone(), SERVICE_NOW.to_owned());
        let context = Context {
            broker,
            store,
            clock,
            http,
            health: Health::new(),
            concurrency: u16::try_from(self.config.worker.concurrency).unwrap_or(u16::MAX),
            drain: self.config.timing.drain,
        };
        let settle = self.config.timing.settle;
        let worker = if PROCESSES[number].starts_with("change") {
            let context = context.clone();
            change_worker::worker(change_worker::Desk { context, service_now, platforms, policies, settle })
        } else {
            let (context, poll) = (context.clone(), self.config.timing.poll);
            let sweep = self.config.timing.sweep;
            let desk =
                approval_worker::Desk { context, service_now, platforms, policies, settle, poll, sweep };
            approval_worker::worker(desk)
        };
        Ok((worker, context))
    }

    /// The key that our product gives a deployment of GitHub's.
    #[must_use]
    pub fn key(repository: u64, environment: &str, deployment: u64) -> KeyHash {
        let key = DeploymentKey {
            tenant: "default".into(),
            connection: GITHUB.into(),
            project: repository.to_string(),
            environment: environment.into(),
            occurrence: deployment.to_string(),
        };
        key.hash()
    }
}

fn door(
    config: &Config,
    (broker, store): (&Arc<BrokerCore>, &Arc<StoreCore>),
    began: Instant,
    tale: &Arc<Tale>,
    sabotage: Option<Sabotage>,
) -> anyhow::Result<Arc<Door>> {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(began, Dice::new(1)));
    let process = Process::new("ingress", 0, None, tale.clone());
    let store: Arc<dyn Store> = Arc::new(store.of(&process, &clock));
    let broker: Arc<dyn Broker> = Arc::new(SimBroker::new(broker.clone(), process.clone(), clock.clone()));
    let nowhere: Arc<dyn Http> = Arc::new(SimHttp::new(Net::new(BTreeMap::new(), Dice::new(1)), process));
    let mut sources: BTreeMap<String, Arc<dyn WebhookSource>> =
        interlock_servicenow::webhook_sources(config)?;
    for (name, platform) in interlock_platforms::platforms(config, &nowhere, &clock, None)? {
        sources.insert(name, platform);
    }
    let limits =
        Limits { body_bytes: config.ingress.body_limit_bytes, in_flight: config.ingress.in_flight_max };
    let broker = Sabotage::broker_of_ingress(sabotage, broker);
    let store = Sabotage::store(sabotage, store);
    let health = Health::new();
    let ingress =
        Ingress::new(Parts { sources, broker, spool: None, store, clock: clock.clone(), limits, health });
    Ok(Arc::new(Door::new(ingress, clock)))
}

fn system_time(began: Instant) -> SystemTime {
    SystemTime::from_fn(move || wall(began.elapsed()))
}

fn github(seed: u64, began: Instant, secrets: &Secrets, dice: &Dice) -> GitHub {
    let mut options = github::Options::new(secrets.public_pem.clone());
    options.clock = system_time(began);
    options.api_base = "http://github.sim".into();
    options.seed = seed;
    options.knobs.queue_delay_ms = *dice.one_of(&[0, 500, 15_000]);
    let url = format!("http://interlock.sim/webhooks/{GITHUB}");
    options.webhook = Some(github::WebhookTarget { url, secret: Some(SECRET.into()) });
    GitHub::new(options)
}

fn service_now(seed: u64, began: Instant) -> ServiceNow {
    let url = format!("http://interlock.sim/webhooks/{SERVICE_NOW}");
    ServiceNow::new(servicenow::Options {
        clock: system_time(began),
        webhook: Some(servicenow::WebhookTarget::new(&url, SECRET)),
        seed: format!("servicenow {seed}"),
        knobs: servicenow::Knobs {
            // Of the instances to which we send an id some give one of their own.
            honour_chosen_sys_id: !seed.is_multiple_of(9),
            duplicate_sys_id_status: [400, 403, 500][(seed / 3 % 3) as usize],
            ..servicenow::Knobs::default()
        },
        ..servicenow::Options::default()
    })
}

/// In a third of all worlds changes are created with a `sys_id` of our choice.
fn chooses_ids(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

/// Secrets stand in files, as in production; the App's key is made once a process, since that takes long.
struct Secrets {
    folder: PathBuf,
    public_pem: String,
    _keep: tempfile::TempDir,
}

impl Secrets {
    fn get() -> anyhow::Result<&'static Self> {
        static SECRETS: OnceLock<Result<Secrets, String>> = OnceLock::new();
        let made = SECRETS.get_or_init(|| Self::make().map_err(|fault| format!("{fault:#}")));
        made.as_ref().map_err(|fault| anyhow::anyhow!("no secrets: {fault}"))
    }

    fn make() -> anyhow::Result<Self> {
        let keep = tempfile::tempdir().context("no folder for secrets")?;
        let key = AppKey::generate()?;
        std::fs::write(keep.path().join("app-key"), &key.private_pem)?;
        std::fs::write(keep.path().join("client-secret"), "interlock-client-secret")?;
        std::fs::write(keep.path().join("webhook"), SECRET)?;
        Ok(Self { folder: keep.path().to_owned(), public_pem: key.public_pem, _keep: keep })
    }
}

fn configuration(seed: u64, secrets: &Secrets, setting: Setting) -> String {
    let folder = secrets.folder.display();
    let minutes = TIMEOUT.as_secs() / 60;
    let settle = if setting.sabotage == Some(Sabotage::NoSettle) { 1 } else { SETTLE.as_secs() };
    let create = if chooses_ids(seed) { "chosen_id" } else { "look_up" };
    format!(
        "timing: {{ settle_seconds: {settle} }}
connections:
  {GITHUB}:
    kind: github
    base_url: http://github.sim
    app_id: 771203
    private_key: ${{file:{folder}/app-key}}
    webhook_secrets: [\"${{file:{folder}/webhook}}\"]
  {SERVICE_NOW}:
    kind: servicenow
    base_url: http://servicenow.sim
    auth:
      oauth: {{ client_id: interlock-client, client_secret: \"${{file:{folder}/client-secret}}\" }}
    webhook: {{ secrets: [\"${{file:{folder}/webhook}}\"] }}
    create: {create}
policies:
  - name: default
    change: {{ assignment_group: Change Management }}
    approval: {{ timeout_minutes: {minutes} }}
"
    )
}
