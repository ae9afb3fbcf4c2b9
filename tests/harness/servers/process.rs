//! A server process: started, asked until it answers, signalled, and ended with the test.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::reserve;

const STOP_MAX: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A process that listens on one port and keeps its files in one directory; it ends with this value and with the test.
#[derive(Debug)]
pub(super) struct Server {
    pub port: u16,
    pub directory: PathBuf,
    pub arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub fn new(port: u16, directory: PathBuf, arguments: Vec<String>) -> Self {
        Self { port, directory, arguments, child: None }
    }

    pub fn start(&mut self, within: Duration, question: &[u8], answer: &[u8]) {
        assert!(self.child.is_none(), "{} runs already", self.arguments[0]);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            spawn(command).unwrap_or_else(|error| panic!("cannot run {}: {error}", self.arguments[0]));
        self.child = Some(child);
        let ready = wait_until(within, || self.answers(question, answer) || self.has_ended());
        assert!(
            ready && !self.has_ended(),
            "{} did not start, see {}",
            self.arguments[0],
            self.directory.display()
        );
    }

    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| {
            child.try_wait().expect("a child of this process can be waited for").is_some()
        })
    }

    pub fn answers(&self, question: &[u8], answer: &[u8]) -> bool {
        let mut start = vec![0; answer.len()];
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            stream.write_all(question)?;
            stream.read_exact(&mut start)
        });
        asked.is_ok() && start == answer
    }

    pub fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
            assert!(
                sent.is_ok_and(|status| status.success()),
                "{} is not there to signal",
                self.arguments[0]
            );
        }
    }

    pub fn stop(&mut self) {
        self.signal("-TERM");
        if !wait_until(STOP_MAX, || self.has_ended()) {
            self.kill9();
        }
        self.child = None;
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only if it has ended already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Spawns from a thread that lives as long as the process: Linux ends a child when the *thread* that made it ends
/// (`prctl(2)`, `PR_SET_PDEATHSIG`), and the threads of tests and of a runtime come and go.
///
/// # Errors
/// Those of the spawn.
///
/// # Panics
/// Never: the spawner lives as long as the process.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, child) = mpsc::channel();
    spawner.send((command, reply)).expect("the spawner ends only with the process");
    child.recv().expect("the spawner answers each order")
}

/// A free port below the range of outgoing connections, reserved among the tests of this run.
///
/// # Panics
/// When none of a thousand is free.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u64 = 10_000;
    (0..1_000)
        .map(|_| FIRST + u16::try_from(RandomState::new().hash_one(()) % COUNT).expect("less than 10,000"))
        .find(|port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && reserve(&format!("port-{port}"))
        })
        .expect("one of a thousand random ports is free")
}

pub(crate) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}
