//! What every Store does alike. Each function takes an empty Store and fails by panicking.
//!
//! A story file runs all of them against one implementation with [`store_conformance!`](crate::store_conformance).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use interlock_runtime::ports::store::{Admission, Chain, Claim, Store};
use tokio::time::{Instant, timeout};

/// A Store under test.
pub struct Subject {
    /// The Store, empty.
    pub store: Arc<dyn Store>,
    /// Kept until the end: directories, servers.
    pub keep: Box<dyn std::any::Any + Send + Sync>,
}

/// Long enough not to end within a test.
const LONG: Duration = Duration::from_secs(600);
/// Short enough to be waited for.
const BRIEF: Duration = Duration::from_millis(200);
/// How long something that must come is waited for.
const DEADLINE: Duration = Duration::from_secs(20);
/// The longest that a Store that is gone may take to say so.
const TOLD: Duration = Duration::from_secs(1);

/// Asks until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !ask().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Of many who claim a key at once, one wins; the others learn what it holds.
pub async fn a_claim_is_won_once(subject: Subject) {
    let claims: Vec<_> = (0..20)
        .map(|number| {
            let store = subject.store.clone();
            tokio::spawn(async move {
                store.claim("create:a", &number.to_string(), LONG).await.expect("the Store answers")
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for claim in claims {
        outcomes.push(claim.await.expect("the task ends"));
    }
    let holder = outcomes.iter().position(|outcome| *outcome == Claim::Won).expect("one wins");
    outcomes.remove(holder);
    assert!(outcomes.iter().all(|outcome| *outcome == Claim::Held(holder.to_string())), "{outcomes:?}");
    assert_eq!(subject.store.get("create:a").await.expect("the Store answers"), Some(holder.to_string()));
}

/// A claim ends by itself, and then it is anyone's.
pub async fn a_claim_ends_by_itself(subject: Subject) {
    let store = &subject.store;
    assert_eq!(store.claim("create:a", "one", BRIEF).await.expect("the Store answers"), Claim::Won);
    until("the claim ended", async || {
        store.claim("create:a", "two", LONG).await.expect("the Store answers") == Claim::Won
    })
    .await;
    assert_eq!(store.get("create:a").await.expect("the Store answers").as_deref(), Some("two"));
}

/// Only who knows what a key holds may change or end it.
pub async fn only_the_holder_swaps_and_releases(subject: Subject) {
    let store = &subject.store;
    assert!(!store.swap("create:a", "", "one", LONG).await.expect("the Store answers"));
    assert!(!store.release("create:a", "one").await.expect("the Store answers"));
    store.claim("create:a", "one", LONG).await.expect("the Store answers");
    assert!(!store.swap("create:a", "another", "two", LONG).await.expect("the Store answers"));
    assert!(store.swap("create:a", "one", "two", LONG).await.expect("the Store answers"));
    assert!(!store.release("create:a", "one").await.expect("the Store answers"));
    assert_eq!(store.get("create:a").await.expect("the Store answers").as_deref(), Some("two"));
    assert!(store.release("create:a", "two").await.expect("the Store answers"));
    assert_eq!(store.claim("create:a", "three", LONG).await.expect("the Store answers"), Claim::Won);
}

/// A swap gives the key its own time to live.
pub async fn a_swap_renews_the_expiry(subject: Subject) {
    let store = &subject.store;
    store.claim("lease:a", "one", LONG).await.expect("the Store answers");
    assert!(store.swap("lease:a", "one", "one", BRIEF).await.expect("the Store answers"));
    until("the lease ended", async || store.get("lease:a").await.expect("the Store answers").is_none()).await;
}

/// What is put is there, whatever was there before, until its time is over.
pub async fn what_is_put_is_present_until_it_expires(subject: Subject) {
    let store = &subject.store;
    store.put("hint:a", "one", LONG).await.expect("the Store answers");
    store.put("hint:a", "two", LONG).await.expect("the Store answers");
    store.put("hint:b", "", BRIEF).await.expect("the Store answers");
    assert_eq!(store.get("hint:a").await.expect("the Store answers").as_deref(), Some("two"));
    let keys = ["hint:c", "hint:a"].map(str::to_owned);
    assert_eq!(store.present(&keys).await.expect("the Store answers"), [false, true]);
    assert!(store.present(&[]).await.expect("the Store answers").is_empty());
    until("the hint expired", async || {
        !store.present(&["hint:b".to_owned()]).await.expect("the Store answers")[0]
    })
    .await;
    let many = vec!["hint:a".to_owned(); 1_001];
    assert!(store.present(&many).await.is_err());
    assert_eq!(store.present(&many[..1_000]).await.expect("the Store answers"), vec![true; 1_000]);
}

/// The chain rule over its whole grid, with ticks that a double cannot tell apart.
pub async fn the_chain_rule_holds_over_its_grid(subject: Subject) {
    let ticks = [0, 1, 9, 10, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX];
    let pairs: Vec<_> = ticks.into_iter().flat_map(|tick| [(tick, "a"), (tick, "b c")]).collect();
    for held in &pairs {
        for comes in &pairs {
            let key = format!("chain:w:{held:?}:{comes:?}");
            let first = subject.store.advance(&key, held.0, held.1, LONG).await.expect("the Store answers");
            assert_eq!(first, Chain::Holder);
            let second =
                subject.store.advance(&key, comes.0, comes.1, LONG).await.expect("the Store answers");
            let takes_over = comes.0 > held.0 || comes == held;
            let expected = if takes_over { Chain::Holder } else { Chain::Other { tick: held.0 } };
            assert_eq!(second, expected, "{held:?} is held, {comes:?} comes");
            let holder = if takes_over { comes } else { held };
            assert_eq!(
                subject.store.advance(&key, holder.0, holder.1, LONG).await.expect("the Store answers"),
                Chain::Holder
            );
        }
    }
}

/// A chain whose holder is silent ends; a copy that is not the holder does not keep it alive.
pub async fn a_silent_chain_ends(subject: Subject) {
    let store = &subject.store;
    assert_eq!(store.advance("chain:w:a", 7, "a", BRIEF).await.expect("the Store answers"), Chain::Holder);
    let other = async || store.advance("chain:w:a", 3, "b", LONG).await.expect("the Store answers");
    until("the chain is anyone's", async || other().await == Chain::Holder).await;
    assert_eq!(
        store.advance("chain:w:a", 3, "a", LONG).await.expect("the Store answers"),
        Chain::Other { tick: 3 }
    );
}

/// Projections are maps; each has its own entries.
pub async fn projections_hold_what_was_written_last(subject: Subject) {
    let store = &subject.store;
    for number in 0..50 {
        store.project("gates", &format!("g{number}"), "{}").await.expect("the Store answers");
    }
    store.project("gates", "g1", "{\"a\":1}").await.expect("the Store answers");
    store.project("changes", "g1", "other").await.expect("the Store answers");
    store.unproject("gates", "g2").await.expect("the Store answers");
    store.unproject("gates", "never").await.expect("the Store answers");
    assert_eq!(
        store.projected("gates", "g1").await.expect("the Store answers").as_deref(),
        Some("{\"a\":1}")
    );
    assert_eq!(store.projected("gates", "g2").await.expect("the Store answers"), None);
    let mut gates = store.projection("gates", 1_000).await.expect("the Store answers");
    gates.sort();
    gates.dedup();
    assert_eq!(gates.len(), 49);
    assert_eq!(store.projection("gates", 10).await.expect("the Store answers").len(), 10);
    assert_eq!(
        store.projection("changes", 10).await.expect("the Store answers"),
        [("g1".to_owned(), "other".to_owned())]
    );
    assert!(store.projection("none", 10).await.expect("the Store answers").is_empty());
}

/// An epoch keeps its id and grows older.
pub async fn an_epoch_ages(subject: Subject) {
    let store = &subject.store;
    let first = store.epoch().await.expect("the Store answers");
    assert!(first.age < DEADLINE);
    until("the epoch grew older", async || {
        store.epoch().await.expect("the Store answers").age >= first.age + BRIEF
    })
    .await;
    let later = store.epoch().await.expect("the Store answers");
    assert_eq!((later.id, later.since), (first.id, first.since));
}

/// No more permits are out than the limit; one that is given back, or whose lease ends, is free.
pub async fn permits_are_bounded_and_come_back(subject: Subject) {
    let store = &subject.store;
    let ask =
        async |holder: &str, lease| store.acquire("prod", holder, 2, lease).await.expect("the Store answers");
    assert_eq!(ask("a", LONG).await, Admission::Admitted);
    assert_eq!(ask("b", LONG).await, Admission::Admitted);
    let Admission::Busy(wait) = ask("c", LONG).await else { panic!("a third permit of two") };
    assert!(wait > Duration::ZERO && wait <= TOLD, "{wait:?}");
    assert_eq!(ask("a", BRIEF).await, Admission::Admitted);
    assert_eq!(store.acquire("test", "c", 2, LONG).await.expect("the Store answers"), Admission::Admitted);
    store.give_back("prod", "b").await.expect("the Store answers");
    assert_eq!(ask("c", LONG).await, Admission::Admitted);
    until("the lease of a ended", async || ask("d", LONG).await == Admission::Admitted).await;
    assert!(matches!(ask("e", LONG).await, Admission::Busy(_)));
    assert!(matches!(
        store.acquire("none", "a", 0, LONG).await.expect("the Store answers"),
        Admission::Busy(_)
    ));
}

/// A pause comes before every permit, is never shortened, and ends.
pub async fn a_pause_is_never_shortened(subject: Subject) {
    let store = &subject.store;
    let ask = async |instance: &str| store.acquire(instance, "a", 4, LONG).await.expect("the Store answers");
    assert_eq!(ask("prod").await, Admission::Admitted);
    assert_eq!(store.paused("prod").await.expect("the Store answers"), None);
    store.pause("prod", LONG).await.expect("the Store answers");
    store.pause("prod", BRIEF).await.expect("the Store answers");
    let Admission::Paused(left) = ask("prod").await else { panic!("it is paused") };
    assert!(left <= LONG && left > LONG - DEADLINE, "{left:?}");
    store.pause("prod", 2 * LONG).await.expect("the Store answers");
    let Admission::Paused(left) = ask("prod").await else { panic!("it is paused") };
    assert!(left > LONG, "{left:?}");
    assert_eq!(ask("test").await, Admission::Admitted);
    store.pause("test", BRIEF).await.expect("the Store answers");
    let left = store.paused("prod").await.expect("the Store answers").expect("it is paused");
    assert!(left > LONG && left <= 2 * LONG, "{left:?}");
    until("the pause ended", async || ask("test").await == Admission::Admitted).await;
    assert_eq!(store.paused("test").await.expect("the Store answers"), None);
}

/// A Store that answers says so.
pub async fn a_store_that_is_there_answers(subject: Subject) {
    subject.store.ping().await.expect("the Store answers");
}

/// Every call on a Store that is gone is an error, and soon.
pub async fn everything_errs_in_time(store: &Arc<dyn Store>) {
    let key = ["hint:a".to_owned()];
    let told = async |verb: &str, failed: bool| assert!(failed, "{verb} answered without a Store");
    macro_rules! errs {
        ($($verb:ident($($argument:expr),*);)+) => { $(
            let outcome = timeout(TOLD, store.$verb($($argument),*)).await;
            let outcome = outcome.unwrap_or_else(|_| panic!("{} took longer than {TOLD:?}", stringify!($verb)));
            told(stringify!($verb), outcome.is_err()).await;
        )+ };
    }
    errs! {
        claim("a", "a", LONG);
        swap("a", "a", "b", LONG);
        release("a", "a");
        get("a");
        put("a", "a", LONG);
        present(&key);
        advance("a", 1, "a", LONG);
        project("gates", "a", "a");
        unproject("gates", "a");
        projected("gates", "a");
        projection("gates", 10);
        epoch();
        acquire("prod", "a", 1, LONG);
        give_back("prod", "a");
        pause("prod", LONG);
        paused("prod");
        ping();
    }
}

/// Runs every function of this module against the subject that an `async fn() -> Subject` makes.
#[macro_export]
macro_rules! store_conformance {
    ($subject:path) => {
        $crate::store_conformance!($subject:
            a_claim_is_won_once,
            a_claim_ends_by_itself,
            only_the_holder_swaps_and_releases,
            a_swap_renews_the_expiry,
            what_is_put_is_present_until_it_expires,
            the_chain_rule_holds_over_its_grid,
            a_silent_chain_ends,
            projections_hold_what_was_written_last,
            an_epoch_ages,
            permits_are_bounded_and_come_back,
            a_pause_is_never_shortened,
            a_store_that_is_there_answers,
        );
    };
    ($subject:path: $($name:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::store_conformance::$name($subject().await).await;
            }
        )+
    };
}
