//! What is published, settled, kept and refused.

use super::*;

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

#[test]
fn a_full_intake_of_who_yields_refuses_nothing_and_what_it_has_no_room_for_is_a_dead_letter() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = file::open_for_writing(directory.path()).unwrap();
    let mark = Mark { now: DateTime::UNIX_EPOCH, tag: "tag".into(), again: false };
    for number in ["1", "2", "3"] {
        let transaction = connection.transaction().unwrap();
        publish::publish(
            &transaction,
            &mut writer::Rung::new(),
            &[event(ChangeClosed::TYPE, number)],
            &mark,
            2,
        )
        .unwrap();
        transaction.commit().unwrap();
    }
    assert_eq!(queue::intake_ready(&connection, "evidence", 10).unwrap(), 2);
    let letters = dead::read(&connection, "evidence", 10).unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("give it back"), "{}", letters[0].reason);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_kept_and_comes_again_when_it_is_replayed() {
    let bench = bench();
    bench.broker.publish(&[requested("1")], false).await.unwrap();
    let mut inbox = bench.inbox(CHANGE).await;
    let delivery = next(&mut inbox).await;
    let mut travel = delivery.travel.clone();
    (travel.state, travel.tick) = (Some(json!({"seen": -5})), 3);
    inbox.settler().settle(&delivery.receipt, &again(Tier::OneSecond, travel)).await.unwrap();
    let delivery = next(&mut inbox).await;
    inbox.settler().settle(&delivery.receipt, &dead()).await.unwrap();
    for _ in 0..2 {
        let letters = bench.broker.dead_letters(CHANGE, 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].attempts, letters[0].reason.as_str()), (1, 3, "no such group"));
    }
    assert!(bench.broker.dead_letters(APPROVAL, 10).await.unwrap().is_empty());
    let letter = bench.broker.dead_letters(CHANGE, 10).await.unwrap().remove(0);
    assert!(!bench.broker.replay_dead_letter(APPROVAL, &letter.id, None, "n1").await.unwrap());
    assert!(bench.broker.replay_dead_letter(CHANGE, &letter.id, None, "n1").await.unwrap());
    assert!(!bench.broker.replay_dead_letter(CHANGE, &letter.id, None, "n2").await.unwrap());
    let delivery = next(&mut inbox).await;
    assert_eq!((id(&delivery).as_str(), delivery.travel.tick, delivery.travel.attempt), ("1", 4, 1));
    assert!(delivery.travel.again && !delivery.direct);
    assert_eq!((delivery.travel.tag.as_str(), delivery.travel.state), ("n1", Some(json!({"seen": -5}))));
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

#[tokio::test(start_paused = true)]
async fn an_unknown_worker_is_named() {
    let bench = bench();
    assert!(matches!(bench.broker.consume("nobody", FOUR).await, Err(BrokerError::Missing(_))));
    let receipt = Receipt { session: 9, number: 9, watch: false };
    bench.inbox(CHANGE).await.settler().put_back(&receipt).await;
}
