//! Interlock's roles as processes of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{SOON, World, until};
use crate::servers::process::{spawn, wait_until};

const STOP_MAX: Duration = Duration::from_secs(40);
/// How much of a role's log is shown when its story fails.
const LOG_LINES: usize = 120;

/// What a process of the story does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Takes webhooks.
    Ingress,
    /// Writes changes.
    ChangeWorker,
    /// Answers gates.
    ApprovalWorker,
    /// All roles in one process.
    Run,
}

impl Role {
    /// The subcommand.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::ChangeWorker => "change-worker",
            Self::ApprovalWorker => "approval-worker",
            Self::Run => "run",
        }
    }

    fn admin(self) -> &'static str {
        match self {
            Self::Ingress => "ingress admin",
            Self::ChangeWorker => "change-worker admin",
            Self::ApprovalWorker => "approval-worker admin",
            Self::Run => "run admin",
        }
    }
}

/// A running role; it is killed with this value, and with the test.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} is not there to signal", self.name);
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process can be waited for").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// Starts every role and waits until all are ready.
    pub async fn start_all(&mut self) {
        for role in self.cast {
            self.launch(*role);
        }
        for role in self.cast {
            self.until_ready(*role).await;
        }
        // The story's own connection demands the topology, which a story may spoil later.
        self.events().await;
    }

    /// Starts a role and waits until it is ready.
    pub async fn start_role(&mut self, role: Role) {
        self.launch(role);
        self.until_ready(role).await;
    }

    /// Starts every role without waiting: what it needs may be down.
    pub fn launch_all(&mut self) {
        for role in self.cast {
            self.launch(*role);
        }
    }

    /// Starts a role without waiting.
    pub fn launch(&mut self, role: Role) {
        assert!(!self.roles.contains_key(&role), "{} runs already", role.name());
        let log = File::options().create(true).append(true).open(self.log_file(role));
        let log = log.expect("the test directory is writable");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(binary()).arg(role.name());
        command.arg("--config").arg(self.config_file());
        let broker = self.routes.get(&role).unwrap_or(&self.amqp_url);
        command.env("INTERLOCK__BROKER", broker).env("INTERLOCK__STORE", self.redis.redis_url());
        command.env("INTERLOCK__ADMIN__LISTEN", format!("127.0.0.1:{}", self.ports[role.admin()]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot run setpriv: {error}"));
        self.roles.insert(role, Process { child, name: role.name() });
    }

    /// Ends a role at once, as a crash would.
    pub fn kill(&mut self, role: Role) {
        drop(self.roles.remove(&role).unwrap_or_else(|| panic!("{} does not run", role.name())));
    }

    /// Asks a role to end and waits until it has.
    pub fn stop(&mut self, role: Role) {
        let mut process = self.roles.remove(&role).unwrap_or_else(|| panic!("{} does not run", role.name()));
        process.signal("-TERM");
        assert!(wait_until(STOP_MAX, || process.has_ended()), "{} does not end when told to", role.name());
    }

    /// Waits until a role has ended by itself; its exit code.
    ///
    /// # Panics
    /// When it goes on.
    pub fn until_ended(&mut self, role: Role) -> Option<i32> {
        let mut process = self.roles.remove(&role).unwrap_or_else(|| panic!("{} does not run", role.name()));
        assert!(wait_until(STOP_MAX, || process.has_ended()), "{} goes on", role.name());
        process.child.wait().expect("a child of this process can be waited for").code()
    }

    /// Runs a tool of the binary on this world's broker and store; what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn tool(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.config_file());
        command.env("INTERLOCK__BROKER", &self.amqp_url).env("INTERLOCK__STORE", self.redis.redis_url());
        let done = command.stdin(Stdio::null()).output().expect("the binary runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// A role reaches the broker by this address from its next start on.
    pub fn reroute(&mut self, role: Role, amqp_url: String) {
        self.routes.insert(role, amqp_url);
    }

    /// Whoever connects to the broker from now on does it as this user.
    pub fn sign_in(&mut self, user: &str, password: &str) {
        let (_, rest) = self.amqp_url.split_once('@').expect("the address names a user");
        self.amqp_url = format!("amqp://{user}:{password}@{rest}");
    }

    /// Stops a role's clock: it lives and does nothing.
    pub fn freeze(&self, role: Role) {
        self.roles[&role].signal("-STOP");
    }

    /// Lets a frozen role go on.
    pub fn thaw(&self, role: Role) {
        self.roles[&role].signal("-CONT");
    }

    /// The process of a role is there.
    pub fn is_alive(&mut self, role: Role) -> bool {
        self.roles.get_mut(&role).is_some_and(|process| !process.has_ended())
    }

    /// Waits until a role says that it is ready.
    pub async fn until_ready(&mut self, role: Role) {
        until(&format!("{} is ready", role.name()), SOON, async || {
            assert!(self.is_alive(role), "{} has ended", role.name());
            self.readiness(role).await.filter(|status| *status == 200)
        })
        .await;
    }

    /// What a role answers to the question whether it is ready.
    pub async fn readiness(&self, role: Role) -> Option<u16> {
        let answer = self.http().get(self.admin_url(role, "/health/ready")).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// The sum of a metric over all that carry these labels (`outcome="ignored"`); 0 before it was first counted.
    pub async fn metric(&self, role: Role, name: &str, labels: &[&str]) -> f64 {
        let Ok(answer) = self.http().get(self.admin_url(role, "/metrics")).send().await else { return 0.0 };
        let text = answer.text().await.unwrap_or_default();
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let labelled = |line: &&str| labels.iter().all(|label| line.contains(label));
        text.lines()
            .filter(of_name)
            .filter(labelled)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// What a role has logged so far, of all its lives.
    pub fn log(&self, role: Role) -> String {
        fs::read_to_string(self.log_file(role)).unwrap_or_default()
    }

    fn admin_url(&self, role: Role, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[role.admin()])
    }

    fn log_file(&self, role: Role) -> PathBuf {
        self.folder.join(format!("{}.log", role.name()))
    }

    #[allow(clippy::print_stderr)]
    pub(super) fn print_logs(&self) {
        for role in self.cast {
            let log = self.log(*role);
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("--- {} ({})\n{}", role.name(), self.log_file(*role).display(), tail.join("\n"));
        }
    }
}

/// The binary under test: `INTERLOCK_BIN`, else the one that was built beside this test.
///
/// # Panics
/// When it is not built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("INTERLOCK_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    let path = test.parent().and_then(Path::parent).map(|folder| folder.join("interlock"));
    path.filter(|path| path.exists())
        .unwrap_or_else(|| panic!("the binary is not built: cargo build -p interlock, or set INTERLOCK_BIN"))
}
