//! A whole world for one story: simulated GitHub and ServiceNow, a broker and a Redis of its own, and Interlock's
//! roles as processes that can be killed, stopped, frozen and started again.

mod deployment;
mod judge;
mod outside;
mod process;
mod settings;
mod told;
mod waiting;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use interlock_broker::rabbitmq::RabbitMq;
use interlock_simulators::github::{self, AppKey, GitHub};
use interlock_simulators::servicenow::{self, ServiceNow};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::servers::process::free_port;
use crate::servers::{PrivateBroker, PrivateRedis, shared_broker, test_directory};
use process::Process;

pub use deployment::Deployment;
pub use outside::Posted;
pub use process::{Role, binary};
pub use settings::Setup;
pub use waiting::{SOON, until};

/// Key of GitHub's webhooks.
const GITHUB_SECRET: &str = "github-webhook-secret-of-the-story";
/// Key of ServiceNow's webhooks.
const SERVICE_NOW_SECRET: &str = "servicenow-webhook-secret-of-the-story";

/// Everything that one story needs; it ends with this value.
pub struct World {
    /// The simulated GitHub.
    pub github: GitHub,
    /// The simulated ServiceNow.
    pub service_now: ServiceNow,
    /// The Redis of this world alone.
    pub redis: PrivateRedis,
    private_broker: Option<PrivateBroker>,
    amqp_url: String,
    routes: BTreeMap<Role, String>,
    github_url: String,
    began: DateTime<Utc>,
    ports: BTreeMap<&'static str, u16>,
    folder: PathBuf,
    roles: BTreeMap<Role, Process>,
    cast: &'static [Role],
    broker: OnceCell<std::sync::Arc<RabbitMq>>,
    client: reqwest::Client,
    served: Vec<JoinHandle<()>>,
}

impl World {
    /// Each role in its own process, all of them ready.
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    async fn of(setup: &Setup) -> Self {
        let private_broker = setup.private_broker.then(PrivateBroker::start);
        let amqp_url = match &private_broker {
            Some(broker) => broker.amqp_url(),
            None => shared_broker().amqp_url,
        };
        let service_now = ServiceNow::new(servicenow::Options::default());
        let github = GitHub::new(github::Options::new(app_key().public_pem.clone()));
        let (at_service_now, first) = {
            let simulator = service_now.clone();
            served(async move { simulator.serve(any_port()).await }).await
        };
        let (at_github, second) = {
            let simulator = github.clone();
            served(async move { simulator.serve(any_port()).await }).await
        };
        let github_url = format!("http://{at_github}");
        github.set_api_base(&github_url);
        let ports: BTreeMap<_, _> =
            ["ingress", "ingress admin", "change-worker admin", "approval-worker admin", "run admin"]
                .map(|name| (name, free_port()))
                .into();
        let folder = test_directory().join(format!("world-{}", ports["ingress"]));
        std::fs::create_dir_all(&folder).expect("the test directory is writable");
        let world = Self {
            github,
            service_now,
            redis: PrivateRedis::start(),
            private_broker,
            amqp_url,
            routes: BTreeMap::new(),
            github_url,
            began: Utc::now(),
            ports,
            folder,
            roles: BTreeMap::new(),
            cast: setup.cast(),
            broker: OnceCell::new(),
            client: outside::client(),
            served: vec![first, second],
        };
        world.write_settings(setup, &format!("http://{at_service_now}"));
        world.aim_webhooks();
        world
    }

    /// Where webhooks of a connection go.
    fn webhook_url(&self, connection: &str) -> String {
        format!("http://127.0.0.1:{}/webhooks/{connection}", self.ports["ingress"])
    }

    fn aim_webhooks(&self) {
        let secret = Some(GITHUB_SECRET.to_owned());
        self.github.set_webhook(Some(github::WebhookTarget { url: self.webhook_url("github"), secret }));
        self.repeat_service_now_webhooks(0);
    }

    /// Each of ServiceNow's webhooks comes so often more.
    pub fn repeat_service_now_webhooks(&self, copies: u32) {
        let target = servicenow::WebhookTarget::new(&self.webhook_url("servicenow"), SERVICE_NOW_SECRET);
        self.service_now.set_webhook(Some(servicenow::WebhookTarget { duplicates: copies, ..target }));
    }

    /// The broker of this world alone.
    ///
    /// # Panics
    /// If the story did not ask for one.
    pub fn private_broker(&mut self) -> &mut PrivateBroker {
        self.private_broker.as_mut().expect("the story asks for a private broker")
    }

    /// Where the broker is, vhost included.
    pub fn amqp_url(&self) -> &str {
        &self.amqp_url
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.served.iter().for_each(JoinHandle::abort);
        self.roles.clear();
        if std::thread::panicking() {
            self.print_logs();
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The simulators live on threads of their own: a test may block, as when it restarts a broker.
fn simulators() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("threads can be started")
    })
}

async fn served(
    serving: impl Future<Output = std::io::Result<(SocketAddr, JoinHandle<()>)>> + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let served = simulators().spawn(serving).await.expect("serving does not panic");
    served.expect("loopback has a free port")
}

/// One pair for all worlds of a process: making one takes a while.
fn app_key() -> &'static AppKey {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    KEY.get_or_init(|| AppKey::generate().expect("a key can be made"))
}
