//! Publishing, sharing, settling.

use super::{
    APPROVAL, CHANGE, DEADLINE, PREFETCH, Subject, ack, fault, hint, inbox, next, only, stays_quiet,
};
use interlock_events::Event;
use interlock_runtime::ports::broker::{Delivered, PublishError, Settlement, Then, Tier, Travel};
use std::collections::BTreeSet;
use tokio::time::Instant;

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

/// Many outcomes at once: each goes where it belongs, and what is not in hand is told.
pub async fn many_are_settled_at_once(subject: Subject) {
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    let sent: Vec<Event> = (0..3).map(|number| hint(&format!("n{number}"))).collect();
    subject.broker.publish(&sent, false).await.expect("published");
    let mut all = Vec::new();
    for _ in &sent {
        all.push(next(&mut inbox).await);
    }
    let again = |travel: Travel| Then::Again { tier: Tier::OneSecond, travel: Box::new(travel) };
    let outcomes: Vec<_> = all
        .iter()
        .zip([again(all[0].travel.clone()), again(all[1].travel.clone()), Then::Ack])
        .map(|(delivered, then)| (delivered.receipt.clone(), only(then)))
        .collect();
    inbox.settler().settle_all(&outcomes).await.expect("settled");
    let back = [next(&mut inbox).await, next(&mut inbox).await];
    let event = |delivered: &Delivered| delivered.event.as_ref().expect("an event").to_string();
    let came: BTreeSet<_> = back.iter().map(event).collect();
    assert_eq!(came, all[..2].iter().map(event).collect());
    stays_quiet(&mut inbox).await;
    let twice = inbox.settler().settle_all(&outcomes).await;
    assert!(matches!(twice, Err(PublishError::Gone(_))), "{twice:?}");
    inbox.settler().settle_all(&[]).await.expect("nothing is nothing");
}
