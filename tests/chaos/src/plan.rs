//! What breaks when: drawn from the seed, and so known before it begins.

use std::time::Duration;

use crate::dice::Dice;
use crate::dose::Asked;

/// Something that is done to the running system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// This process is killed, and starts again after a while.
    Kill(usize, Duration),
    /// This process stands still for a while.
    Freeze(usize, Duration),
    /// Redis forgets everything.
    Flush,
    /// RabbitMQ is killed, and starts again after a while.
    KillBroker(Duration),
}

/// All blows of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Deployments begin within this time.
    pub begin_within: Duration,
    /// Blows fall for so long.
    pub lasts: Duration,
    /// Each at its time, in order.
    pub blows: Vec<(Duration, Blow)>,
}

const KILL_EVERY: Duration = Duration::from_secs(5);
const FREEZE_EVERY: Duration = Duration::from_secs(7);
const FLUSH_EVERY: Duration = Duration::from_secs(5);
const KILL_BROKER_EVERY: Duration = Duration::from_secs(30);
/// So many deployments begin in a second.
const DEPLOYMENTS_A_SECOND: u64 = 8;
const LASTS_MIN: u64 = 60;

impl Plan {
    /// For so many deployments, among so many processes.
    pub fn new(deployments: u64, processes: usize, seed: u64) -> Self {
        let begin_within = Duration::from_secs(deployments / DEPLOYMENTS_A_SECOND + 1);
        let lasts = (begin_within + Duration::from_secs(15)).max(Duration::from_secs(LASTS_MIN));
        let dice = Dice::of(seed, "plan");
        let one = || dice.below(processes as u64) as usize;
        let seconds =
            |from: u64, to: u64| Duration::from_millis(from * 1000 + dice.below((to - from) * 1000));
        let mut blows = Vec::new();
        blows.extend(times(KILL_EVERY, lasts, &dice).map(|at| (at, Blow::Kill(one(), seconds(0, 4)))));
        blows.extend(times(FREEZE_EVERY, lasts, &dice).map(|at| (at, Blow::Freeze(one(), seconds(1, 9)))));
        blows.extend(times(FLUSH_EVERY, lasts, &dice).map(|at| (at, Blow::Flush)));
        blows.extend(times(KILL_BROKER_EVERY, lasts, &dice).map(|at| (at, Blow::KillBroker(seconds(1, 4)))));
        blows.sort_by_key(|(at, _)| *at);
        Self { begin_within, lasts, blows }
    }

    /// What of it must have happened: a process that lies still, or is dead, is not hit again.
    pub fn asked(&self) -> Asked {
        let count = |is: fn(&Blow) -> bool| self.blows.iter().filter(|(_, blow)| is(blow)).count() as u64;
        Asked {
            kills: count(|blow| matches!(blow, Blow::Kill(..))) / 2,
            freezes: count(|blow| matches!(blow, Blow::Freeze(..))) / 2,
            flushes: count(|blow| matches!(blow, Blow::Flush)),
            broker_kills: count(|blow| matches!(blow, Blow::KillBroker(_))),
        }
    }
}

/// Once in each interval, at any moment of its first half.
fn times(every: Duration, lasts: Duration, dice: &Dice) -> impl Iterator<Item = Duration> {
    let half = (every.as_millis() / 2) as u64;
    let count = (lasts.as_millis() / every.as_millis()) as u32;
    (0..count).map(move |number| every * number + Duration::from_millis(dice.below(half)))
}
