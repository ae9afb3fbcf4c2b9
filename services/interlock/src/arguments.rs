//! The command line, and the configuration that it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use interlock_runtime::config::{Config, Faults};

use crate::check;
use crate::roles::Role;

/// Read where no file is named, if it is there.
const CONFIG_FILE: &str = "interlock.yaml";
const CONFIG_VARIABLE: &str = "INTERLOCK_CONFIG";

/// Holds a deployment at its pipeline's gate until the ServiceNow change for it is approved.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, about)]
pub struct Arguments {
    /// The configuration; else $INTERLOCK_CONFIG, else ./interlock.yaml if it is there, else the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All roles in one process.
    Run,
    /// One role.
    #[command(flatten)]
    Role(Role),
    /// Plays one deployment against simulators, step by step, and stays up for the next.
    Demo(Demo),
    /// Simulates ServiceNow, GitHub, or both.
    Simulate(Simulate),
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Shows what the policies would do.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Looks after exchanges, queues and bindings.
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Examines each connection to ServiceNow: what is wrong, why, and the cure.
    Doctor(Doctor),
    /// Tells the story of one deployment.
    Explain(Explain),
    /// Looks at what could not be handled, and gives it back, mends or drops it.
    #[command(subcommand, name = "dead-letters")]
    DeadLetters(DeadLetters),
    /// Shows the log of what happened, or gives a part of it to a worker once more.
    #[command(subcommand)]
    Events(Events),
}

/// Plays one deployment.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Ends after one deployment: 0 if all went as it must, 1 naming the step that did not.
    #[arg(long)]
    pub once: bool,
    /// The change is rejected.
    #[arg(long)]
    pub reject: bool,
    /// One JSON object a step, and a last one with the outcome.
    #[arg(long)]
    pub json: bool,
    /// The roles' logs go to stderr instead of a file.
    #[arg(long)]
    pub verbose: bool,
}

/// What to simulate.
#[derive(Debug, Clone, Args)]
pub struct Simulate {
    /// Which; both if none is named.
    #[arg(value_enum)]
    pub which: Option<Simulated>,
    /// Address and port. Of both, GitHub takes the next port.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where ingress listens: webhooks go to <URL>/webhooks/servicenow and <URL>/webhooks/github.
    #[arg(long, value_name = "URL")]
    pub webhooks: Option<String>,
    /// Where the other processes reach the simulators, where that is not the address they listen at.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// ServiceNow speaks HTTPS, with a certificate by an authority that is made at each start.
    #[arg(long)]
    pub https: bool,
    /// Where their secrets are kept, made at the first start; otherwise ./data/simulated.
    #[arg(long, value_name = "FOLDER")]
    pub secrets: Option<PathBuf>,
    /// How long a released job runs, in milliseconds; without it a job ends when it is told to.
    #[arg(long, value_name = "MILLISECONDS")]
    pub run_for_ms: Option<u64>,
}

/// A system that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Simulated {
    /// ServiceNow.
    Servicenow,
    /// GitHub.
    Github,
}

/// What to examine.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Names of connections; all of kind servicenow if none is named.
    pub connections: Vec<String>,
    /// Also opens a change that is a test by its name, reads it back and cancels it.
    #[arg(long)]
    pub write: bool,
    /// One JSON array.
    #[arg(long)]
    pub json: bool,
}

/// About the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Says everything that is wrong with it, where, and the cure.
    Check {
        /// Also asks the broker whether its topology stands, and which open gates the file would orphan.
        #[arg(long)]
        against_broker: bool,
        /// Does not look whether secrets are there: for where the file is checked but does not run.
        #[arg(long)]
        skip_secrets: bool,
    },
}

/// About the policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Shows which policy a deployment falls under and why, the change that it would get, and until when.
    Test(PolicyTest),
}

/// Which deployment.
#[derive(Debug, Clone, Args)]
pub struct PolicyTest {
    /// A platform's webhook as it was recorded, or one of our events; - reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    pub event: PathBuf,
    /// The connection that the webhook came to, where there are several platforms.
    #[arg(long)]
    pub connection: Option<String>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// About the topology.
#[derive(Debug, Subcommand)]
pub enum TopologyCommand {
    /// Declares every exchange, queue and binding.
    Apply,
}

/// About the log.
#[derive(Debug, Clone, Subcommand)]
pub enum Events {
    /// Shows what happened, oldest first.
    Tail(Tail),
    /// Gives events of the log to one worker alone once more, marked as repeated.
    Replay(Replay),
}

/// Which part of the log to show.
#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Types that fit this pattern, such as gate.* or fault.raised.
    #[arg(long = "type", value_name = "PATTERN", default_value = "*")]
    pub kind: String,
    /// From when on: a time, or how long ago.
    #[arg(long, value_name = "30m|2h|7d|TIME", default_value = "1h")]
    pub since: String,
    /// Stays, and shows what comes.
    #[arg(long, short)]
    pub follow: bool,
    /// One JSON object an event.
    #[arg(long)]
    pub json: bool,
}

/// Which part of the log goes to whom once more.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// From when on: a time, or how long ago.
    #[arg(long, value_name = "30m|2h|7d|TIME")]
    pub since: String,
    /// Types that fit this pattern.
    #[arg(long = "type", value_name = "PATTERN")]
    pub kind: String,
    /// The worker.
    #[arg(long, value_name = "WORKER")]
    pub to: String,
    /// Does not ask, however many they are.
    #[arg(long)]
    pub yes: bool,
    /// One JSON object that says what was done.
    #[arg(long)]
    pub json: bool,
}

/// Which story.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// A change's number, a correlation id or key hash, a run's or deployment's id, or repository and
    /// environment; case does not count.
    #[arg(value_name = "CHG|KEY|RUN|DEPLOYMENT|REPOSITORY [ENVIRONMENT]", required = true, num_args = 1..)]
    pub what: Vec<String>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// About the dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetters {
    /// All of them, by worker and cause.
    List {
        /// Only this worker's.
        #[arg(long)]
        worker: Option<String>,
        /// One JSON object a letter.
        #[arg(long)]
        json: bool,
    },
    /// One of them, whole.
    Show {
        /// Whose.
        worker: String,
        /// Its id in the list.
        id: String,
    },
    /// Gives letters back to their worker.
    Replay {
        /// Whose.
        worker: String,
        /// Which of them.
        #[command(flatten)]
        which: Which,
    },
    /// Mends one letter's event and gives it back; with neither --set nor --file in $EDITOR.
    Edit {
        /// Whose.
        worker: String,
        /// Its id in the list.
        id: String,
        /// The whole event as this file has it.
        #[arg(long, value_name = "FILE", conflicts_with = "set")]
        file: Option<PathBuf>,
        /// A field of its data, such as change.number="CHG0030001"; may be given several times.
        #[arg(long, value_name = "PATH=JSON")]
        set: Vec<String>,
    },
    /// Removes letters for good; the log keeps what they were and why.
    Drop {
        /// Whose.
        worker: String,
        /// Which of them.
        #[command(flatten)]
        which: Which,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
}

/// Which of a worker's dead letters.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The one of this id in the list.
    pub id: Option<String>,
    /// All that are there now.
    #[arg(long)]
    pub all: bool,
    /// Those of one cause: as the list shows it, or a part of it.
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
}

impl Arguments {
    /// A file was named on the command line.
    pub fn names_config(&self) -> bool {
        self.config.is_some()
    }

    /// The file that is named, or that lies where it is looked for.
    pub fn config_file(&self) -> Option<PathBuf> {
        let named = || std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let found = || Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.exists());
        self.config.clone().or_else(named).or_else(found)
    }
}

/// The configuration of `file` over the defaults, and this process's environment over both.
pub fn load(file: Option<&Path>) -> Result<Config, Faults> {
    Config::load(file, environment())
}

/// The same for these roles: whatever keeps them from running is told in one message.
pub fn load_to_run(file: Option<&Path>, roles: &[Role]) -> Result<Config, Faults> {
    load_and_check(file, |config| check::faults(config, file, roles))
}

/// The same with whatever `check` finds.
pub fn load_and_check(file: Option<&Path>, check: impl FnOnce(&Config) -> Faults) -> Result<Config, Faults> {
    Config::load_and_check(file, environment(), check)
}

/// What is no text is none of ours: our names are ASCII.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_holds_together() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_role_is_a_subcommand() {
        for role in Role::ALL {
            let parsed = parse(&format!("interlock {}", role.name())).unwrap();
            assert!(matches!(parsed.command, Command::Role(parsed) if parsed == role));
        }
    }

    #[test]
    fn a_replay_wants_one_letter_a_cause_or_all() {
        assert!(parse("interlock dead-letters replay change-worker").is_err());
        assert!(parse("interlock dead-letters replay change-worker 3 --all").is_err());
        assert!(parse("interlock dead-letters replay change-worker --all").is_ok());
        assert!(parse("interlock dead-letters replay change-worker --cause gone").is_ok());
        assert!(parse("interlock dead-letters drop change-worker 3").is_err(), "a reason is wanted");
        assert!(parse("interlock dead-letters drop change-worker 3 --reason old").is_ok());
    }

    #[test]
    fn the_configuration_may_be_named_behind_the_command() {
        let parsed = parse("interlock run --config /etc/interlock.yaml").unwrap();
        assert_eq!(parsed.config_file(), Some("/etc/interlock.yaml".into()));
    }
}
