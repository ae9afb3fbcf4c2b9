//! Deliveries that come again.

use super::{APPROVAL, CHANGE, Subject, ack, again, fault, hint, inbox, next, stays_quiet};
use interlock_events::AttributesReader;
use interlock_runtime::ports::broker::Travel;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

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

/// A fact that a queue refused comes back to the worker that owes it, and to nobody else.
pub async fn a_refused_fact_waits_with_its_worker(subject: Subject) {
    let mut inbox_of_other = inbox(&subject.broker, CHANGE).await;
    let mut inbox = inbox(&subject.broker, APPROVAL).await;
    let owed = fault("owed");
    let left = Instant::now();
    subject.broker.owe(APPROVAL, std::slice::from_ref(&owed)).await.expect("kept");
    let back = next(&mut inbox).await;
    assert!(left.elapsed() >= Duration::from_secs(4), "{:?}", left.elapsed());
    assert!(back.travel.owed && back.travel.state.is_none() && !back.direct);
    assert_eq!(back.event.as_ref().expect("an event").id(), owed.id());
    again(&*inbox, &back, back.travel.clone()).await;
    let back = next(&mut inbox).await;
    assert!(back.travel.owed, "however often it goes round");
    ack(&*inbox, &back).await;
    stays_quiet(&mut inbox).await;
    stays_quiet(&mut inbox_of_other).await;
}
