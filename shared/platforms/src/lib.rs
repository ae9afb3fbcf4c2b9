//! CI/CD platforms: a folder each, told of by webhooks and answered through their API.
#![doc = include_str!("../README.md")]

mod adapters;
mod artifact;
mod error;
mod github;
mod lost;
mod pause;
mod platform;

pub(crate) use adapters::Adapter;
pub use adapters::{Entry, Platforms, adapters, platforms};
pub use artifact::Artifact;
pub use error::PlatformError;
pub use lost::{LookBack, Place, Undelivered};
pub use platform::Platform;
