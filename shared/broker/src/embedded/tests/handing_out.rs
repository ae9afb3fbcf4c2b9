//! What is handed out, to whom, and when it comes again.

use super::*;

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
