//! Shutting down: one token that everything can await, raised by SIGTERM or SIGINT.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The exit code after a second signal: 128 + SIGINT, as shells report it.
const EXIT_AT_ONCE: i32 = 130;

/// Whether this process is to end. Clones share one state; once begun it never goes back.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { begun: watch::Sender::new(false) }
    }
}

impl Shutdown {
    /// A token that nobody has raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown. Repeats are harmless.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Has it begun?
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until it begins. May be dropped and called again.
    pub async fn begun(&self) {
        let mut receiver = self.begun.subscribe();
        // The sender lives in `self`, so the wait ends only with the shutdown.
        let _ = receiver.wait_for(|begun| *begun).await;
    }
}

/// Begins a [`Shutdown`] at the first SIGTERM or SIGINT, ends the process at the second.
///
/// The handlers stand when this returns, so that a signal during start-up is not lost.
///
/// # Errors
/// The operating system refuses a handler.
pub fn shutdown_on_signal() -> io::Result<Shutdown> {
    let shutdown = Shutdown::new();
    let mut signals = Signals::listen()?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!(signal.name = name, "shutting down; a second signal ends at once");
        token.begin();
        let name = signals.next().await;
        tracing::warn!(signal.name = name, "ending at once");
        std::process::exit(EXIT_AT_ONCE);
    });
    Ok(shutdown)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_who_waits_learns_of_the_shutdown() {
        let shutdown = Shutdown::new();
        let waiting = [shutdown.clone(), shutdown.clone()].map(|token| {
            tokio::spawn(async move {
                token.begun().await;
                token.has_begun()
            })
        });
        tokio::task::yield_now().await;
        assert!(!shutdown.has_begun());
        shutdown.begin();
        for task in waiting {
            assert!(tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn the_first_signal_begins_the_shutdown() {
        let shutdown = shutdown_on_signal().unwrap();
        assert!(!shutdown.has_begun());
        let kill = format!("kill -TERM {}", std::process::id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        tokio::time::timeout(Duration::from_secs(20), shutdown.begun()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_that_began_earlier_is_not_missed() {
        let shutdown = Shutdown::new();
        shutdown.begin();
        shutdown.begin();
        tokio::time::timeout(Duration::from_secs(1), shutdown.begun()).await.unwrap();
    }
}
