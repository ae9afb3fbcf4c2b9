//! Stories on real RabbitMQ and Redis.
