//! What every broker does alike. Each function takes a fresh broker and fails by panicking.
//!
//! A story file runs all of them against one implementation with [`broker_conformance!`](crate::broker_conformance).

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use interlock_events::{Event, FaultRaised, RecordChanged, event};
use interlock_runtime::ports::broker::{
    Broker, Delivered, Inbox, Prefetch, PublishError, Settlement, Then, Tier, Travel,
};
use serde_json::json;
use tokio::time::{Instant, timeout};

/// A future in a box.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Ends a process's hold on its broker and opens it again.
pub type Crash = Box<dyn Fn(Arc<dyn Broker>) -> Boxed<Arc<dyn Broker>> + Send + Sync>;
/// Puts bytes that are no event into a worker's intake.
pub type Poison = Box<dyn Fn(Arc<dyn Broker>, &'static str, &'static [u8]) -> Boxed<()> + Send + Sync>;

/// A broker under test.
pub struct Subject {
    /// The broker, with its topology in place.
    pub broker: Arc<dyn Broker>,
    /// As a crash does: what is in hand is not settled.
    pub crash: Crash,
    /// Where something foreign can put bytes.
    pub poison: Option<Poison>,
    /// Kept until the end: directories, vhosts.
    pub keep: Box<dyn std::any::Any + Send + Sync>,
}

const APPROVAL: &str = "approval-worker";
const CHANGE: &str = "change-worker";
const PREFETCH: Prefetch = Prefetch { intake: 4, watch: 4 };
/// How long something that must come is waited for.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long nothing must come.
const QUIET: Duration = Duration::from_millis(500);

/// A fact that only approval-worker subscribes to.
fn hint(name: &str) -> Event {
    let fact = RecordChanged {
        connection: "prod".into(),
        table: "change_request".into(),
        sys_id: name.into(),
        mod_count: "1".into(),
        change_sys_id: name.into(),
        key_hash: None,
    };
    event("/tests", Utc::now(), &fact)
}

/// A fact that no worker subscribes to.
fn fault(name: &str) -> Event {
    let fact = FaultRaised {
        worker: APPROVAL.into(),
        event_id: name.into(),
        event_type: "t".into(),
        subject: None,
        reason: name.into(),
        attempts: 1,
    };
    event("/tests", Utc::now(), &fact)
}

async fn inbox(broker: &Arc<dyn Broker>, worker: &'static str) -> Box<dyn Inbox> {
    broker.consume(worker, PREFETCH).await.expect("the queues are there")
}

async fn next(inbox: &mut Box<dyn Inbox>) -> Delivered {
    let came = timeout(DEADLINE, inbox.next()).await.expect("a delivery in time");
    came.expect("the inbox is open").expect("the connection is there")
}

async fn stays_quiet(inbox: &mut Box<dyn Inbox>) {
    if let Ok(came) = timeout(QUIET, inbox.next()).await {
        panic!("nothing should come, but there was {came:?}");
    }
}

fn only(then: Then) -> Settlement {
    Settlement { publish: Vec::new(), then }
}

async fn ack(inbox: &dyn Inbox, delivered: &Delivered) {
    inbox.settler().settle(&delivered.receipt, &only(Then::Ack)).await.expect("settled");
}

async fn dead(inbox: &dyn Inbox, delivered: &Delivered, reason: &str, attempts: u32) {
    let then = Then::Dead { reason: reason.into(), attempts };
    inbox.settler().settle(&delivered.receipt, &only(then)).await.expect("settled");
}

async fn again(inbox: &dyn Inbox, delivered: &Delivered, travel: Travel) {
    let then = Then::Again { tier: Tier::OneSecond, travel: Box::new(travel) };
    inbox.settler().settle(&delivered.receipt, &only(then)).await.expect("settled");
}

/// A fact goes to every worker that wants it, straight, and to no other.
pub async fn a_fact_reaches_its_subscribers_and_nobody_else(subject: Subject) {
    let broker = &subject.broker;
    let (mut wants, mut does_not) = (inbox(broker, APPROVAL).await, inbox(broker, CHANGE).await);
    let sent = hint("a");
    broker.publish(std::slice::from_ref(&sent), false).await.expect("published");
    let delivered = next(&mut wants).await;
    assert_eq!(delivered.event.as_ref().expect("an event"), &sent);
    assert!(delivered.direct && !delivered.redelivered && !delivered.receipt.watch);
    assert_eq!((delivered.returned, delivered.travel.attempt, delivered.travel.tick), (0, 1, 0));
    assert!(!delivered.travel.tag.is_empty());
    ack(&*wants, &delivered).await;
    stays_quiet(&mut does_not).await;
    stays_quiet(&mut wants).await;
}

/// What repeats an earlier publication says so.
pub async fn a_repeated_publication_is_marked(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("a")], true).await.expect("published");
    let delivered = next(&mut inbox).await;
    assert!(delivered.travel.again && !delivered.direct);
}

/// Two replicas of a worker share its queue; nothing is handed out twice.
pub async fn competing_consumers_share_the_work(subject: Subject) {
    let broker = &subject.broker;
    let (mut a, mut b) = (inbox(broker, APPROVAL).await, inbox(broker, APPROVAL).await);
    let sent: Vec<Event> = (0..30).map(|number| hint(&format!("n{number}"))).collect();
    broker.publish(&sent, false).await.expect("published");
    let mut seen = BTreeSet::new();
    while seen.len() < sent.len() {
        let (delivered, settler) = tokio::select! {
            delivered = next(&mut a) => (delivered, a.settler()),
            delivered = next(&mut b) => (delivered, b.settler()),
        };
        settler.settle(&delivered.receipt, &only(Then::Ack)).await.expect("settled");
        let event = delivered.event.as_ref().expect("an event");
        assert!(seen.insert(event.to_string()), "handed out twice");
    }
    stays_quiet(&mut a).await;
    stays_quiet(&mut b).await;
}

/// No more than the prefetch is in hand.
pub async fn the_prefetch_bounds_what_is_in_hand(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    let sent: Vec<Event> = (0..6).map(|number| hint(&format!("n{number}"))).collect();
    subject.broker.publish(&sent, false).await.expect("published");
    let first = next(&mut inbox).await;
    for _ in 1..PREFETCH.intake {
        next(&mut inbox).await;
    }
    stays_quiet(&mut inbox).await;
    ack(&*inbox, &first).await;
    next(&mut inbox).await;
}

/// What a crashed process had in hand comes again, and says that it did.
pub async fn a_crash_brings_back_what_was_in_hand(subject: Subject) {
    let mut before = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("a")], false).await.expect("published");
    let first = next(&mut before).await;
    let settler = before.settler();
    drop(before);
    let broker = (subject.crash)(subject.broker).await;
    let mut after = inbox(&broker, APPROVAL).await;
    let second = next(&mut after).await;
    assert!(second.redelivered);
    assert!(second.returned >= 1, "{}", second.returned);
    assert_eq!(second.travel, first.travel);
    let void = settler.settle(&first.receipt, &only(Then::Ack)).await;
    assert!(matches!(void, Err(PublishError::Gone(_))), "{void:?}");
    ack(&*after, &second).await;
    stays_quiet(&mut after).await;
}

/// A watch comes again after its tier, with everything that travels.
pub async fn a_watch_comes_again_with_state_and_tick(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("a")], false).await.expect("published");
    let first = next(&mut inbox).await;
    let travel = Travel {
        attempt: 2,
        state: Some(json!({ "deadline": "soon", "n": [1, 2] })),
        tick: 7,
        tag: "feed".into(),
        noted: Some(6),
        crashes: 1,
        reason: Some("waits for an approval".into()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        ..first.travel.clone()
    };
    let left = Instant::now();
    again(&*inbox, &first, travel.clone()).await;
    let second = next(&mut inbox).await;
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());
    assert!(left.elapsed() < Duration::from_secs(8), "{:?}", left.elapsed());
    assert!(second.receipt.watch && !second.direct && !second.redelivered);
    assert_eq!(second.travel, travel);
    assert_eq!(second.event.as_ref().expect("an event"), first.event.as_ref().expect("an event"));
    ack(&*inbox, &second).await;
    stays_quiet(&mut inbox).await;
}

/// A watch goes round and round.
pub async fn a_watch_may_go_round_again(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("a")], false).await.expect("published");
    let mut delivered = next(&mut inbox).await;
    for tick in 1..=3 {
        let travel = Travel { tick, ..delivered.travel.clone() };
        again(&*inbox, &delivered, travel).await;
        delivered = next(&mut inbox).await;
        assert_eq!(delivered.travel.tick, tick);
    }
    ack(&*inbox, &delivered).await;
    stays_quiet(&mut inbox).await;
}

/// What follows is published before the delivery is gone.
pub async fn what_follows_is_published(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("cause")], false).await.expect("published");
    let cause = next(&mut inbox).await;
    let settlement = Settlement { publish: vec![hint("effect"), fault("noise")], then: Then::Ack };
    inbox.settler().settle(&cause.receipt, &settlement).await.expect("settled");
    let effect = next(&mut inbox).await;
    assert_eq!(effect.event.expect("an event"), settlement.publish[0]);
    assert!(effect.direct);
}

/// A receipt is good for one settlement.
pub async fn a_delivery_is_settled_once(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    subject.broker.publish(&[hint("a")], false).await.expect("published");
    let delivered = next(&mut inbox).await;
    ack(&*inbox, &delivered).await;
    let twice = inbox.settler().settle(&delivered.receipt, &only(Then::Ack)).await;
    assert!(matches!(twice, Err(PublishError::Gone(_))), "{twice:?}");
}

/// A dead letter keeps its reason, and looking at it does not use it up.
pub async fn a_dead_letter_keeps_its_reason(subject: Subject) {
    let broker = &subject.broker;
    let mut inbox = inbox(broker, APPROVAL).await;
    let sent = [hint("a"), hint("b")];
    broker.publish(&sent, false).await.expect("published");
    for reason in ["no such table", "403 for good"] {
        let delivered = next(&mut inbox).await;
        dead(&*inbox, &delivered, reason, 3).await;
    }
    let letters = broker.dead_letters(APPROVAL, 10).await.expect("read");
    let reasons: Vec<_> = letters.iter().map(|letter| (letter.reason.as_str(), letter.attempts)).collect();
    assert_eq!(reasons, [("no such table", 3), ("403 for good", 3)]);
    assert!(letters.iter().all(|letter| letter.at.is_some()));
    assert_eq!(letters[0].event.as_ref().expect("an event"), &sent[0]);
    let second_look = broker.dead_letters(APPROVAL, 10).await.expect("read");
    let ids = |letters: &[interlock_runtime::ports::broker::DeadLetter]| -> Vec<String> {
        letters.iter().map(|letter| letter.id.clone()).collect()
    };
    assert_eq!(ids(&letters), ids(&second_look));
    assert_eq!(broker.dead_letters(APPROVAL, 1).await.expect("read").len(), 1);
    assert!(broker.dead_letters(CHANGE, 10).await.expect("read").is_empty());
    stays_quiet(&mut inbox).await;
}

/// A replayed dead letter is a fresh delivery, keeps a watch's state, and goes round as any other.
pub async fn a_dead_letter_is_replayed_into_a_watch(subject: Subject) {
    let broker = &subject.broker;
    let mut inbox = inbox(broker, APPROVAL).await;
    broker.publish(&[hint("a")], false).await.expect("published");
    let first = next(&mut inbox).await;
    let state = Some(json!({ "policy": "default" }));
    again(&*inbox, &first, Travel { state: state.clone(), tick: 5, attempt: 4, ..first.travel.clone() })
        .await;
    let watch = next(&mut inbox).await;
    dead(&*inbox, &watch, "broken", 4).await;
    let letters = broker.dead_letters(APPROVAL, 10).await.expect("read");
    assert_eq!(letters.len(), 1);
    assert!(!broker.replay_dead_letter(APPROVAL, "another", "n0").await.expect("looked"));
    assert!(broker.replay_dead_letter(APPROVAL, &letters[0].id, "n1").await.expect("replayed"));
    let replayed = next(&mut inbox).await;
    assert!(replayed.receipt.watch && !replayed.direct && replayed.travel.again);
    assert_eq!((replayed.travel.tick, replayed.travel.attempt), (0, 1));
    assert_eq!(replayed.travel.state, state);
    assert_ne!(replayed.travel.tag, watch.travel.tag);
    assert!(broker.dead_letters(APPROVAL, 10).await.expect("read").is_empty());
    again(&*inbox, &replayed, Travel { tick: 1, ..replayed.travel.clone() }).await;
    let ticked = next(&mut inbox).await;
    assert_eq!(ticked.travel.tick, 1);
    ack(&*inbox, &ticked).await;
}

/// The log tells what was published since a time, of the types that were asked for, oldest first.
pub async fn the_log_is_read_from_a_time_on(subject: Subject) {
    let broker = &subject.broker;
    let start = Utc::now();
    assert!(broker.log(start, &[], 10).await.expect("read").is_empty());
    broker.publish(&[hint("before"), fault("before")], false).await.expect("published");
    let since = Utc::now();
    let later = [hint("1"), fault("2"), hint("3")];
    for event in &later {
        broker.publish(std::slice::from_ref(event), false).await.expect("published");
    }
    let all = broker.log(since, &[], 10).await.expect("read");
    let events: Vec<&Event> = all.iter().map(|entry| &entry.event).collect();
    assert_eq!(events, later.iter().collect::<Vec<_>>());
    assert!(all.iter().all(|entry| entry.at >= since));
    let hints = broker.log(since, &["io.interlock.record.changed.v1"], 10).await.expect("read");
    let events: Vec<&Event> = hints.iter().map(|entry| &entry.event).collect();
    assert_eq!(events, [&later[0], &later[2]]);
    assert_eq!(broker.log(start, &[], 2).await.expect("read").len(), 2);
    assert_eq!(broker.log(start, &[], 100).await.expect("read").len(), 5);
    assert!(broker.log(Utc::now(), &[], 10).await.expect("read").is_empty());
}

/// The log is read up to the call, also while others go on publishing.
pub async fn the_log_has_an_end_while_others_publish(subject: Subject) {
    let since = Utc::now();
    let first = fault("first");
    subject.broker.publish(std::slice::from_ref(&first), false).await.expect("published");
    let other = subject.broker.clone();
    let noise = tokio::spawn(async move {
        for number in 0.. {
            other.publish(&[fault(&format!("n{number}"))], false).await.expect("published");
        }
    });
    let read = timeout(DEADLINE, subject.broker.log(since, &[], 100_000)).await;
    noise.abort();
    let entries = read.expect("it ends").expect("read");
    assert_eq!(entries.first().map(|entry| &entry.event), Some(&first));
}

/// Bytes that are no event arrive as such, and can be dead-lettered.
pub async fn poison_arrives_as_unreadable(subject: Subject) {
    let Some(poison) = &subject.poison else { return };
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    poison(subject.broker.clone(), APPROVAL, b"\xffnot an event").await;
    let delivered = next(&mut inbox).await;
    let unreadable = delivered.event.as_ref().expect_err("not an event");
    assert_eq!(&unreadable.bytes[..], b"\xffnot an event");
    assert!(!unreadable.reason.is_empty());
    dead(&*inbox, &delivered, "not an event", 1).await;
    let letters = subject.broker.dead_letters(APPROVAL, 10).await.expect("read");
    let letter = letters[0].event.as_ref().expect_err("not an event");
    assert_eq!((&letter.bytes[..], letters[0].reason.as_str()), (&b"\xffnot an event"[..], "not an event"));
}

/// A worker that stops hands on what it did not begin, and what it puts back.
pub async fn stopping_gives_back_what_was_not_begun(subject: Subject) {
    let broker = &subject.broker;
    let mut stopping = inbox(broker, APPROVAL).await;
    broker.publish(&[hint("a"), hint("b"), hint("c")], false).await.expect("published");
    let (begun, put_back) = (next(&mut stopping).await, next(&mut stopping).await);
    stopping.stop().await;
    assert!(timeout(DEADLINE, stopping.next()).await.expect("at once").is_none());
    stopping.settler().put_back(&put_back.receipt).await;
    ack(&*stopping, &begun).await;
    let mut other = inbox(broker, APPROVAL).await;
    for _ in 0..2 {
        let delivered = next(&mut other).await;
        ack(&*other, &delivered).await;
    }
    stays_quiet(&mut other).await;
}

/// What is taken up from the log reaches the one worker that missed it.
pub async fn a_take_up_reaches_one_worker_only(subject: Subject) {
    let broker = &subject.broker;
    let (mut asked, mut other) = (inbox(broker, CHANGE).await, inbox(broker, APPROVAL).await);
    let before = broker.log(Utc::now(), &[], 10).await.expect("read").len();
    let sent = hint("a");
    broker.take_up(CHANGE, std::slice::from_ref(&sent)).await.expect("taken up");
    let delivered = next(&mut asked).await;
    assert_eq!(delivered.event.as_ref().expect("an event"), &sent);
    assert!(delivered.travel.again && !delivered.direct);
    assert_eq!((delivered.travel.tick, &delivered.travel.state), (0, &None));
    stays_quiet(&mut other).await;
    ack(&*asked, &delivered).await;
    assert_eq!(before, 0, "a take-up is no new fact");
}

/// Everything stands, and the intake is counted.
pub async fn what_waits_is_counted(subject: Subject) {
    let broker = &subject.broker;
    broker.check().await.expect("everything stands");
    broker.publish(&[hint("a"), hint("b")], false).await.expect("published");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let standing = broker.reassert(APPROVAL).await.expect("stands");
        assert!(!standing.was_missing);
        if standing.ready == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "{standing:?}");
        tokio::task::yield_now().await;
    }
}

/// What survives a crash: the waiting, the delayed, the dead and the log.
pub async fn nothing_is_lost_in_a_crash(subject: Subject) {
    let broker = &subject.broker;
    let since = Utc::now();
    let mut before = inbox(broker, APPROVAL).await;
    broker.publish(&[hint("delayed"), hint("dead"), hint("waiting")], false).await.expect("published");
    let first = next(&mut before).await;
    again(&*before, &first, Travel { tick: 1, ..first.travel.clone() }).await;
    let second = next(&mut before).await;
    dead(&*before, &second, "broken", 1).await;
    drop(before);
    let broker = (subject.crash)(subject.broker).await;
    let mut after = inbox(&broker, APPROVAL).await;
    let mut ticks = BTreeSet::new();
    for _ in 0..2 {
        let delivered = next(&mut after).await;
        ticks.insert(delivered.travel.tick);
        ack(&*after, &delivered).await;
    }
    assert_eq!(ticks, BTreeSet::from([0, 1]));
    assert_eq!(broker.dead_letters(APPROVAL, 10).await.expect("read").len(), 1);
    assert_eq!(broker.log(since, &[], 10).await.expect("read").len(), 3);
}

/// Runs every function of this module against the subject that an `async fn() -> Subject` makes.
#[macro_export]
macro_rules! broker_conformance {
    ($subject:path) => {
        $crate::broker_conformance!($subject:
            a_fact_reaches_its_subscribers_and_nobody_else,
            a_repeated_publication_is_marked,
            competing_consumers_share_the_work,
            the_prefetch_bounds_what_is_in_hand,
            a_crash_brings_back_what_was_in_hand,
            a_watch_comes_again_with_state_and_tick,
            a_watch_may_go_round_again,
            what_follows_is_published,
            a_delivery_is_settled_once,
            a_dead_letter_keeps_its_reason,
            a_dead_letter_is_replayed_into_a_watch,
            the_log_is_read_from_a_time_on,
            the_log_has_an_end_while_others_publish,
            poison_arrives_as_unreadable,
            stopping_gives_back_what_was_not_begun,
            a_take_up_reaches_one_worker_only,
            what_waits_is_counted,
            nothing_is_lost_in_a_crash,
        );
    };
    ($subject:path: $($name:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::broker_conformance::$name($subject().await).await;
            }
        )+
    };
}
