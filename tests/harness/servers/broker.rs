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

    /// Runs `rabbitmqctl` with these arguments; it takes a few seconds.
    ///
    /// # Panics
    /// When it fails.
    pub fn control(&self, arguments: &[&str]) {
        let directory = &self.0.directory;
        let ports = std::fs::read_to_string(directory.join("ports")).expect("the node wrote its ports");
        // The port mapper's stands first.
        let mapper = ports.split(|byte: char| !byte.is_ascii_digit()).find(|word| !word.is_empty());
        let mapper = mapper.expect("a port");
        let server =
            std::env::var("RABBITMQ_SERVER").unwrap_or("/usr/lib/rabbitmq/bin/rabbitmq-server".into());
        let done = std::process::Command::new(std::path::Path::new(&server).with_file_name("rabbitmqctl"))
            .envs([("HOME", directory.as_os_str()), ("ERL_EPMD_PORT", mapper.as_ref())])
            .env("RABBITMQ_CONF_ENV_FILE", directory.join("rabbitmq-env.conf"))
            .args(["-n", &format!("interlock-{}@localhost", self.0.port)])
            .args(arguments)
            .output()
            .expect("rabbitmqctl stands beside the server");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Lets a queue hold nothing more, as if it were full: a policy may only lower what its arguments say.
    pub fn fill(&self, queue: &str) {
        let pattern = format!("^{}$", queue.replace('.', "\\."));
        let full = r#"{"max-length-bytes":1}"#;
        self.control(&["set_policy", "-p", "t0", "--apply-to", "queues", queue, &pattern, full]);
    }

    /// Takes away what [`PrivateBroker::fill`] did.
    pub fn empty(&self, queue: &str) {
        self.control(&["clear_policy", "-p", "t0", queue]);
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
