//! The processes: two of each role, killed, frozen and started again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use interlock_tests::servers::process::{free_port, spawn};
use interlock_tests::world::binary;

/// Roles, each of which runs twice.
const ROLES: [&str; 3] = ["ingress", "change-worker", "approval-worker"];
const REPLICAS: usize = 2;

/// One process of Interlock.
#[derive(Debug)]
pub struct Player {
    /// Its role and its number.
    pub name: String,
    role: &'static str,
    listen: u16,
    admin: u16,
    child: Option<Child>,
}

/// All of them.
#[derive(Debug)]
pub struct Cast {
    /// By their numbers.
    pub players: Vec<Player>,
    /// Configuration, logs and spools.
    pub folder: PathBuf,
    broker: String,
    store: String,
}

impl Cast {
    /// Nobody runs yet. The configuration is in the folder as `interlock.yaml`.
    pub fn new(folder: PathBuf, broker: String, store: String) -> Self {
        let player = |role, number| Player {
            name: format!("{role}-{number}"),
            role,
            listen: free_port(),
            admin: free_port(),
            child: None,
        };
        let players = ROLES.iter().flat_map(|role| (0..REPLICAS).map(move |number| player(*role, number)));
        Self { players: players.collect(), folder, broker, store }
    }

    /// Where webhooks go: one door for each process of ingress.
    pub fn doors(&self) -> Vec<String> {
        let doors = self.players.iter().filter(|player| player.role == ROLES[0]);
        doors.map(|player| format!("http://127.0.0.1:{}", player.listen)).collect()
    }

    /// Where a process says whether it is ready.
    pub fn ready_urls(&self) -> Vec<String> {
        self.players.iter().map(|player| format!("http://127.0.0.1:{}/health/ready", player.admin)).collect()
    }

    /// Starts a process, unless it runs.
    ///
    /// # Errors
    /// Its log cannot be written, or the binary not be run.
    pub fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let player = &mut self.players[number];
        if player.child.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{}.log", player.name)))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(binary()).arg(player.role);
        command.arg("--config").arg(self.folder.join("interlock.yaml"));
        let spool = self.folder.join(format!("{}-spool", player.name));
        for (key, value) in [
            ("BROKER", self.broker.clone()),
            ("STORE", self.store.clone()),
            ("ADMIN__LISTEN", format!("127.0.0.1:{}", player.admin)),
            ("INGRESS__LISTEN", format!("127.0.0.1:{}", player.listen)),
            ("INGRESS__SPOOL", spool.display().to_string()),
        ] {
            command.env(format!("INTERLOCK__{key}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        player.child = Some(spawn(command).with_context(|| format!("cannot run {}", player.name))?);
        Ok(())
    }

    /// Kills a process at once; says whether it lived.
    pub fn kill(&mut self, number: usize) -> bool {
        let Some(mut child) = self.players[number].child.take() else { return false };
        let lived = matches!(child.try_wait(), Ok(None));
        // Fails only if it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        lived
    }

    /// Stops a process's clock, or lets it go on; says whether it could.
    pub fn signal(&mut self, number: usize, signal: &str) -> bool {
        let Some(child) = &self.players[number].child else { return false };
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        sent.is_ok_and(|status| status.success())
    }

    /// Processes that ended without being killed: there must be none.
    pub fn ended_by_themselves(&mut self) -> Vec<String> {
        let ended = self.players.iter_mut().filter_map(|player| {
            let status = player.child.as_mut()?.try_wait().ok()??;
            Some(format!("{} ended by itself: {status}", player.name))
        });
        ended.collect()
    }

    /// Lines of the logs that say that something panicked.
    pub fn panics(&self) -> Vec<String> {
        let logs = self.players.iter().map(|player| self.folder.join(format!("{}.log", player.name)));
        let text: String = logs.map(|log| fs::read_to_string(log).unwrap_or_default()).collect();
        text.lines().filter(|line| line.contains("panicked at")).map(ToOwned::to_owned).collect()
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for number in 0..self.players.len() {
            self.kill(number);
        }
    }
}
