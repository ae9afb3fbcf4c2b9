//! What was published, and taking it up.

use super::{APPROVAL, CHANGE, DEADLINE, Subject, ack, fault, hint, inbox, next, stays_quiet};
use chrono::Utc;
use interlock_events::Event;
use tokio::time::timeout;

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
