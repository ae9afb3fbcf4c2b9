//! Stopping and crashing.

use super::{APPROVAL, DEADLINE, Subject, ack, again, dead, hint, inbox, next, only, stays_quiet};
use chrono::Utc;
use interlock_runtime::ports::broker::{PublishError, Then, Travel};
use std::collections::BTreeSet;
use tokio::time::timeout;

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
