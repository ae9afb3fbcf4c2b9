//! A simulated process: everything that it does to the outside passes named points, where it may be
//! killed or frozen. A dead process's calls never return, so nothing of it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::tale::Tale;

/// One life of a process: from its start to its crash.
#[derive(Debug)]
pub struct Process {
    /// Such as `change-worker-1`.
    pub name: String,
    /// Counts the lives.
    pub life: u32,
    alive: AtomicBool,
    died: Notify,
    frozen_until: Mutex<Option<Instant>>,
    points: AtomicU64,
    /// Dies when it reaches this point.
    dies_at: AtomicU64,
    tale: Arc<Tale>,
}

impl Process {
    /// A process that lives.
    #[must_use]
    pub fn new(name: &str, life: u32, dies_at: Option<u64>, tale: Arc<Tale>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            life,
            alive: AtomicBool::new(true),
            died: Notify::new(),
            frozen_until: Mutex::default(),
            points: AtomicU64::new(0),
            dies_at: AtomicU64::new(dies_at.unwrap_or(u64::MAX)),
            tale,
        })
    }

    /// Passes a point: waits while frozen, and for ever when dead.
    pub async fn point(&self, what: &str) {
        let number = self.points.fetch_add(1, Ordering::Relaxed);
        self.tale.step(&self.name, what);
        if self.dies_at.load(Ordering::Relaxed) == number {
            self.kill();
        }
        self.running().await;
    }

    /// Waits while frozen, and for ever when dead; not a point.
    pub async fn running(&self) {
        loop {
            if !self.is_alive() {
                std::future::pending::<()>().await;
            }
            let until = *self.frozen_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if Instant::now() < until => sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Dies, as by kill -9.
    pub fn kill(&self) {
        self.tale.step(&self.name, "dies");
        self.alive.store(false, Ordering::Release);
        self.died.notify_one();
    }

    /// Dies after so many more points.
    pub fn kill_after(&self, points: u64) {
        self.dies_at.store(self.points() + points, Ordering::Relaxed);
    }

    /// Stands still for a while, as by SIGSTOP and SIGCONT.
    pub fn freeze(&self, how_long: Duration) {
        self.tale.step(&self.name, "freezes");
        *self.frozen_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + how_long);
    }

    /// Does it live?
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Waits until it dies; for one who waits.
    pub async fn until_dead(&self) {
        if self.is_alive() {
            self.died.notified().await;
        }
    }

    /// How many points it has passed.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }
}
