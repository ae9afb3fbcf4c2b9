//! Many seeds on all cores: one thread each, one runtime a seed.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use interlock_judge::Report;

use crate::play::play;
use crate::scenario;
use crate::script::Script;
use crate::world::Setting;

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Scripts that were played.
    pub seeds: u64,
    /// Calls, deliveries and acts.
    pub steps: u64,
    /// Faults in all scripts.
    pub faults: u64,
    /// Deployments in all scripts.
    pub deployments: u64,
    /// The fewest kinds of faults in one script.
    pub kinds_min: usize,
    /// The judge's numbers, summed up.
    pub report: Report,
    /// Seeds that break a promise, and which first.
    pub failed: Vec<(u64, &'static str)>,
    /// Worlds that could not be built, and why.
    pub broken: Vec<String>,
}

/// Plays `count` seeds from `first` on.
#[must_use]
pub fn many(first: u64, count: u64, setting: Setting) -> Sum {
    many_of(first, count, setting, &scenario::of)
}

/// The same with scripts of one's own.
#[must_use]
pub fn many_of(first: u64, count: u64, setting: Setting, script_of: &(dyn Fn(u64) -> Script + Sync)) -> Sum {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum { kinds_min: usize::MAX, ..Sum::default() });
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    one(&script_of(seed), setting, &sum);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.failed.sort_unstable();
    sum
}

fn one(script: &Script, setting: Setting, sum: &Mutex<Sum>) {
    let played = play(script, setting);
    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
    match played {
        Err(fault) => sum.broken.push(format!("{fault:#}")),
        Ok(played) => {
            sum.seeds += 1;
            sum.steps += played.steps;
            sum.faults += script.faults().count() as u64;
            sum.deployments += script.places() as u64;
            sum.kinds_min = sum.kinds_min.min(script.kinds());
            if let Some(finding) = played.report.findings.first() {
                sum.failed.push((script.seed, finding.promise));
            }
            sum.report.add(&played.report);
        }
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seeds, steps, faults, deployments, kinds_min, .. } = self;
        writeln!(
            f,
            "{seeds} seeds: {deployments} deployments, {steps} steps, {faults} faults, at least {kinds_min} kinds a seed"
        )?;
        let mut report = self.report.clone();
        report.findings.clear();
        write!(f, "{report}")?;
        writeln!(f, "failed: {:?}", self.failed)
    }
}
