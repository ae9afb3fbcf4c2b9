#![doc = include_str!("../README.md")]

pub mod clock;
pub mod github;
pub mod journal;
pub mod outbox;
mod pem;
pub mod request_log;
pub mod serve;
pub mod servicenow;
pub mod tls;
