//! Ten thousand events of one project, and a few of another. A binary of its own, so that nothing else runs beside it.

#![allow(clippy::unwrap_used)]

#[path = "../it/faults/staff.rs"]
mod staff;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interlock_broker::embedded::Embedded;
use interlock_events::{Event, RecordChanged};
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::SystemClock;
use interlock_runtime::ports::store::Store;
use interlock_runtime::worker::{Delivery, Handled};
use interlock_tests::broker_conformance::hint;
use interlock_tests::servers::{PrivateRedis, shared_broker};
use interlock_tests::world::until;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use self::staff::{connect, dead, employ, store};

const FLOOD: usize = 10_000;
/// The embedded broker refuses more than ten thousand in all.
const EMBEDDED_FLOOD: usize = 9_500;
const PAGE: usize = 500;
const GATE: &str = "gate";
const OTHER: &str = "other";
/// What a reaction takes: a few calls of ServiceNow.
const REACTION: Duration = Duration::from_millis(50);
/// Of the worker's sixteen slots.
const QUARTER: usize = 4;
/// So long reactions to the flood take their time; then they are in haste, so that the test ends.
const SLOW_FOR: Duration = Duration::from_secs(12);
/// How often the other project deploys, from the flood on until all of it is done.
const OTHERS_EVERY: Duration = Duration::from_secs(2);
const PROMPT: Duration = Duration::from_secs(5);
/// What came back from a tier may stand before a tick; a deadline has a minute.
const ON_TIME: Duration = Duration::from_secs(15);
/// Whoever was put off has come back by then, and had its turn.
const ALL_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_of_one_project_do_not_delay_another_on_rabbitmq() {
    let url = shared_broker().amqp_url;
    let redis = tokio::task::spawn_blocking(PrivateRedis::start).await.expect("it starts");
    let broker = connect(&url).await;
    one_floods_and_another_does_not_notice(FLOOD, broker.clone(), store(&redis)).await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nearly_ten_thousand_events_of_one_project_do_not_delay_another_in_the_embedded_broker() {
    let directory = tempfile::tempdir().expect("a directory");
    let redis = tokio::task::spawn_blocking(PrivateRedis::start).await.expect("it starts");
    let broker = Embedded::open(directory.path(), Arc::new(SystemClock)).expect("nobody else holds it");
    one_floods_and_another_does_not_notice(EMBEDDED_FLOOD, broker.clone(), store(&redis)).await;
    broker.close().await;
}

/// What the reactions saw.
#[derive(Default)]
struct Seen {
    flood: Mutex<BTreeSet<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    busy_ms: AtomicU64,
    others: Mutex<BTreeMap<String, Instant>>,
    ticks: Mutex<Vec<Instant>>,
    in_haste: AtomicBool,
}

impl Seen {
    async fn react(&self, delivery: Delivery<RecordChanged>) -> Handled {
        let name = delivery.data.sys_id;
        if name == GATE {
            self.ticks.lock().unwrap().push(Instant::now());
            let state = serde_json::json!("open");
            return Handled::Watch { after: Duration::from_secs(1), state, events: vec![] };
        }
        if name.starts_with(OTHER) {
            self.others.lock().unwrap().entry(name).or_insert_with(Instant::now);
            return Handled::Done(vec![]);
        }
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        let began = Instant::now();
        if !self.in_haste.load(Ordering::Relaxed) {
            tokio::time::sleep(REACTION).await;
        }
        let took = u64::try_from(began.elapsed().as_millis()).expect("it is short");
        self.busy_ms.fetch_add(took, Ordering::Relaxed);
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        self.flood.lock().unwrap().insert(name);
        Handled::Done(vec![])
    }

    fn done(&self) -> usize {
        self.flood.lock().unwrap().len()
    }

    fn others(&self) -> BTreeMap<String, Instant> {
        self.others.lock().unwrap().clone()
    }
}

/// One flood at a time: each takes all of a small machine.
static ALONE: AsyncMutex<()> = AsyncMutex::const_new(());

async fn one_floods_and_another_does_not_notice(
    count: usize,
    broker: Arc<dyn Broker>,
    store: Arc<dyn Store>,
) {
    let _alone = ALONE.lock().await;
    let (seen, began) = (Arc::<Seen>::default(), Instant::now());
    let sees = seen.clone();
    let worker = employ(broker.clone(), store, move |delivery| {
        let sees = sees.clone();
        async move { sees.react(delivery).await }
    });
    broker.publish(&[of("quiet", GATE)], false).await.expect("published");
    let flood: Vec<Event> = (0..count).map(|number| of("noisy", &format!("noise {number}"))).collect();
    for page in flood.chunks(PAGE) {
        broker.publish(page, false).await.expect("published");
    }
    let (stands, mut sent) = (Instant::now(), BTreeMap::new());
    let busy_before = seen.busy_ms.load(Ordering::Relaxed);
    let mut next = tokio::time::interval(OTHERS_EVERY);
    while seen.done() < count {
        assert!(began.elapsed() < ALL_WITHIN, "{} of {count} had their turn", seen.done());
        next.tick().await;
        let name = format!("{OTHER} {}", sent.len());
        sent.insert(name.clone(), Instant::now());
        broker.publish(&[of("quiet", &name)], false).await.expect("published");
        if stands.elapsed() >= SLOW_FOR && !seen.in_haste.swap(true, Ordering::Relaxed) {
            let busy = Duration::from_millis(seen.busy_ms.load(Ordering::Relaxed) - busy_before);
            its_share_is_in_use(busy.div_duration_f64(stands.elapsed()));
        }
    }
    let all = async || (seen.others().len() == sent.len()).then_some(());
    until("the other project is served", PROMPT, all).await;
    worker.abort();
    for (name, at) in seen.others() {
        let waited = at - sent[&name];
        assert!(waited < PROMPT, "{name} waited {waited:?}");
    }
    let ticks = seen.ticks.lock().unwrap().clone();
    let longest = ticks.windows(2).map(|pair| pair[1] - pair[0]).max().expect("ticks");
    assert!(longest < ON_TIME, "a tick of 1 s came after {longest:?}");
    assert_eq!(seen.most_at_once.load(Ordering::Relaxed), QUARTER);
    assert_eq!(dead(&*broker).await, [""; 0]);
}

/// What was put off comes back soon enough: of the four slots that a project may hold few stand idle.
fn its_share_is_in_use(slots: f64) {
    assert!(slots > QUARTER as f64 * 0.7, "the flood held {slots:.1} slots on average");
}

fn of(project: &str, name: &str) -> Event {
    let mut event = hint(name);
    event.set_extension("partitionkey", format!("github:{project}"));
    event
}
