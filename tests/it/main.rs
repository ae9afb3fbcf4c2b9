//! Stories on real RabbitMQ and Redis.

#![allow(clippy::unwrap_used)]

mod broker_embedded;
mod broker_rabbitmq;
mod demo;
mod platform_pause;
mod store;
mod stories;
