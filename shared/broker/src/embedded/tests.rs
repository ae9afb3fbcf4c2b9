mod handing_out;
mod keeping;

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use cloudevents::AttributesReader as _;
use interlock_events::{ChangeClosed, DeploymentRequested, EventData, FaultRaised, GateReleased};
use interlock_runtime::ports::broker::{Delivered, Receipt, Settlement, Then, Tier, Travel};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::*;

const CHANGE: &str = "change-worker";
const APPROVAL: &str = "approval-worker";
const FOUR: Prefetch = Prefetch { intake: 4, watch: 4 };
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that goes with tokio's time, and may be set.
struct Wall {
    began: Instant,
    set_by_ms: AtomicI64,
    drawn: AtomicU64,
}

impl Clock for Wall {
    fn now(&self) -> DateTime<Utc> {
        let set_by = chrono::TimeDelta::milliseconds(self.set_by_ms.load(Ordering::SeqCst));
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + self.began.elapsed() + set_by
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::SeqCst)
    }
}

struct Bench {
    directory: TempDir,
    clock: Arc<Wall>,
    broker: Arc<Embedded>,
}

fn bench() -> Bench {
    let clock =
        Arc::new(Wall { began: Instant::now(), set_by_ms: AtomicI64::new(0), drawn: AtomicU64::new(0) });
    let directory = tempfile::tempdir().unwrap();
    let broker = Embedded::open(directory.path(), clock.clone()).unwrap();
    Bench { directory, clock, broker }
}

impl Bench {
    /// What a process that was killed now would leave behind, opened by its successor.
    fn after_a_crash(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in ["broker.sqlite3", "broker.sqlite3-wal"] {
            std::fs::copy(self.directory.path().join(file), directory.path().join(file)).unwrap();
        }
        let broker = Embedded::open(directory.path(), self.clock.clone()).unwrap();
        Self { directory, clock: self.clock.clone(), broker }
    }

    async fn inbox(&self, worker: &'static str) -> Box<dyn Inbox> {
        self.broker.consume(worker, FOUR).await.unwrap()
    }

    async fn ready(&self, worker: &'static str) -> u64 {
        self.broker.reassert(worker).await.unwrap().ready
    }
}

fn event(ty: &str, id: &str) -> Event {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": ty,
        "subject": "key", "datacontenttype": "application/json", "data": {"id": id},
    });
    serde_json::from_value(event).unwrap()
}

fn requested(id: &str) -> Event {
    event(DeploymentRequested::TYPE, id)
}

fn id(delivery: &Delivered) -> String {
    delivery.event.as_ref().unwrap().id().to_owned()
}

async fn next(inbox: &mut Box<dyn Inbox>) -> Delivered {
    timeout(2 * AN_HOUR, inbox.next()).await.expect("a delivery comes").unwrap().unwrap()
}

/// Nothing comes for a while, in the time that tokio keeps.
async fn nothing_comes(inbox: &mut Box<dyn Inbox>) -> bool {
    timeout(Duration::from_millis(500), inbox.next()).await.is_err()
}

fn done() -> Settlement {
    Settlement { publish: vec![], then: Then::Ack }
}

fn again(tier: Tier, travel: Travel) -> Settlement {
    Settlement { publish: vec![], then: Then::Again { tier, travel: Box::new(travel) } }
}

fn dead() -> Settlement {
    Settlement { publish: vec![], then: Then::Dead { reason: "no such group".into(), attempts: 3 } }
}
