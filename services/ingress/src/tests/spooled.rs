use interlock_events::AttributesReader as _;
use interlock_runtime::signals::Shutdown;
use tokio::task::JoinHandle;

use super::*;

impl Lab {
    fn waiting(&self) -> usize {
        self.spool.entries.lock().unwrap().len()
    }

    /// The broker is away, and ingress knows it.
    async fn lose_the_broker(&self) {
        self.broker.missing.store(true, Ordering::SeqCst);
        self.ingress.look().await;
    }

    async fn find_the_broker(&self) {
        self.broker.missing.store(false, Ordering::SeqCst);
        self.ingress.look().await;
    }

    fn drain(&self) -> JoinHandle<()> {
        tokio::spawn(self.ingress.clone().keep_draining(Shutdown::new()))
    }

    /// Deployments whose requests were published, in order.
    fn order(&self) -> Vec<String> {
        self.broker.published().iter().map(|event| event.id().to_owned()).collect()
    }
}

/// Paused time goes on only when nothing else can.
async fn after(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_does_not_confirm_in_a_second_is_spooled_and_answered_202() {
    let lab = Lab::spooling("spooled", 9).await;
    lab.broker.hang.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    assert_eq!(lab.send("d-1", &asked(1)).await.body, json!({ "events": 1 }));
    assert_eq!((begun.elapsed().as_secs(), lab.waiting(), lab.published()), (1, 1, 0));
    assert_eq!(lab.store.keys().len(), 1, "it is our promise now: the hint stands");
    assert_eq!(lab.send("d-1", &asked(1)).await.body["duplicate"], true);
}

#[tokio::test(start_paused = true)]
async fn while_a_core_queue_is_missing_everything_is_spooled_at_once() {
    let lab = Lab::spooling("spooled-at-once", 9).await;
    lab.lose_the_broker().await;
    let begun = Instant::now();
    assert_eq!(lab.send("d-1", &asked(1)).await.status, StatusCode::ACCEPTED);
    assert_eq!((begun.elapsed().as_secs(), lab.waiting()), (0, 1));
    assert_eq!(lab.broker.tried.load(Ordering::SeqCst), 0, "what is published now could be lost in silence");
}

#[tokio::test(start_paused = true)]
async fn what_was_spooled_is_published_in_order_and_marked_once_the_broker_is_back() {
    let lab = Lab::spooling("drained", 99).await;
    lab.lose_the_broker().await;
    for id in 0..70 {
        lab.send("d", &asked(id)).await;
    }
    let ids: Vec<_> =
        lab.spool.entries.lock().unwrap().iter().map(|entry| entry.events.clone().unwrap()).collect();
    let ids: Vec<_> = ids.iter().flatten().map(|event| event.id().to_owned()).collect();
    let drain = lab.drain();
    after(120).await;
    assert_eq!(lab.published(), 0, "not before a look has found it well");
    lab.find_the_broker().await;
    after(1).await;
    assert_eq!((lab.order(), lab.waiting()), (ids, 0));
    assert_eq!(lab.broker.again.load(Ordering::SeqCst), 70);
    lab.send("d", &asked(70)).await;
    assert_eq!(lab.broker.again.load(Ordering::SeqCst), 70, "new ones go straight");
    drain.abort();
}

#[tokio::test(start_paused = true)]
async fn an_entry_stays_until_its_publication_is_confirmed() {
    let lab = Lab::spooling("confirmed-late", 9).await;
    lab.lose_the_broker().await;
    lab.send("d-1", &asked(1)).await;
    lab.broker.hang.store(true, Ordering::SeqCst);
    lab.find_the_broker().await;
    let drain = lab.drain();
    after(30).await;
    assert_eq!(lab.waiting(), 1);
    lab.broker.hang.store(false, Ordering::SeqCst);
    after(90).await;
    assert_eq!((lab.waiting(), lab.published()), (0, 1));
    drain.abort();
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_goes_aside_and_holds_up_nobody() {
    let lab = Lab::spooling("spoiled", 9).await;
    lab.lose_the_broker().await;
    lab.send("d-1", &asked(1)).await;
    lab.spool.spoil();
    lab.send("d-2", &asked(2)).await;
    lab.find_the_broker().await;
    let drain = lab.drain();
    after(1).await;
    assert_eq!((lab.published(), lab.waiting()), (2, 0));
    assert_eq!(*lab.spool.aside.lock().unwrap(), ["no JSON"]);
    drain.abort();
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_always_refused_goes_aside_after_ten_tries_and_the_others_are_published() {
    let lab = Lab::spooling("poisoned", 99).await;
    lab.lose_the_broker().await;
    for id in 0..40 {
        lab.send("d", &asked(id)).await;
    }
    let poison = lab.spool.entries.lock().unwrap()[20].events.clone().unwrap()[0].id().to_owned();
    *lab.broker.poison.lock().unwrap() = poison.clone();
    lab.find_the_broker().await;
    let drain = lab.drain();
    after(15 * 60).await;
    assert_eq!((lab.published(), lab.waiting()), (39, 0));
    assert_eq!(lab.spool.aside.lock().unwrap().len(), 1);
    assert!(!lab.order().contains(&poison));
    drain.abort();
}

#[tokio::test(start_paused = true)]
async fn no_entry_goes_aside_for_a_broker_that_is_away() {
    let lab = Lab::spooling("patient", 9).await;
    lab.lose_the_broker().await;
    lab.send("d-1", &asked(1)).await;
    lab.find_the_broker().await;
    lab.broker.refuse.store(usize::MAX, Ordering::SeqCst);
    lab.broker.missing.store(true, Ordering::SeqCst);
    let drain = lab.drain();
    after(2 * 3600).await;
    assert!(lab.broker.tried.load(Ordering::SeqCst) > 100, "about once a minute");
    assert!(lab.broker.tried.load(Ordering::SeqCst) < 200, "and not more often");
    assert_eq!((lab.waiting(), lab.spool.aside.lock().unwrap().len()), (1, 0));
    drain.abort();
}

#[tokio::test(start_paused = true)]
async fn beside_a_full_spool_webhooks_are_answered_503_until_there_is_room() {
    let lab = Lab::spooling("brimful", 1).await;
    lab.lose_the_broker().await;
    assert!(lab.ingress.is_ready(), "there is room");
    assert_eq!(lab.send("d-1", &asked(1)).await.status, StatusCode::ACCEPTED);
    let refused = lab.send("d-2", &asked(2)).await;
    assert_eq!((refused.problem(), refused.retry_after.as_deref()), ((503, "not-confirmed"), Some("5")));
    assert_eq!(lab.store.keys().len(), 1, "no hint of what was not taken");
    lab.ingress.look().await;
    assert_eq!(lab.send("d-2", &asked(2)).await.problem(), (503, "not-ready"));
    let ready = Request::get("/health/ready").body(Body::empty()).unwrap();
    assert!(lab.call(ready).await.body.to_string().contains("the spool is full (1 entries)"));
    lab.find_the_broker().await;
    assert_eq!(lab.send("d-2", &asked(2)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn what_a_full_queue_refuses_is_not_spooled_and_its_door_lets_one_probe_through_at_a_time() {
    let lab = Lab::spooling("full", 9).await;
    lab.broker.full.store(2, Ordering::SeqCst);
    let refused = lab.send("d-1", &asked(1)).await;
    assert_eq!((refused.problem(), refused.retry_after.as_deref()), ((503, "full"), Some("5")));
    for id in 2..9 {
        assert_eq!(lab.send("d", &asked(id)).await.problem(), (503, "full"));
    }
    assert_eq!(lab.broker.tried.load(Ordering::SeqCst), 1, "the other queues do not fill with copies");
    assert_eq!((lab.waiting(), lab.store.keys().len()), (0, 0));
    after(1).await;
    assert_eq!(lab.send("d-1", &asked(1)).await.problem(), (503, "full"), "the probe");
    after(1).await;
    assert_eq!(lab.send("d-1", &asked(1)).await.problem(), (503, "full"), "twice as long");
    after(1).await;
    assert_eq!(lab.send("d-1", &asked(1)).await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.send("d-2", &asked(2)).await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.broker.tried.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_looked_at_every_second_while_there_is_a_spool() {
    let lab = Lab::spooling("eager", 9).await;
    lab.broker.missing.store(true, Ordering::SeqCst);
    let looking = tokio::spawn(lab.ingress.clone().keep_looking(Shutdown::new()));
    after(5).await;
    let looks = lab.broker.checks.load(Ordering::SeqCst);
    assert!((5..8).contains(&looks), "{looks}");
    looking.abort();
}
