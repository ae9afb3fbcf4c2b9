//! CI/CD platforms: a folder each, told of by webhooks and answered through their API.
#![doc = include_str!("../README.md")]

mod error;
mod platform;

pub use error::PlatformError;
pub use platform::Platform;
