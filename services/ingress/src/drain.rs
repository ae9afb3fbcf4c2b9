//! Draining the spool: oldest first, marked as repeated, each entry forgotten after its confirm.
//!
//! What comes in meanwhile goes straight to the broker and may overtake what waits here. That is harmless: a worker
//! asks the record how things stand, and takes from an event only that something may have happened.

use std::time::Duration;

use interlock_runtime::ports::broker::PublishError;
use interlock_runtime::ports::spool::{Entry, Spool, SpoolError};
use interlock_runtime::signals::Shutdown;
use tokio::time::timeout;

use crate::Ingress;

/// How many entries share a publication at most.
const TOGETHER_MAX: usize = 32;
/// Fewer after a failure, so that a bad entry, or a slow broker, does not hold up all; more after a success.
const FEWER: usize = 4;
const MORE: usize = 2;
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// So often an entry fails alone, with a broker that is well, until it is put aside: ten minutes at the least.
const TRIES_MAX: u32 = 10;

/// What came of one turn.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing waits.
    Empty,
    /// Something left the queue of those that wait.
    Went,
    /// Nothing did.
    Stuck,
}

/// What a drain remembers from turn to turn.
#[derive(Debug)]
struct Memory {
    /// How many entries share the next publication.
    together: usize,
    /// The entry that failed alone, and how often.
    failed: (i64, u32),
    /// Turns in which nothing went.
    stuck: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { together: TOGETHER_MAX, failed: (0, 0), stuck: 0 }
    }
}

impl Ingress {
    /// Drains whenever the broker is there, for as long as the process runs.
    pub(crate) async fn keep_draining(self, shutdown: Shutdown) {
        let Some(spool) = self.inner.parts.spool.clone() else { return };
        let mut memory = Memory::default();
        while !shutdown.has_begun() {
            tokio::select! {
                () = shutdown.begun() => {}
                () = self.drain_once(&*spool, &mut memory) => {}
            }
        }
        let left = spool.fill().entries;
        if left > 0 {
            tracing::warn!(
                left,
                "the spool holds what the broker has not: start ingress on this folder again"
            );
        }
    }

    async fn drain_once(&self, spool: &dyn Spool, memory: &mut Memory) {
        // Its sender lives as long as this.
        let _ = self.inner.broker_up.subscribe().wait_for(|up| *up).await;
        let turn = self.turn(spool, memory).await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "the spool cannot be drained");
            Turn::Stuck
        });
        self.measure();
        match turn {
            Turn::Empty => {
                memory.stuck = 0;
                self.inner.spooled.notified().await;
            }
            Turn::Went => memory.stuck = 0,
            Turn::Stuck => {
                let pause = PAUSE_MAX.min(PAUSE_MIN * 2_u32.saturating_pow(memory.stuck));
                memory.stuck = memory.stuck.saturating_add(1).min(16);
                tokio::time::sleep(self.inner.parts.clock.jittered(pause)).await;
            }
        }
    }

    async fn turn(&self, spool: &dyn Spool, memory: &mut Memory) -> Result<Turn, SpoolError> {
        let entries = spool.oldest(memory.together).await?;
        let (readable, unreadable): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.events.is_ok());
        for Entry { id, events } in &unreadable {
            set_aside(spool, *id, events.as_ref().err().map_or("", String::as_str)).await?;
        }
        if readable.is_empty() {
            return Ok(if unreadable.is_empty() { Turn::Empty } else { Turn::Went });
        }
        let ids: Vec<i64> = readable.iter().map(|entry| entry.id).collect();
        let events: Vec<_> =
            readable.into_iter().flat_map(|entry| entry.events.unwrap_or_default()).collect();
        let published = timeout(PUBLISH_TIMEOUT, self.inner.parts.broker.publish(&events, true)).await;
        let reason = match published {
            Ok(Ok(())) => {
                memory.together = TOGETHER_MAX.min(memory.together * MORE);
                tracing::info!(entries = ids.len(), "what was spooled is published");
                return spool.forget(&ids).await.map(|()| Turn::Went);
            }
            Ok(Err(error)) => error,
            Err(_) => PublishError::Gone("nothing was heard".into()),
        };
        tracing::warn!(%reason, entries = ids.len(), "what was spooled cannot be published now");
        self.inner.doubt.notify_one();
        if ids.len() > 1 {
            memory.together = (ids.len() / FEWER).max(1);
            return Ok(Turn::Stuck);
        }
        self.failed_alone(spool, memory, ids[0], &reason).await
    }

    /// An entry that fails again and again beside a broker that is well is at fault itself. A full queue is not its
    /// fault, and neither is a missing one.
    async fn failed_alone(
        &self,
        spool: &dyn Spool,
        memory: &mut Memory,
        id: i64,
        reason: &PublishError,
    ) -> Result<Turn, SpoolError> {
        if matches!(reason, PublishError::Full { .. }) || !self.is_well().await {
            return Ok(Turn::Stuck);
        }
        let (before, times) = memory.failed;
        memory.failed = (id, if before == id { times + 1 } else { 1 });
        if memory.failed.1 < TRIES_MAX {
            return Ok(Turn::Stuck);
        }
        set_aside(spool, id, &reason.to_string()).await?;
        Ok(Turn::Went)
    }

    /// Tells how full the spool is.
    pub(crate) fn measure(&self) {
        let Some(spool) = &self.inner.parts.spool else { return };
        let fill = spool.fill();
        let age =
            fill.oldest.map_or(0, |oldest| (self.inner.parts.clock.now() - oldest).num_seconds().max(0));
        let gauges = [
            ("interlock_spool_entries", fill.entries),
            ("interlock_spool_aside", fill.aside),
            ("interlock_spool_bytes", fill.bytes),
            ("interlock_spool_oldest_seconds", age.unsigned_abs()),
        ];
        for (name, value) in gauges {
            metrics::gauge!(name).set(value as f64);
        }
    }
}

async fn set_aside(spool: &dyn Spool, id: i64, reason: &str) -> Result<(), SpoolError> {
    tracing::error!(entry = id, reason, "an entry of the spool can never be published: it is kept aside");
    spool.set_aside(id, reason).await
}
