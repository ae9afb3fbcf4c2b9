//! Stories on real RabbitMQ and Redis.

mod broker_embedded;
mod broker_rabbitmq;
mod store;
mod stories;
