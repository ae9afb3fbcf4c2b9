//! A worker of the tests' own on the queues of approval-worker, in this process: what it does with a hint is a closure.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use interlock_broker::rabbitmq::{Options, RabbitMq};
use interlock_events::{Event, RecordChanged};
use interlock_runtime::health::Health;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_runtime::ports::store::Store;
use interlock_runtime::signals::Shutdown;
use interlock_runtime::worker::{Context, Delivery, Handled, Subscriber, Worker};
use interlock_store::RedisStore;
use interlock_tests::servers::PrivateRedis;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub const APPROVAL: &str = "approval-worker";

type Reaction =
    Box<dyn Fn(Delivery<RecordChanged>) -> Pin<Box<dyn Future<Output = Handled> + Send>> + Send + Sync>;

struct Reacts(Reaction);

#[async_trait]
impl Subscriber for Reacts {
    type Data = RecordChanged;

    async fn handle(&self, delivery: Delivery<RecordChanged>) -> Handled {
        (self.0)(delivery).await
    }
}

struct Nobody;

#[async_trait]
impl Http for Nobody {
    async fn send(&self, _: http::Request<Bytes>, _: Instant) -> Result<http::Response<Bytes>, HttpError> {
        Err(HttpError::NotSent { host: "nobody".into(), reason: "nothing is called here".into() })
    }
}

pub async fn connect(url: &str) -> Arc<RabbitMq> {
    let options = Options { confirm_timeout: Duration::from_secs(10), ..Options::default() };
    RabbitMq::connect(url, Arc::new(SystemClock), options).await.expect("connected")
}

pub fn store(redis: &PrivateRedis) -> Arc<dyn Store> {
    RedisStore::open(&redis.redis_url(), "interlock:", Arc::new(SystemClock))
        .expect("the URL is one of Redis")
}

/// A worker at work. Aborting the task is its death.
pub fn employ<F>(
    broker: Arc<dyn Broker>,
    store: Arc<dyn Store>,
    reaction: impl Fn(Delivery<RecordChanged>) -> F + Send + Sync + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = Handled> + Send + 'static,
{
    let context = Context {
        broker,
        store,
        clock: Arc::new(SystemClock),
        http: Arc::new(Nobody),
        health: Health::new(),
        concurrency: 16,
        drain: Duration::from_secs(1),
    };
    let reacts = Reacts(Box::new(move |delivery| Box::pin(reaction(delivery))));
    tokio::spawn(Worker::new(APPROVAL).subscribe(reacts).run(context, Shutdown::new()))
}

/// Dead letters by the names of their hints.
pub async fn dead(broker: &dyn Broker) -> Vec<String> {
    let letters = broker.dead_letters(APPROVAL, 1000).await.expect("read");
    let name = |event: &Event| interlock_events::data_of::<RecordChanged>(event).expect("a hint").sys_id;
    letters.iter().map(|letter| name(letter.event.as_ref().expect("an event"))).collect()
}
