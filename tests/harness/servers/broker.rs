//! A RabbitMQ node for the stories in which the broker itself fails.

use std::time::Duration;

use super::process::{Server, free_port};
use super::test_directory;

const START_MAX: Duration = Duration::from_secs(90);

/// A RabbitMQ node of one test, which may be killed and started again with what it has stored.
#[derive(Debug)]
pub struct PrivateBroker(Server);

impl PrivateBroker {
    /// Starts a node (about 6 s) and waits until it takes connections.
    pub fn start() -> Self {
        let port = free_port();
        let directory = test_directory().join(format!("rabbitmq-{port}"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lib/rabbitmq-node");
        let arguments = vec![script.into(), directory.display().to_string(), port.to_string()];
        let mut broker = Self(Server::new(port, directory, arguments));
        broker.restart();
        broker
    }

    /// Where to connect; the same after a restart.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/t0", self.0.port)
    }

    /// Ends the node at once, without a chance to write anything.
    pub fn kill9(&mut self) {
        self.0.kill9();
    }

    /// Ends the node in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Stops the node's clock: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.0.signal("-STOP");
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        self.0.signal("-CONT");
    }

    /// Starts the node again (after `kill9` or `stop`) and waits until it takes connections.
    pub fn restart(&mut self) {
        // The protocol header of AMQP 0.9.1 is answered with a method frame (type 1).
        self.0.start(START_MAX, b"AMQP\x00\x00\x09\x01", b"\x01");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn a_private_broker_comes_back_after_a_kill() {
        let mut broker = PrivateBroker::start();
        let url = broker.amqp_url();
        broker.kill9();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, broker.0.port)).is_err(), "it still listens");
        broker.restart();
        assert_eq!(broker.amqp_url(), url);
        broker.stop();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, broker.0.port)).is_err(), "it still listens");
    }
}
