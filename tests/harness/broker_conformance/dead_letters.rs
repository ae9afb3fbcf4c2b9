//! What nobody could handle.

use super::{APPROVAL, CHANGE, Subject, ack, again, dead, hint, inbox, next, stays_quiet};
use interlock_runtime::ports::broker::{DeadLetter, Travel};
use serde_json::json;

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
    let ids =
        |letters: &[DeadLetter]| -> Vec<String> { letters.iter().map(|letter| letter.id.clone()).collect() };
    assert_eq!(ids(&letters), ids(&second_look));
    assert_eq!(broker.dead_letters(APPROVAL, 1).await.expect("read").len(), 1);
    assert!(broker.dead_letters(CHANGE, 10).await.expect("read").is_empty());
    stays_quiet(&mut inbox).await;
}

/// A replayed dead letter is its chain's next tick, keeps a watch's state, and goes round as any other.
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
    assert!(!broker.replay_dead_letter(APPROVAL, "another", None, "n0").await.expect("looked"));
    assert!(broker.replay_dead_letter(APPROVAL, &letters[0].id, None, "n1").await.expect("replayed"));
    let replayed = next(&mut inbox).await;
    assert!(replayed.receipt.watch && !replayed.direct && replayed.travel.again);
    assert_eq!((replayed.travel.tick, replayed.travel.attempt), (6, 1));
    assert_eq!(replayed.travel.state, state);
    assert_ne!(replayed.travel.tag, watch.travel.tag);
    assert!(broker.dead_letters(APPROVAL, 10).await.expect("read").is_empty());
    again(&*inbox, &replayed, Travel { tick: 7, ..replayed.travel.clone() }).await;
    let ticked = next(&mut inbox).await;
    assert_eq!(ticked.travel.tick, 7);
    ack(&*inbox, &ticked).await;
}

/// An edited letter goes back in its new form, with its state; a dropped one is gone, and its neighbour stays.
pub async fn a_dead_letter_is_edited_or_dropped(subject: Subject) {
    let broker = &subject.broker;
    let mut inbox = inbox(broker, APPROVAL).await;
    broker.publish(&[hint("a"), hint("b"), hint("c")], false).await.expect("published");
    for _ in 0..3 {
        let delivered = next(&mut inbox).await;
        dead(&*inbox, &delivered, "broken", 1).await;
    }
    let letters = broker.dead_letters(APPROVAL, 10).await.expect("read");
    let edited = hint("mended");
    assert!(
        broker.replay_dead_letter(APPROVAL, &letters[0].id, Some(&edited), "n1").await.expect("replayed")
    );
    let mended = next(&mut inbox).await;
    assert_eq!(mended.event.as_ref().expect("an event"), &edited);
    assert!(mended.receipt.watch && mended.travel.again && mended.travel.attempt == 1);
    ack(&*inbox, &mended).await;
    assert!(broker.drop_dead_letter(APPROVAL, &letters[1].id).await.expect("dropped"));
    assert!(!broker.drop_dead_letter(APPROVAL, &letters[1].id).await.expect("looked"));
    let left = broker.dead_letters(APPROVAL, 10).await.expect("read");
    assert_eq!(left.iter().map(|letter| &letter.id).collect::<Vec<_>>(), [&letters[2].id]);
    stays_quiet(&mut inbox).await;
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
