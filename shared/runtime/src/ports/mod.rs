//! The ports: what a process needs of the world outside, with two implementations each.
//!
//! `Broker` and `Store` run on RabbitMQ and Redis or embedded on SQLite; `Clock` and `Http` are real,
//! or simulated in one deterministic process. `Spool` is a file, or a list in tests. Handlers see nothing else of
//! the outside.

pub mod broker;
pub mod clock;
pub mod http;
pub mod spool;
pub mod store;
