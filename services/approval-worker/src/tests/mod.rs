//! The shared poll before a simulated instance, in paused time.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod memory;
mod paused;
#[allow(dead_code, reason = "the tests of change-worker need more of it")]
mod platform;
mod watching;
mod world;
