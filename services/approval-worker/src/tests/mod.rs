//! The shared poll before a simulated instance, in paused time.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod memory;
mod platform;
mod watching;
mod world;
