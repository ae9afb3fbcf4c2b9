//! The one table of exchanges, queues, bindings and arguments, for every core worker, also those that never ran.
//!
//! Every argument stands explicitly, so that RabbitMQ 3.10 and 4.x, whose defaults differ, behave alike.
//! Arguments of a queue are final: changing one here needs a new queue name.

use interlock_events::{
    ApprovalWithdrawn, ChangeClosed, ChangeOpened, DeploymentFinished, DeploymentRequested,
    DeploymentStarted, EventData, GateLost, GateObserved, GateRejected, GateReleased, RecordChanged,
    RunFinished,
};
use interlock_runtime::ports::broker::Tier;

/// Where facts are published; topic, routing key = event type.
pub const EVENTS: &str = "interlock.events";
/// Dead letters; direct, routing key = worker.
pub const DEAD: &str = "interlock.dead";
/// Into the delay tiers; direct, routing key = [`delay_key`].
pub const DELAY: &str = "interlock.delay";
/// Out of the delay tiers, and to one worker alone; direct, routing key = worker.
pub const RESUME: &str = "interlock.resume";
/// The stream of everything that was published.
pub const LOG: &str = "interlock.log";

/// How often a message may be returned before the broker gives it up; a backstop, the runtime is stricter.
pub const DELIVERY_LIMIT: i64 = 100;
/// Reading dead letters returns them, and looking must not delete.
pub const DEAD_DELIVERY_LIMIT: i64 = 1_000_000;
/// How much an intake may hold before it refuses.
pub const INTAKE_BYTES: i64 = 2 * 1024 * 1024 * 1024;
/// How much the dead letters of one worker may hold before they refuse; what dies then waits in its queue.
pub const DEAD_BYTES: i64 = 2 * 1024 * 1024 * 1024;
/// How much the intake of a worker that yields may hold before the oldest goes to its dead letters.
pub const YIELDING_BYTES: i64 = 256 * 1024 * 1024;
/// How much the log may hold; the oldest segments go first.
pub const LOG_BYTES: i64 = 10 * 1024 * 1024 * 1024;
/// How long the log keeps, in days.
pub const LOG_DAYS: u16 = 7;

/// After which time a worker tries again to publish a fact that a queue refused.
pub const OWED_FOR: Tier = Tier::FiveSeconds;

/// A worker and what it wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    /// Its name, in queue names and as routing key of what is for it alone.
    pub name: &'static str,
    /// The event types its intake is bound to.
    pub types: &'static [&'static str],
    /// Nobody waits for it: what it has no room for goes to its dead letters, and no publication is refused.
    pub yields: bool,
}

/// Every core worker.
pub const WORKERS: &[Worker] = &[
    Worker {
        name: "change-worker",
        types: &[
            DeploymentRequested::TYPE,
            DeploymentFinished::TYPE,
            RunFinished::TYPE,
            GateReleased::TYPE,
            GateRejected::TYPE,
            GateLost::TYPE,
            GateObserved::TYPE,
            ApprovalWithdrawn::TYPE,
        ],
        yields: false,
    },
    // A part of change-worker's role: however many files wait, no change and no gate waits behind them.
    Worker { name: "evidence", types: &[ChangeOpened::TYPE, ChangeClosed::TYPE], yields: true },
    Worker {
        name: "approval-worker",
        types: &[
            DeploymentRequested::TYPE,
            DeploymentStarted::TYPE,
            DeploymentFinished::TYPE,
            RunFinished::TYPE,
            ChangeOpened::TYPE,
            RecordChanged::TYPE,
        ],
        yields: false,
    },
];

/// The event types that a worker's intake is bound to; empty for a name that is not in the table.
#[must_use]
pub fn bindings(worker: &str) -> &'static [&'static str] {
    WORKERS.iter().find(|row| row.name == worker).map_or(&[], |row| row.types)
}

/// Whether a worker takes what it has room for and nobody waits for it.
#[must_use]
pub fn yields(worker: &str) -> bool {
    WORKERS.iter().any(|row| row.name == worker && row.yields)
}

/// A worker's intake.
#[must_use]
pub fn intake(worker: &str) -> String {
    format!("interlock.{worker}")
}

/// Where a worker's deliveries come again; unbounded, because what is in it was taken responsibility for.
#[must_use]
pub fn watch(worker: &str) -> String {
    format!("interlock.{worker}.watch")
}

/// A worker's dead letters.
#[must_use]
pub fn dead(worker: &str) -> String {
    format!("interlock.{worker}.dead")
}

/// One of a worker's delay tiers.
#[must_use]
pub fn delay(worker: &str, tier: Tier) -> String {
    format!("interlock.{worker}.delay.{}", tier.name())
}

/// The routing key into a worker's tier.
#[must_use]
pub fn delay_key(worker: &str, tier: Tier) -> String {
    format!("{worker}.{}", tier.name())
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Equal routing keys.
    Direct,
    /// Patterns of routing keys.
    Topic,
}

/// Every exchange; all durable.
pub const EXCHANGES: &[(&str, Routing)] =
    &[(EVENTS, Routing::Topic), (DEAD, Routing::Direct), (DELAY, Routing::Direct), (RESUME, Routing::Direct)];

/// The value of a queue argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
}

/// A durable queue or stream with its bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// All its arguments.
    pub arguments: Vec<(&'static str, Argument)>,
    /// Exchange and routing key.
    pub bindings: Vec<(&'static str, String)>,
}

/// Every queue, and the log.
#[must_use]
pub fn queues() -> Vec<Queue> {
    let mut all: Vec<_> = WORKERS.iter().flat_map(|worker| queues_of(worker.name)).collect();
    all.push(log_stream());
    all
}

/// A worker's queues: intake first, then watch, dead letters, and its tiers.
///
/// Tiers are a worker's own: the broker dead-letters with one window of 32 messages a source queue, so
/// that one full or unbound target would hold up everybody else who shares the tier.
#[must_use]
pub fn queues_of(worker: &'static str) -> Vec<Queue> {
    let mut queues = vec![intake_queue(worker), watch_queue(worker), dead_queue(worker)];
    queues.extend(Tier::ALL.map(|tier| tier_queue(worker, tier)));
    queues
}

fn text(value: &str) -> Argument {
    Argument::Text(value.to_owned())
}

/// At-least-once dead-lettering falls back to at most once unless the overflow is `reject-publish`
/// (RabbitMQ, "Quorum Queues: Dead Lettering"); without a bound that never refuses anything.
fn dead_lettering(exchange: &str, routing_key: &str, delivery_limit: i64) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", Argument::Number(delivery_limit)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-routing-key", text(routing_key)),
        ("x-dead-letter-strategy", text("at-least-once")),
    ]
}

fn intake_queue(worker: &str) -> Queue {
    let arguments = if yields(worker) { yielding(worker) } else { refusing(worker) };
    let bindings = bindings(worker).iter().map(|ty| (EVENTS, (*ty).to_owned())).collect();
    Queue { name: intake(worker), arguments, bindings }
}

fn refusing(worker: &str) -> Vec<(&'static str, Argument)> {
    let mut arguments = dead_lettering(DEAD, worker, DELIVERY_LIMIT);
    arguments.push(("x-max-length-bytes", Argument::Number(INTAKE_BYTES)));
    arguments
}

/// What is dropped at its head is dead-lettered too, at most once: nothing else goes with `drop-head`.
fn yielding(worker: &str) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
        ("x-overflow", text("drop-head")),
        ("x-dead-letter-exchange", text(DEAD)),
        ("x-dead-letter-routing-key", text(worker)),
        ("x-dead-letter-strategy", text("at-most-once")),
        ("x-max-length-bytes", Argument::Number(YIELDING_BYTES)),
    ]
}

fn watch_queue(worker: &str) -> Queue {
    let arguments = dead_lettering(DEAD, worker, DELIVERY_LIMIT);
    Queue { name: watch(worker), arguments, bindings: vec![(RESUME, worker.to_owned())] }
}

fn tier_queue(worker: &str, tier: Tier) -> Queue {
    let mut arguments = dead_lettering(RESUME, worker, DELIVERY_LIMIT);
    let ttl = i64::try_from(tier.duration().as_millis()).unwrap_or(i64::MAX);
    arguments.push(("x-message-ttl", Argument::Number(ttl)));
    Queue { name: delay(worker, tier), arguments, bindings: vec![(DELAY, delay_key(worker, tier))] }
}

fn dead_queue(worker: &str) -> Queue {
    let arguments = vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", Argument::Number(DEAD_DELIVERY_LIMIT)),
        ("x-overflow", text("reject-publish")),
        ("x-max-length-bytes", Argument::Number(DEAD_BYTES)),
    ];
    Queue { name: dead(worker), arguments, bindings: vec![(DEAD, worker.to_owned())] }
}

fn log_stream() -> Queue {
    let arguments = vec![
        ("x-queue-type", text("stream")),
        ("x-max-age", Argument::Text(format!("{LOG_DAYS}D"))),
        ("x-max-length-bytes", Argument::Number(LOG_BYTES)),
        ("x-stream-max-segment-size-bytes", Argument::Number(50_000_000)),
    ];
    Queue { name: LOG.to_owned(), arguments, bindings: vec![(EVENTS, "#".to_owned())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binding_is_a_type_of_the_catalogue() {
        let known: Vec<_> = interlock_events::catalogue().into_iter().map(|entry| entry.ty).collect();
        for worker in WORKERS {
            assert!(worker.types.iter().all(|ty| known.contains(ty)), "{}", worker.name);
        }
    }

    #[test]
    fn every_queue_has_one_name_and_is_bound_to_a_declared_exchange() {
        let mut seen = std::collections::BTreeSet::new();
        for queue in queues() {
            assert!(seen.insert(queue.name.clone()), "{} stands twice", queue.name);
            assert!(!queue.bindings.is_empty(), "{}", queue.name);
            for (exchange, _) in &queue.bindings {
                assert!(EXCHANGES.iter().any(|(name, _)| name == exchange), "{exchange}");
            }
        }
    }

    #[test]
    fn what_is_dead_lettered_at_least_once_rejects_on_overflow() {
        for queue in queues() {
            let value = |name| queue.arguments.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
            if value("x-dead-letter-strategy") == Some(text("at-least-once")) {
                assert_eq!(value("x-overflow"), Some(text("reject-publish")), "{}", queue.name);
            }
        }
    }

    #[test]
    fn whoever_waits_for_evidence_refuses_no_publication() {
        for queue in
            queues().into_iter().filter(|queue| queue.bindings.iter().any(|(from, _)| *from == EVENTS))
        {
            let refuses = queue.arguments.contains(&("x-overflow", text("reject-publish")));
            let may = queue.name != LOG && queue.name != intake("evidence");
            assert_eq!(refuses, may, "{}", queue.name);
        }
    }

    #[test]
    fn only_the_watch_and_its_tiers_are_without_a_bound() {
        for queue in queues() {
            let bound = queue.arguments.iter().any(|(name, _)| *name == "x-max-length-bytes");
            let unbound = queue.name.ends_with(".watch") || queue.name.contains(".delay.");
            assert_eq!(bound, !unbound, "{}", queue.name);
        }
    }

    #[test]
    fn an_unknown_worker_wants_nothing() {
        assert!(bindings("nobody").is_empty());
        assert!(bindings("change-worker").contains(&DeploymentRequested::TYPE));
    }
}
