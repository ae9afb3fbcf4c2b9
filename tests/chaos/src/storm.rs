//! Lets the blows of a plan fall.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use interlock_tests::servers::{PrivateBroker, PrivateRedis};

use crate::cast::Cast;
use crate::dose::Dose;
use crate::plan::{Blow, Plan};

/// What can be broken.
pub struct Stage {
    /// Processes.
    pub cast: Cast,
    /// RabbitMQ.
    pub broker: PrivateBroker,
    /// Redis.
    pub redis: PrivateRedis,
    /// What was done.
    pub dose: Arc<Dose>,
}

/// What is mended later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mend {
    Start(usize),
    Thaw(usize),
    StartBroker,
}

impl Stage {
    /// Lets all blows fall, each at its time, and mends what they broke. It blocks.
    ///
    /// # Errors
    /// A process cannot be started again.
    pub fn storm(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut mends: Vec<(Duration, Mend)> = Vec::new();
        for (at, blow) in &plan.blows {
            self.mend_until(&mut mends, *at, began)?;
            let until = |rest: &Duration| began.elapsed() + *rest;
            match blow {
                Blow::Kill(number, rest) if !lies(&mends, *number) => {
                    if self.cast.kill(*number) {
                        Dose::count(&self.dose.kills);
                    }
                    mends.push((until(rest), Mend::Start(*number)));
                }
                Blow::Freeze(number, rest) if !lies(&mends, *number) => {
                    self.count_if(self.dose.clone(), |dose| &dose.freezes, *number, "-STOP");
                    mends.push((until(rest), Mend::Thaw(*number)));
                }
                Blow::KillBroker(rest) if !mends.iter().any(|(_, mend)| *mend == Mend::StartBroker) => {
                    self.broker.kill9();
                    Dose::count(&self.dose.broker_kills);
                    mends.push((until(rest), Mend::StartBroker));
                }
                Blow::Flush => {
                    self.redis.flush();
                    Dose::count(&self.dose.flushes);
                }
                _ => {}
            }
        }
        self.mend_until(&mut mends, Duration::MAX, began)
    }

    fn count_if(&mut self, dose: Arc<Dose>, which: fn(&Dose) -> &AtomicU64, number: usize, signal: &str) {
        if self.cast.signal(number, signal) {
            Dose::count(which(&dose));
        }
    }

    /// Waits until a moment, and mends on the way what is due; until the end of time: all.
    fn mend_until(
        &mut self,
        mends: &mut Vec<(Duration, Mend)>,
        until: Duration,
        began: Instant,
    ) -> anyhow::Result<()> {
        loop {
            mends.sort_by_key(|(at, _)| *at);
            let due = mends.first().filter(|(at, _)| *at <= until).copied();
            if due.is_none() && until == Duration::MAX {
                return Ok(());
            }
            let at = due.map_or(until, |(at, _)| at);
            std::thread::sleep(at.saturating_sub(began.elapsed()));
            let Some((_, mend)) = due else { return Ok(()) };
            mends.remove(0);
            match mend {
                Mend::Start(number) => self.cast.start(number)?,
                Mend::Thaw(number) => {
                    self.cast.signal(number, "-CONT");
                }
                Mend::StartBroker => self.broker.restart(),
            }
        }
    }
}

/// It is dead or frozen already.
fn lies(mends: &[(Duration, Mend)], number: usize) -> bool {
    mends.iter().any(|(_, mend)| matches!(mend, Mend::Start(one) | Mend::Thaw(one) if *one == number))
}
