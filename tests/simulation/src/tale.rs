//! What happened, step by step: counted, hashed so that two runs can be compared, and told on demand.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Lines that are kept.
const LINES_MAX: usize = 200_000;

/// The steps of one run.
#[derive(Debug)]
pub struct Tale {
    began: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    steps: u64,
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Tale {
    /// An empty tale; `told` keeps the lines too.
    #[must_use]
    pub fn new(began: Instant, told: bool) -> Self {
        Self { began, inner: Mutex::new(Inner { lines: told.then(Vec::new), ..Inner::default() }) }
    }

    /// Adds a step.
    pub fn step(&self, who: &str, what: &str) {
        let at = self.began.elapsed();
        let mut inner = self.lock();
        inner.steps += 1;
        let bytes = at.as_micros().to_le_bytes();
        let all = bytes.iter().copied().chain(who.bytes()).chain(what.bytes());
        inner.hash = all.fold(inner.hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
        });
        if let Some(lines) = inner.lines.as_mut().filter(|lines| lines.len() < LINES_MAX) {
            lines.push(format!("{:>9.3} {who}: {what}", at.as_secs_f64()));
        }
    }

    /// How many steps there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// The same for the same steps at the same times in the same order.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// The lines, if they were kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.clone().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
