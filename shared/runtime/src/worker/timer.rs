//! Things to do every so often, by one process at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::Event;
use tokio::task::JoinHandle;

use super::Context;
use crate::ports::broker::PublishError;
use crate::ports::store::Claim;
use crate::signals::Shutdown;

/// Something to do every so often. It logs its own faults; the next turn comes anyway.
#[async_trait]
pub trait Task: Send + Sync + 'static {
    /// One turn; what it found is published. It is dropped after ten intervals.
    async fn turn(&self) -> Found;
}

/// What a turn found.
#[derive(Debug, Default)]
pub struct Found {
    /// New facts, for everybody.
    pub facts: Vec<Event>,
    /// Facts that somebody may have had before: for everybody, marked as a repeat.
    pub repeats: Vec<Event>,
    /// What this worker alone must look at again, marked as a repeat.
    pub take_up: Vec<Event>,
}

impl From<Vec<Event>> for Found {
    fn from(facts: Vec<Event>) -> Self {
        Self { facts, ..Self::default() }
    }
}

#[derive(Clone)]
pub(super) struct Timer {
    worker: &'static str,
    interval: Duration,
    name: &'static str,
    task: Arc<dyn Task>,
}

/// Without a Store nobody holds the lease, and every process takes one turn in so many.
const TURNS_WITHOUT_STORE: u32 = 4;

const PUBLISH_ATTEMPTS_MAX: u32 = 12;
const PUBLISH_PAUSE_MIN: Duration = Duration::from_millis(200);
const PUBLISH_PAUSE_MAX: Duration = Duration::from_secs(10);

impl Timer {
    pub(super) fn new(worker: &'static str, interval: Duration, name: &'static str, task: impl Task) -> Self {
        Self { worker, interval, name, task: Arc::new(task) }
    }

    pub(super) fn start(self, context: Context, shutdown: Shutdown) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut turn = 0_u32;
            while tokio::time::timeout(context.clock.jittered(self.interval), shutdown.begun()).await.is_err()
            {
                turn = turn.wrapping_add(1);
                if self.is_ours(&context, turn).await {
                    self.take_turn(&context).await;
                }
            }
        })
    }

    async fn take_turn(&self, context: &Context) {
        match tokio::time::timeout(self.interval * 10, self.task.turn()).await {
            Ok(found) => self.publish(&found, context).await,
            Err(_) => tracing::warn!(timer = self.name, "a turn took too long and was dropped"),
        }
    }

    /// Tries for about a minute. What is not confirmed even then is found again: a turn only hastens what a
    /// watch does anyway, or comes again itself.
    async fn publish(&self, found: &Found, context: &Context) {
        let mut pause = PUBLISH_PAUSE_MIN;
        let mut left = Left::of(found);
        for attempt in 1..=PUBLISH_ATTEMPTS_MAX {
            let Err(fault) = left.publish(self.worker, context).await else { return };
            tracing::warn!(timer = self.name, attempt, %fault, "what a turn found is not published");
            tokio::time::sleep(context.clock.jittered(pause)).await;
            pause = (pause * 2).min(PUBLISH_PAUSE_MAX);
        }
    }

    /// The lease ends by itself before the next turn, so that any process may take that one.
    async fn is_ours(&self, context: &Context, turn: u32) -> bool {
        let lease = format!("lease:{}", self.name);
        let until = self.interval.mul_f64(0.9);
        match context.store.claim(&lease, &context.clock.tag(), until).await {
            Ok(Claim::Won) => true,
            Ok(Claim::Held(_)) => false,
            Err(_) => turn.is_multiple_of(TURNS_WITHOUT_STORE),
        }
    }
}

/// What of a turn is not confirmed yet.
struct Left<'a> {
    facts: &'a [Event],
    repeats: &'a [Event],
    take_up: &'a [Event],
}

impl<'a> Left<'a> {
    fn of(found: &'a Found) -> Self {
        Self { facts: &found.facts, repeats: &found.repeats, take_up: &found.take_up }
    }

    async fn publish(&mut self, worker: &'static str, context: &Context) -> Result<(), PublishError> {
        if !self.facts.is_empty() {
            match context.broker.publish(self.facts, false).await {
                // The queues that were not full have them: sending them again and again would fill those.
                Err(PublishError::Full { .. } | PublishError::Refused { .. }) => {
                    context.broker.owe(worker, self.facts).await?;
                }
                published => published?,
            }
            self.facts = &[];
        }
        if !self.repeats.is_empty() {
            match context.broker.publish(self.repeats, true).await {
                // The next turn finds them again.
                Err(PublishError::Full { .. } | PublishError::Refused { .. }) => {}
                published => published?,
            }
            self.repeats = &[];
        }
        if !self.take_up.is_empty() {
            context.broker.take_up(worker, self.take_up).await?;
        }
        Ok(())
    }
}
