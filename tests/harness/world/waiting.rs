//! Waiting: for a condition, with a deadline. The only place where a story sleeps.

use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// What must happen without a deadline of its own happens within this time, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

/// Asks until the answer is `Some`.
///
/// # Panics
/// When `within` is over, naming `what`.
pub async fn until<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
