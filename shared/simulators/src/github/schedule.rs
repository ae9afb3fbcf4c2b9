//! Effects that happen by themselves later: a job that starts or ends, a request that commits late.
//! They never live in a request's future, since a dropped request drops its handler.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::api;
use super::call::Call;
use super::model::Outcome;
use super::world::World;

pub(super) enum Later {
    StartJob(u64),
    FinishJob(u64, Outcome),
    ExpireGate(u64),
    Commit(Box<Call>),
}

#[derive(Default)]
pub(super) struct Schedule {
    waiting: BTreeMap<(DateTime<Utc>, u64), Later>,
    pushed: u64,
}

impl Schedule {
    pub fn push(&mut self, due: DateTime<Utc>, later: Later) {
        self.pushed += 1;
        self.waiting.insert((due, self.pushed), later);
    }

    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    fn take_due(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Later)> {
        let entry = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((due, _), later) = entry.remove_entry();
        Some((due, later))
    }
}

impl World {
    /// Lets everything happen that was due by now, each at its own time and in order; says whether anything did.
    pub fn settle(&mut self, now: DateTime<Utc>) -> bool {
        let mut settled = false;
        while let Some((due, later)) = self.schedule.take_due(now) {
            settled = true;
            match later {
                Later::StartJob(deployment) => self.start_job(deployment, due),
                Later::FinishJob(deployment, outcome) => {
                    // A job that has ended in another way meanwhile stays so.
                    let _ended_before = self.finish(deployment, outcome, due);
                }
                Later::ExpireGate(deployment) => self.expire_gate(deployment, due),
                Later::Commit(call) => {
                    // Whoever asked has long gone: only the effect counts.
                    let _unheard = api::answer(self, due, &call);
                }
            }
        }
        settled
    }
}
