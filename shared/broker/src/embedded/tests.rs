use std::sync::atomic::AtomicI64;
use std::time::Duration;

use cloudevents::AttributesReader as _;
use interlock_events::{DeploymentRequested, EventData, FaultRaised, GateReleased};
use interlock_runtime::ports::broker::{Delivered, Receipt, Settlement, Then, Tier};
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

#[tokio::test(start_paused = true)]
async fn an_event_reaches_who_subscribed_and_the_log() {
    let bench = bench();
    let released = event(GateReleased::TYPE, "1");
    bench.broker.publish(&[released, event(FaultRaised::TYPE, "2")], false).await.unwrap();
    let delivery = next(&mut bench.inbox(CHANGE).await).await;
    assert_eq!(id(&delivery), "1");
    assert!(delivery.direct && !delivery.redelivered && !delivery.travel.again);
    assert_eq!((delivery.returned, delivery.travel.attempt, delivery.travel.tick), (0, 1, 0));
    assert!(nothing_comes(&mut bench.inbox(APPROVAL).await).await);
    let log = bench.broker.log(DateTime::UNIX_EPOCH, &[], 10).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.event.id()).collect::<Vec<_>>(), ["1", "2"]);
    let log = bench.broker.log(DateTime::UNIX_EPOCH, &[FaultRaised::TYPE], 10).await.unwrap();
    assert_eq!(log.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_publication_is_marked_and_not_direct() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], true).await.unwrap();
    let delivery = next(&mut bench.inbox(CHANGE).await).await;
    assert!(!delivery.direct && delivery.travel.again);
}

#[tokio::test(start_paused = true)]
async fn what_was_in_hand_when_the_process_died_comes_again_and_is_counted() {
    let first = bench();
    first.broker.publish(&[requested("1"), requested("2")], false).await.unwrap();
    let mut inbox = first.inbox(CHANGE).await;
    let delivery = next(&mut inbox).await;
    inbox.settler().settle(&delivery.receipt, &done()).await.unwrap();
    next(&mut inbox).await;

    let second = first.after_a_crash();
    let mut inbox = second.inbox(CHANGE).await;
    let delivery = next(&mut inbox).await;
    assert_eq!((id(&delivery).as_str(), delivery.redelivered, delivery.returned), ("2", true, 1));
    let third = second.after_a_crash();
    assert_eq!(next(&mut third.inbox(CHANGE).await).await.returned, 2);
    assert_eq!(third.ready(APPROVAL).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_abandoned_loses_nothing() {
    let bench = bench();
    let mut inbox = bench.inbox(CHANGE).await;
    for round in 0..20 {
        bench.broker.publish(&[requested(&round.to_string())], false).await.unwrap();
        // Polled once, so that the claim is under way, and dropped.
        let _ = timeout(Duration::ZERO, inbox.next()).await.map(|delivery| {
            panic!("{delivery:?} came without waiting");
        });
        let delivery = next(&mut inbox).await;
        assert_eq!((id(&delivery), delivery.redelivered), (round.to_string(), false));
        inbox.settler().settle(&delivery.receipt, &done()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_gives_back_what_was_not_handed_out_as_if_it_had_not_been_claimed() {
    let bench = bench();
    bench.broker.publish(&[requested("1"), requested("2"), requested("3")], false).await.unwrap();
    let mut stopping = bench.inbox(CHANGE).await;
    let first = next(&mut stopping).await;
    let settler = stopping.settler();
    stopping.stop().await;
    assert!(stopping.next().await.is_none());
    let mut other = bench.inbox(CHANGE).await;
    for expected in ["2", "3"] {
        let delivery = next(&mut other).await;
        assert_eq!((id(&delivery).as_str(), delivery.redelivered), (expected, false));
    }
    drop(stopping);
    settler.put_back(&first.receipt).await;
    let delivery = next(&mut other).await;
    assert_eq!((id(&delivery).as_str(), delivery.redelivered, delivery.returned), ("1", true, 0));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_gone_returns_what_it_had_in_hand() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut gone = bench.inbox(CHANGE).await;
    let held = next(&mut gone).await;
    let mut other = bench.inbox(CHANGE).await;
    assert!(nothing_comes(&mut other).await);
    drop(gone);
    let delivery = next(&mut other).await;
    assert_eq!((delivery.redelivered, delivery.returned), (true, 1));
    let void = other.settler().settle(&held.receipt, &done()).await.unwrap_err();
    assert!(matches!(void, PublishError::Gone(_)), "{void}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_comes_again_at_its_time_with_its_state_also_to_another_process() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut inbox = bench.inbox(APPROVAL).await;
    let delivery = next(&mut inbox).await;
    let mut travel = Travel::first(delivery.travel.first_at, "tag".into());
    travel.tick = 7;
    travel.state = Some(json!({"seen": -3}));
    inbox.settler().settle(&delivery.receipt, &again(Tier::TenMinutes, travel.clone())).await.unwrap();

    let successor = bench.after_a_crash();
    for (inbox, left) in [(&mut inbox, 600_000), (&mut successor.inbox(APPROVAL).await, 0)] {
        let asked = Instant::now();
        let delivery = next(inbox).await;
        let waited = asked.elapsed().as_millis();
        assert!((left..left + 20).contains(&waited), "waited {waited} ms instead of {left}");
        assert_eq!(delivery.travel, travel);
        assert!(delivery.receipt.watch && !delivery.direct && !delivery.redelivered);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_set_back_holds_nothing_up() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut inbox = bench.inbox(APPROVAL).await;
    let delivery = next(&mut inbox).await;
    inbox
        .settler()
        .settle(&delivery.receipt, &again(Tier::OneSecond, delivery.travel.clone()))
        .await
        .unwrap();
    bench.clock.set_by_ms.store(-86_400_000, Ordering::SeqCst);
    let asked = Instant::now();
    next(&mut inbox).await;
    assert!(asked.elapsed() <= Duration::from_secs(61), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_more_is_in_hand_than_the_prefetch_allows_and_watches_come_first() {
    let bench = bench();
    let events: Vec<_> = (0..6).map(|number| requested(&number.to_string())).collect();
    bench.broker.publish(&events, false).await.unwrap();
    bench.broker.take_up(CHANGE, &[requested("taken up")]).await.unwrap();
    let mut inbox = bench.broker.consume(CHANGE, Prefetch { intake: 2, watch: 1 }).await.unwrap();
    let first = next(&mut inbox).await;
    assert_eq!(id(&first), "taken up");
    assert!(first.receipt.watch && first.travel.again);
    let second = next(&mut inbox).await;
    next(&mut inbox).await;
    assert!(nothing_comes(&mut inbox).await);
    inbox.settler().settle(&second.receipt, &done()).await.unwrap();
    assert_eq!(id(&next(&mut inbox).await), "2");
    assert!(nothing_comes(&mut inbox).await);
    assert_eq!(bench.ready(APPROVAL).await, 6);
}

#[tokio::test(start_paused = true)]
async fn what_follows_and_the_ack_are_one_transaction() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut inbox = bench.inbox(APPROVAL).await;
    let delivery = next(&mut inbox).await;
    let mut large = event(GateReleased::TYPE, "large");
    large.set_data("application/json", json!("x".repeat(stored::EVENT_BYTES_MAX)));
    let publish = vec![event(GateReleased::TYPE, "small"), large];
    let settlement = Settlement { publish, then: Then::Ack };
    let refused = inbox.settler().settle(&delivery.receipt, &settlement).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused { .. }), "{refused}");
    assert_eq!(bench.ready(CHANGE).await, 1);

    let settlement = Settlement { publish: vec![event(GateReleased::TYPE, "small")], then: Then::Ack };
    inbox.settler().settle(&delivery.receipt, &settlement).await.unwrap();
    let twice = inbox.settler().settle(&delivery.receipt, &settlement).await.unwrap_err();
    assert!(matches!(twice, PublishError::Gone(_)), "{twice}");
    assert_eq!(bench.ready(CHANGE).await, 2);
}

#[test]
fn a_full_intake_refuses_and_takes_nothing_of_the_publication() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = file::open_for_writing(directory.path()).unwrap();
    let mark = Mark { now: DateTime::UNIX_EPOCH, tag: "tag".into(), again: false };
    let mut publish = |events: &[Event]| {
        let transaction = connection.transaction().unwrap();
        publish::publish(&transaction, &mut writer::Rung::new(), events, &mark, 2)?;
        transaction.commit().map_err(Failure::from)
    };
    publish(&[requested("1")]).unwrap();
    let refused = publish(&[requested("2"), requested("3")]).unwrap_err();
    assert_eq!(refused, Failure::refused("interlock.change-worker", "2 messages are ready"));
    publish(&[requested("2")]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_kept_and_comes_again_when_it_is_replayed() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut inbox = bench.inbox(CHANGE).await;
    let delivery = next(&mut inbox).await;
    inbox.settler().settle(&delivery.receipt, &dead()).await.unwrap();
    for _ in 0..2 {
        let letters = bench.broker.dead_letters(CHANGE, 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].attempts, letters[0].reason.as_str()), (1, 3, "no such group"));
    }
    assert!(bench.broker.dead_letters(APPROVAL, 10).await.unwrap().is_empty());
    let letter = bench.broker.dead_letters(CHANGE, 10).await.unwrap().remove(0);
    assert!(!bench.broker.replay_dead_letter(APPROVAL, &letter.id, "n1").await.unwrap());
    assert!(bench.broker.replay_dead_letter(CHANGE, &letter.id, "n1").await.unwrap());
    assert!(!bench.broker.replay_dead_letter(CHANGE, &letter.id, "n2").await.unwrap());
    let delivery = next(&mut inbox).await;
    assert_eq!((id(&delivery).as_str(), delivery.travel.tick, delivery.travel.attempt), ("1", 0, 1));
    assert!(delivery.travel.again && !delivery.direct);
    assert_eq!(delivery.travel.tag, "n1");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_delivered_with_its_bytes_and_dies_with_them() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let spoilt = bench.broker.writer.ask(|connection, _| {
        connection.execute("UPDATE message SET event = x'00ff'", []).map_err(Failure::from)
    });
    spoilt.await.unwrap();
    let mut inbox = bench.inbox(CHANGE).await;
    let delivery = next(&mut inbox).await;
    assert_eq!(delivery.event.unwrap_err().bytes.as_ref(), [0, 255]);
    inbox.settler().settle(&delivery.receipt, &dead()).await.unwrap();
    let letter = bench.broker.dead_letters(CHANGE, 1).await.unwrap().remove(0);
    assert_eq!(letter.event.unwrap_err().bytes.as_ref(), [0, 255]);
}

#[tokio::test(start_paused = true)]
async fn a_second_opening_is_refused_and_names_the_holder() {
    let bench = bench();
    let refused = Embedded::open(bench.directory.path(), bench.clock.clone()).err().unwrap().to_string();
    assert!(refused.contains(&format!("held by process {}", std::process::id())), "{refused}");
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    bench.broker.close().await;
    let successor = Embedded::open(bench.directory.path(), bench.clock.clone()).unwrap();
    assert_eq!(successor.reassert(CHANGE).await.unwrap().ready, 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_broker_hands_nothing_out_and_takes_nothing_in() {
    let bench = bench();
    let mut inbox = bench.inbox(CHANGE).await;
    let (none, ()) = tokio::join!(inbox.next(), bench.broker.close());
    assert!(none.is_none());
    let gone = bench.broker.publish(&[requested("1")], false).await.unwrap_err();
    assert!(matches!(gone, PublishError::Gone(_)), "{gone}");
    assert!(bench.broker.check().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_tool_sees_the_file_while_it_is_held() {
    let bench = bench();
    bench.broker.publish(&[requested("1"), requested("2")], false).await.unwrap();
    let mut inbox = bench.inbox(APPROVAL).await;
    let delivery = next(&mut inbox).await;
    inbox.settler().settle(&delivery.receipt, &again(Tier::OneHour, delivery.travel.clone())).await.unwrap();
    next(&mut inbox).await;
    let inspection = Embedded::inspect(bench.directory.path()).unwrap();
    let waiting = inspection.waiting(APPROVAL, 10).unwrap();
    let seen: Vec<_> = waiting.iter().map(|row| (row.watch, row.in_hand, row.due.is_some())).collect();
    assert_eq!(seen, [(false, true, false), (true, false, true)]);
    assert_eq!(inspection.log(DateTime::UNIX_EPOCH, &[], 10).unwrap().len(), 2);
    assert!(inspection.dead_letters(APPROVAL, 10).unwrap().is_empty());
    assert!(Embedded::inspect(tempfile::tempdir().unwrap().path()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn competing_consumers_get_each_message_once() {
    let bench = bench();
    let (sender, mut handled) = tokio::sync::mpsc::channel::<String>(64);
    for _ in 0..3 {
        let (mut inbox, sender) = (bench.inbox(CHANGE).await, sender.clone());
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = inbox.next().await {
                inbox.settler().settle(&delivery.receipt, &done()).await.unwrap();
                sender.send(id(&delivery)).await.unwrap();
            }
        });
    }
    let publishing: Vec<_> = (0..100)
        .map(|number| {
            let broker = bench.broker.clone();
            tokio::spawn(async move { broker.publish(&[requested(&number.to_string())], false).await })
        })
        .collect();
    for publishing in publishing {
        publishing.await.unwrap().unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let id = timeout(Duration::from_secs(30), handled.recv()).await.unwrap().unwrap();
        assert!(seen.insert(id), "a message came twice");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_worker_is_named() {
    let bench = bench();
    assert!(matches!(bench.broker.consume("nobody", FOUR).await, Err(BrokerError::Missing(_))));
    let receipt = Receipt { session: 9, number: 9, watch: false };
    bench.inbox(CHANGE).await.settler().put_back(&receipt).await;
}
