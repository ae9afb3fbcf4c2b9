//! How much was broken, counted where it was broken.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that everybody shares who breaks something.
#[derive(Debug, Default)]
pub struct Dose {
    /// Processes killed.
    pub kills: AtomicU64,
    /// Processes that stood still for a while.
    pub freezes: AtomicU64,
    /// Times that Redis forgot everything.
    pub flushes: AtomicU64,
    /// Times that RabbitMQ was killed.
    pub broker_kills: AtomicU64,
    /// Webhooks, each counted once.
    pub webhooks: AtomicU64,
    /// Of them sent twice.
    pub duplicates: AtomicU64,
    /// Writes at ServiceNow and GitHub.
    pub writes: AtomicU64,
    /// Of them done, but not answered.
    pub lost_answers: AtomicU64,
}

/// What must be reached.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Processes killed.
    pub kills: u64,
    /// Processes that stood still.
    pub freezes: u64,
    /// Times that Redis forgot everything.
    pub flushes: u64,
    /// Times that RabbitMQ was killed.
    pub broker_kills: u64,
}

/// Percentages are drawn: so far below the wish they may come out.
const DRAWN_MIN: (u64, u64) = (7, 10);

impl Dose {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What falls short of what was asked for.
    pub fn short_of(&self, asked: &Asked) -> Vec<String> {
        let share = |percent: u64, of: &AtomicU64| read(of) * percent * DRAWN_MIN.0 / (100 * DRAWN_MIN.1);
        let rows = [
            ("kills", read(&self.kills), asked.kills),
            ("freezes", read(&self.freezes), asked.freezes),
            ("flushes", read(&self.flushes), asked.flushes),
            ("broker kills", read(&self.broker_kills), asked.broker_kills),
            ("duplicates", read(&self.duplicates), share(crate::net::TWICE_PERCENT, &self.webhooks).max(1)),
            ("lost answers", read(&self.lost_answers), share(crate::net::LOST_PERCENT, &self.writes).max(1)),
        ];
        let short = rows.into_iter().filter(|(_, given, wanted)| given < wanted);
        short.map(|(name, given, wanted)| format!("{name}: {given} of {wanted}")).collect()
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl fmt::Display for Dose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, freezes, flushes, broker_kills, webhooks, duplicates, writes, lost_answers } = self;
        let [kills, freezes, flushes, broker_kills] = [kills, freezes, flushes, broker_kills].map(read);
        let [webhooks, duplicates, writes, lost] = [webhooks, duplicates, writes, lost_answers].map(read);
        write!(
            f,
            "dose: kills {kills}, freezes {freezes}, flushes {flushes}, broker kills {broker_kills}, duplicates \
             {duplicates} of {webhooks} webhooks, lost answers {lost} of {writes} writes"
        )
    }
}
