//! A Redis for the stories in which the store itself fails or forgets.

use std::fs;
use std::time::Duration;

use super::process::{Server, free_port};
use super::test_directory;

const START_MAX: Duration = Duration::from_secs(15);

/// A Redis of one test: it may be flushed and killed; it keeps nothing across a restart.
#[derive(Debug)]
pub struct PrivateRedis(Server);

impl PrivateRedis {
    /// Starts a server (some milliseconds) and waits until it answers.
    pub fn start() -> Self {
        let port = free_port();
        let directory = test_directory().join(format!("redis-{port}"));
        fs::create_dir_all(&directory).expect("the test directory is writable");
        let arguments =
            format!("redis-server --port {port} --bind 127.0.0.1 --appendonly no --loglevel warning --save")
                .split(' ')
                .map(String::from)
                .chain([String::new(), "--dir".into(), directory.display().to_string()])
                .collect();
        let mut redis = Self(Server::new(port, directory, arguments));
        redis.restart();
        redis
    }

    /// Where to connect; the same after a restart.
    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
    }

    /// Forgets everything that it holds.
    pub fn flush(&self) {
        assert!(self.0.answers(b"FLUSHALL\r\n", b"+OK"), "redis did not flush");
    }

    /// Ends the server at once.
    pub fn kill9(&mut self) {
        self.0.kill9();
    }

    /// Stops the server's clock: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.0.signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.0.signal("-CONT");
    }

    /// Starts the server again, empty, and waits until it answers.
    pub fn restart(&mut self) {
        self.0.start(START_MAX, b"PING\r\n", b"+PONG");
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::wait_until;
    use super::*;

    #[test]
    fn a_private_redis_forgets_when_it_is_flushed() {
        let redis = PrivateRedis::start();
        assert!(redis.0.answers(b"SET key value\r\n", b"+OK"));
        assert!(redis.0.answers(b"EXISTS key\r\n", b":1"));
        redis.flush();
        assert!(redis.0.answers(b"EXISTS key\r\n", b":0"));
    }

    #[test]
    fn a_private_server_outlives_the_thread_that_started_it() {
        let mut redis = std::thread::spawn(PrivateRedis::start).join().expect("it starts");
        let has_ended = wait_until(Duration::from_millis(500), || redis.0.has_ended());
        assert!(!has_ended, "it ended with the thread");
    }
}
