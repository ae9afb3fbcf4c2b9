//! What was told: the events of the log.

use std::sync::Arc;

use interlock_broker::rabbitmq::{Options, RabbitMq};
use interlock_events::{AttributesReader, Event};
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::SystemClock;
use serde_json::Value;

use super::{Deployment, SOON, World, until};

const EVENTS_MAX: usize = 100_000;

impl World {
    /// Every event so far; none while the broker is away.
    pub async fn events(&self) -> Vec<Event> {
        let broker = self.broker.get_or_init(async || connect(&self.amqp_url).await).await;
        let entries = broker.log(self.began, &[], EVENTS_MAX).await.unwrap_or_default();
        entries.into_iter().map(|entry| entry.event).collect()
    }

    /// The events of one deployment.
    pub async fn events_of(&self, deployment: &Deployment) -> Vec<Event> {
        let mut events = self.events().await;
        events.retain(|event| event.subject() == Some(deployment.key.as_str()));
        events
    }

    /// What the workers' dead letters are for.
    pub async fn dead_letters(&self) -> Vec<String> {
        let broker = self.broker.get_or_init(async || connect(&self.amqp_url).await).await;
        let mut reasons = Vec::new();
        for worker in ["change-worker", "evidence", "approval-worker"] {
            let letters = broker.dead_letters(worker, 1_000).await.expect("the queue is there");
            reasons.extend(letters.into_iter().map(|letter| letter.reason));
        }
        reasons
    }

    /// Waits until an event of this type (`gate.released`) stands in the log; its data.
    pub async fn until_told(&self, deployment: &Deployment, what: &str) -> Value {
        let ty = format!("io.interlock.{what}.v1");
        until(&format!("{what} of deployment {} is told", deployment.id), SOON, async || {
            let events = self.events_of(deployment).await;
            events.iter().find(|event| event.ty() == ty).map(data)
        })
        .await
    }

    /// The data of all events of this type so far.
    pub async fn all_told(&self, deployment: &Deployment, what: &str) -> Vec<Value> {
        let ty = format!("io.interlock.{what}.v1");
        let events = self.events_of(deployment).await;
        events.iter().filter(|event| event.ty() == ty).map(data).collect()
    }
}

fn data(event: &Event) -> Value {
    serde_json::to_value(event).map(|mut whole| whole["data"].take()).unwrap_or(Value::Null)
}

async fn connect(url: &str) -> Arc<RabbitMq> {
    let options = Options { declare: false, name: "story".into(), ..Options::default() };
    RabbitMq::connect(url, Arc::new(SystemClock), options).await.expect("the broker's address is well-formed")
}
