//! Stories on real RabbitMQ and Redis.

#![allow(clippy::unwrap_used)]

mod broker_embedded;
mod broker_rabbitmq;
mod demo;
mod faults;
mod platform_pause;
mod store;
mod stories;
