//! Stories on real RabbitMQ and Redis.

mod broker_embedded;
mod broker_rabbitmq;
mod demo;
mod store;
mod stories;
