//! What kills its worker, and its neighbours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interlock_runtime::ports::broker::Broker;
use interlock_runtime::worker::Handled;
use interlock_tests::broker_conformance::hint;
use interlock_tests::servers::{PrivateRedis, shared_broker};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::staff::{connect, dead, employ, store};

const INNOCENTS: usize = 6;
/// How long an innocent delivery is in hand: the worker dies with it again and again.
const SLOW: Duration = Duration::from_millis(150);
/// Longer than the poison stays away while it lives.
const QUIET: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_that_kills_its_worker_again_and_again_takes_no_neighbour_with_it() {
    let url = shared_broker().amqp_url;
    let redis = tokio::task::spawn_blocking(PrivateRedis::start).await.expect("it starts");
    let broker = connect(&url).await;
    let names: Vec<String> = (0..INNOCENTS).map(|number| format!("innocent {number}")).collect();
    let innocents = names.iter().map(|name| hint(name));
    let all: Vec<_> = std::iter::once(hint("poison")).chain(innocents).collect();
    broker.publish(&all, false).await.expect("published");
    broker.close().await;

    let (done, mut deaths) = (Arc::new(Mutex::new(BTreeSet::new())), 0);
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        assert!(Instant::now() < deadline, "after {deaths} deaths {:?} are done", done.lock().unwrap());
        let broker = connect(&url).await;
        let killed = Arc::new(Notify::new());
        let (kills, does) = (killed.clone(), done.clone());
        let worker = employ(broker.clone(), store(&redis), move |delivery| {
            let (kills, does) = (kills.clone(), does.clone());
            async move {
                if delivery.data.sys_id == "poison" {
                    kills.notify_one();
                    return std::future::pending().await;
                }
                tokio::time::sleep(SLOW).await;
                does.lock().unwrap().insert(delivery.data.sys_id);
                Handled::Done(vec![])
            }
        });
        let died = tokio::time::timeout(QUIET, killed.notified()).await.is_ok();
        worker.abort();
        deaths += usize::from(died);
        let dead = if died { vec![] } else { dead(&*broker).await };
        broker.close().await;
        assert!(dead.iter().all(|name| name == "poison"), "a neighbour died with it: {dead:?}");
        if dead == ["poison"] && done.lock().unwrap().len() == INNOCENTS {
            break;
        }
    }
    assert!(deaths >= 20, "it killed {deaths} times only");
}
