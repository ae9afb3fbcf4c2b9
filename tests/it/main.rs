//! Stories on real RabbitMQ and Redis.

mod broker_rabbitmq;
