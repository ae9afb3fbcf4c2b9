//! The broker's conformance on RabbitMQ, and what only RabbitMQ can do.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use interlock_broker::rabbitmq::{Options, RabbitMq};
use interlock_events::{Event, FaultRaised, event};
use interlock_runtime::ports::broker::{
    Broker, BrokerError, Prefetch, PublishError, Settlement, Then, Tier, Travel,
};
use interlock_runtime::ports::clock::SystemClock;
use interlock_tests::broker_conformance::{Subject, hint};
use interlock_tests::servers;
use lapin::options::{BasicGetOptions, BasicPublishOptions, BasicRejectOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const APPROVAL: &str = "approval-worker";
const PREFETCH: Prefetch = Prefetch { intake: 4, watch: 4 };
const DEADLINE: Duration = Duration::from_secs(20);

async fn connect(url: &str) -> Arc<RabbitMq> {
    // Many vhosts of one node start their queues at the same time here.
    let options = Options { confirm_timeout: Duration::from_secs(10), ..Options::default() };
    RabbitMq::connect(url, Arc::new(SystemClock), options).await.expect("connected")
}

async fn subject() -> Subject {
    let url = servers::shared_broker().amqp_url;
    let (again, side_door) = (url.clone(), url.clone());
    Subject {
        broker: connect(&url).await,
        crash: Box::new(move |broker| {
            let url = again.clone();
            Box::pin(async move {
                // To the broker, a connection that closes with deliveries in hand is a consumer that died.
                broker.close().await;
                drop(broker);
                connect(&url).await as Arc<dyn Broker>
            })
        }),
        poison: Some(Box::new(move |_, worker, bytes| {
            let url = side_door.clone();
            Box::pin(async move {
                let (_connection, channel) = channel(&url).await;
                let queue = format!("interlock.{worker}");
                let options = BasicPublishOptions::default();
                let sent = channel.basic_publish(
                    "".into(),
                    queue.as_str().into(),
                    options,
                    bytes,
                    BasicProperties::default(),
                );
                sent.await.expect("published").await.expect("taken");
            })
        })),
        keep: Box::new(()),
    }
}

interlock_tests::broker_conformance!(subject);

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

async fn delete(url: &str, queue: &str) {
    let (_connection, channel) = channel(url).await;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
}

fn fault() -> Event {
    let fact = FaultRaised {
        worker: APPROVAL.into(),
        event_id: "1".into(),
        event_type: "t".into(),
        subject: None,
        reason: "r".into(),
        attempts: 1,
    };
    event("/tests", Utc::now(), &fact)
}

#[tokio::test]
async fn what_no_queue_wants_is_refused_and_not_lost_in_silence() {
    let url = servers::shared_broker().amqp_url;
    let broker = connect(&url).await;
    delete(&url, "interlock.log").await;
    let batch = [hint("a"), fault(), hint("b")];
    let refused = broker.publish(&batch, false).await;
    assert!(
        matches!(&refused, Err(PublishError::Refused { what, .. }) if what.contains("event")),
        "{refused:?}"
    );
    broker.publish(&[hint("c")], false).await.expect("the others still go through");
}

#[tokio::test]
async fn a_missing_queue_is_named_and_made_again_by_its_worker() {
    let url = servers::shared_broker().amqp_url;
    let broker = connect(&url).await;
    delete(&url, "interlock.approval-worker").await;
    let missing = broker.check().await;
    assert_eq!(missing, Err(BrokerError::Missing("interlock.approval-worker".into())));
    let standing = broker.reassert(APPROVAL).await.expect("made again");
    assert!(standing.was_missing);
    assert!(!broker.reassert(APPROVAL).await.expect("stands").was_missing);
    broker.check().await.expect("everything stands");
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    broker.publish(&[hint("a")], false).await.expect("published");
    let came = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time");
    assert!(came.expect("open").is_ok());
}

#[tokio::test]
async fn a_queue_that_was_gone_before_the_start_is_told_to_its_worker() {
    let url = servers::shared_broker().amqp_url;
    let fresh = connect(&url).await.reassert(APPROVAL).await.expect("stands");
    assert!(!fresh.was_missing, "a broker that is new has no hole");
    delete(&url, "interlock.approval-worker").await;
    let broker = connect(&url).await;
    broker.check().await.expect("declared at the start");
    assert!(broker.reassert(APPROVAL).await.expect("stands").was_missing);
    assert!(!broker.reassert(APPROVAL).await.expect("stands").was_missing, "told once");
}

#[tokio::test]
async fn a_process_that_may_not_declare_refuses_to_start_without_its_queues() {
    let url = servers::shared_broker().amqp_url;
    let options = Options { declare: false, ..Options::default() };
    let refused = RabbitMq::connect(&url, Arc::new(SystemClock), options.clone()).await;
    let error = format!("{:#}", refused.err().expect("nothing is declared"));
    assert!(error.contains("interlock topology apply"), "{error}");
    connect(&url).await.apply_topology().await.expect("twice is as once");
    RabbitMq::connect(&url, Arc::new(SystemClock), options).await.expect("now it starts");
}

#[tokio::test]
async fn an_inbox_tells_once_that_its_queue_is_gone() {
    let url = servers::shared_broker().amqp_url;
    let broker = connect(&url).await;
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    delete(&url, "interlock.approval-worker").await;
    let told = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time").expect("told");
    assert!(matches!(told, Err(BrokerError::Unavailable(_))), "{told:?}");
    assert!(inbox.next().await.is_none());
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_no_reason_to_stop() {
    let options = Options { connect_timeout: Duration::from_millis(500), ..Options::default() };
    let nobody = "amqp://guest:hunter2@127.0.0.1:1/x";
    let broker = RabbitMq::connect(nobody, Arc::new(SystemClock), options).await.expect("it goes on trying");
    let gone = broker.publish(&[hint("a")], false).await.expect_err("nobody is there");
    assert!(matches!(gone, PublishError::Gone(_)) && !gone.to_string().contains("hunter2"), "{gone}");
    let unavailable = broker.check().await;
    assert!(matches!(unavailable, Err(BrokerError::Unavailable(_))), "{unavailable:?}");
    broker.close().await;
}

#[tokio::test]
async fn a_refused_outcome_leaves_the_delivery_in_hand() {
    let url = servers::shared_broker().amqp_url;
    let broker = connect(&url).await;
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    broker.publish(&[hint("a")], false).await.expect("published");
    let delivered = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time");
    let delivered = delivered.expect("open").expect("a delivery");
    delete(&url, "interlock.log").await;
    let settlement = Settlement { publish: vec![fault()], then: Then::Ack };
    let settler = inbox.settler();
    let refused = settler.settle(&delivered.receipt, &settlement).await;
    assert!(matches!(refused, Err(PublishError::Refused { .. })), "{refused:?}");
    broker.apply_topology().await.expect("made again");
    settler.settle(&delivered.receipt, &settlement).await.expect("settled at last");
}

/// Calls until it succeeds; a broker that comes back is not there at once.
async fn until_published(broker: &RabbitMq, event: &Event) {
    let deadline = tokio::time::Instant::now() + DEADLINE * 3;
    while let Err(error) = broker.publish(std::slice::from_ref(event), false).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        assert!(!matches!(error, PublishError::Refused { .. }), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_ends_the_inbox_and_keeps_what_it_had() {
    let node = tokio::task::spawn_blocking(servers::PrivateBroker::start).await.expect("started");
    let broker = connect(&node.amqp_url()).await;
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    broker.publish(&[hint("a")], false).await.expect("published");
    let first = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time");
    let first = first.expect("open").expect("a delivery");
    let settler = inbox.settler();
    let node = tokio::task::spawn_blocking(move || {
        let mut node = node;
        node.kill9();
        node.restart();
        node
    });
    let node = node.await.expect("it came back");
    let told = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time").expect("told");
    assert!(matches!(told, Err(BrokerError::Unavailable(_))), "{told:?}");
    assert!(inbox.next().await.is_none());
    let void = settler.settle(&first.receipt, &Settlement { publish: Vec::new(), then: Then::Ack }).await;
    assert!(matches!(void, Err(PublishError::Gone(_))), "{void:?}");
    until_published(&broker, &hint("b")).await;
    let mut inbox = consume_again(&broker).await;
    let mut names = std::collections::BTreeSet::new();
    while names.len() < 2 {
        let came = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time");
        let delivered = came.expect("open").expect("a delivery");
        let event = delivered.event.as_ref().expect("an event");
        assert!(event != first.event.as_ref().expect("an event") || delivered.redelivered);
        names.insert(event.to_string());
        let done = Settlement { publish: Vec::new(), then: Then::Ack };
        inbox.settler().settle(&delivered.receipt, &done).await.expect("settled");
    }
    broker.close().await;
    drop(node);
}

async fn consume_again(broker: &RabbitMq) -> Box<dyn interlock_runtime::ports::broker::Inbox> {
    let deadline = tokio::time::Instant::now() + DEADLINE * 3;
    loop {
        match broker.consume(APPROVAL, PREFETCH).await {
            Ok(inbox) => return inbox,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_answer_is_told_in_time() {
    let node = tokio::task::spawn_blocking(servers::PrivateBroker::start).await.expect("started");
    let options = Options { confirm_timeout: Duration::from_secs(1), ..Options::default() };
    let url = node.amqp_url();
    let broker = RabbitMq::connect(&url, Arc::new(SystemClock), options).await.expect("connected");
    until_published(&broker, &hint("a")).await;
    node.freeze();
    let asked = tokio::time::Instant::now();
    let silent = broker.publish(&[hint("b")], false).await;
    assert!(matches!(silent, Err(PublishError::Unconfirmed { .. })), "{silent:?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    node.thaw();
    until_published(&broker, &hint("b")).await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_of_the_broker_refuses_at_once_and_consuming_goes_on() {
    let node = tokio::task::spawn_blocking(servers::PrivateBroker::start).await.expect("started");
    let broker = connect(&node.amqp_url()).await;
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    broker.publish(&[hint("a")], false).await.expect("published");
    node.control(&["set_vm_memory_high_watermark", "0.00001"]);
    let deadline = tokio::time::Instant::now() + DEADLINE * 2;
    // The broker blocks a connection when it next publishes.
    while broker.publish(&[hint("b")], false).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "no alarm");
    }
    let asked = tokio::time::Instant::now();
    let blocked = broker.publish(&[hint("c")], false).await;
    assert!(matches!(blocked, Err(PublishError::Unconfirmed { .. })), "{blocked:?}");
    assert!(asked.elapsed() < Duration::from_secs(1), "it waited {:?}", asked.elapsed());
    let came = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("consuming goes on").expect("open");
    let came = came.expect("a delivery");
    let done = Settlement { publish: Vec::new(), then: Then::Ack };
    inbox.settler().settle(&came.receipt, &done).await.expect("an ack needs no publishing");
    node.control(&["set_vm_memory_high_watermark", "0.4"]);
    until_published(&broker, &hint("d")).await;
    broker.close().await;
}

/// Returns the first message of a queue so often that the broker gives it up.
async fn wear_out(url: &str, queue: &str) {
    let (_connection, channel) = channel(url).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut returned = 0;
    while returned <= 100 {
        assert!(tokio::time::Instant::now() < deadline, "returned {returned} times only");
        let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("asked");
        if let Some(message) = got {
            message.reject(BasicRejectOptions { requeue: true }).await.expect("returned");
            returned += 1;
        }
    }
}

#[tokio::test]
async fn what_the_broker_itself_gives_up_is_a_dead_letter_that_can_be_replayed_into_a_watch() {
    let url = servers::shared_broker().amqp_url;
    let broker = connect(&url).await;
    broker.publish(&[hint("a")], false).await.expect("published");
    wear_out(&url, "interlock.approval-worker").await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let letter = loop {
        assert!(tokio::time::Instant::now() < deadline, "no dead letter");
        if let Some(letter) = broker.dead_letters(APPROVAL, 1).await.expect("read").pop() {
            break letter;
        }
    };
    assert!(letter.reason.contains("delivery_limit") && letter.at.is_none(), "{letter:?}");
    assert!(broker.replay_dead_letter(APPROVAL, &letter.id, None, "n1").await.expect("replayed"));
    let mut inbox = broker.consume(APPROVAL, PREFETCH).await.expect("consumed");
    for tick in 1..3 {
        let came = tokio::time::timeout(DEADLINE, inbox.next()).await.expect("in time");
        let delivered = came.expect("open").expect("a delivery");
        assert_eq!((delivered.travel.tick, delivered.returned), (tick, 0));
        let travel = Box::new(Travel { tick: tick + 1, ..delivered.travel.clone() });
        let again = Settlement { publish: Vec::new(), then: Then::Again { tier: Tier::OneSecond, travel } };
        inbox.settler().settle(&delivered.receipt, &again).await.expect("settled");
    }
}
