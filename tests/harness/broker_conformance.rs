//! What every broker does alike. Each function takes a fresh broker and fails by panicking.
//!
//! A story file runs all of them against one implementation with [`broker_conformance!`](crate::broker_conformance).

mod dead_letters;
mod deliveries;
mod ends;
mod log;
mod watches;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use interlock_events::{Event, FaultRaised, RecordChanged, event};
use interlock_runtime::ports::broker::{Broker, Delivered, Inbox, Prefetch, Settlement, Then, Tier, Travel};
use tokio::time::timeout;

pub use self::dead_letters::*;
pub use self::deliveries::*;
pub use self::ends::*;
pub use self::log::*;
pub use self::watches::*;

/// A future in a box.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Ends a process's hold on its broker and opens it again.
pub type Crash = Box<dyn Fn(Arc<dyn Broker>) -> Boxed<Arc<dyn Broker>> + Send + Sync>;
/// Puts bytes that are no event into a worker's intake.
pub type Poison = Box<dyn Fn(Arc<dyn Broker>, &'static str, &'static [u8]) -> Boxed<()> + Send + Sync>;

/// A broker under test.
pub struct Subject {
    /// The broker, with its topology in place.
    pub broker: Arc<dyn Broker>,
    /// As a crash does: what is in hand is not settled.
    pub crash: Crash,
    /// Where something foreign can put bytes.
    pub poison: Option<Poison>,
    /// Kept until the end: directories, vhosts.
    pub keep: Box<dyn std::any::Any + Send + Sync>,
}

const APPROVAL: &str = "approval-worker";
const CHANGE: &str = "change-worker";
const PREFETCH: Prefetch = Prefetch { intake: 4, watch: 4 };
/// How long something that must come is waited for.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long nothing must come.
const QUIET: Duration = Duration::from_millis(500);

/// A fact that only approval-worker subscribes to.
#[must_use]
pub fn hint(name: &str) -> Event {
    let fact = RecordChanged {
        connection: "prod".into(),
        table: "change_request".into(),
        sys_id: name.into(),
        mod_count: "1".into(),
        change_sys_id: name.into(),
        key_hash: None,
        state: None,
        updated: None,
    };
    event("/tests", Utc::now(), &fact)
}

/// A fact that no worker subscribes to.
fn fault(name: &str) -> Event {
    let fact = FaultRaised {
        worker: APPROVAL.into(),
        event_id: name.into(),
        event_type: "t".into(),
        subject: None,
        reason: name.into(),
        attempts: 1,
    };
    event("/tests", Utc::now(), &fact)
}

async fn inbox(broker: &Arc<dyn Broker>, worker: &'static str) -> Box<dyn Inbox> {
    broker.consume(worker, PREFETCH).await.expect("the queues are there")
}

async fn next(inbox: &mut Box<dyn Inbox>) -> Delivered {
    let came = timeout(DEADLINE, inbox.next()).await.expect("a delivery in time");
    came.expect("the inbox is open").expect("the connection is there")
}

async fn stays_quiet(inbox: &mut Box<dyn Inbox>) {
    if let Ok(came) = timeout(QUIET, inbox.next()).await {
        panic!("nothing should come, but there was {came:?}");
    }
}

fn only(then: Then) -> Settlement {
    Settlement { publish: Vec::new(), then }
}

async fn ack(inbox: &dyn Inbox, delivered: &Delivered) {
    inbox.settler().settle(&delivered.receipt, &only(Then::Ack)).await.expect("settled");
}

async fn dead(inbox: &dyn Inbox, delivered: &Delivered, reason: &str, attempts: u32) {
    let then = Then::Dead { reason: reason.into(), attempts };
    inbox.settler().settle(&delivered.receipt, &only(then)).await.expect("settled");
}

async fn again(inbox: &dyn Inbox, delivered: &Delivered, travel: Travel) {
    let then = Then::Again { tier: Tier::OneSecond, travel: Box::new(travel) };
    inbox.settler().settle(&delivered.receipt, &only(then)).await.expect("settled");
}

/// Runs every function of this module against the subject that an `async fn() -> Subject` makes.
#[macro_export]
macro_rules! broker_conformance {
    ($subject:path) => {
        $crate::broker_conformance!($subject:
            a_fact_reaches_its_subscribers_and_nobody_else,
            a_repeated_publication_is_marked,
            competing_consumers_share_the_work,
            the_prefetch_bounds_what_is_in_hand,
            a_crash_brings_back_what_was_in_hand,
            a_watch_comes_again_with_state_and_tick,
            a_watch_may_go_round_again,
            a_refused_fact_waits_with_its_worker,
            what_follows_is_published,
            a_delivery_is_settled_once,
            many_are_settled_at_once,
            a_dead_letter_keeps_its_reason,
            a_dead_letter_is_replayed_into_a_watch,
            a_dead_letter_is_edited_or_dropped,
            the_log_is_read_from_a_time_on,
            the_log_has_an_end_while_others_publish,
            poison_arrives_as_unreadable,
            stopping_gives_back_what_was_not_begun,
            a_take_up_reaches_one_worker_only,
            what_waits_is_counted,
            nothing_is_lost_in_a_crash,
        );
    };
    ($subject:path: $($name:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::broker_conformance::$name($subject().await).await;
            }
        )+
    };
}
