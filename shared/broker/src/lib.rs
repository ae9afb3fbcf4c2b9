//! The Broker on RabbitMQ and on SQLite, and the topology that both follow.
#![doc = include_str!("../README.md")]

pub mod codec;
pub mod embedded;
pub mod rabbitmq;
pub mod spool;
mod sqlite;
pub mod topology;
