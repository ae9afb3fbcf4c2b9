//! The one binary: its roles, the demo, the simulators and the tools. Nothing here decides.
#![doc = include_str!("../README.md")]

mod admin;
mod arguments;
mod check;
mod dead_letters;
mod demo;
mod doctor;
mod events;
mod explain;
mod hand;
mod policy;
mod ports;
mod process;
mod roles;
mod say;
mod simulate;
#[cfg(test)]
mod tests;
mod topology;
mod wiring;
mod words;

use std::process::ExitCode;

use clap::Parser;
use interlock_runtime::config::Faults;

use crate::arguments::{Arguments, Command, ConfigCommand, PolicyCommand, TopologyCommand};
use crate::roles::Role;

/// Something failed while it ran.
const FAILED: u8 = 1;
/// The command or the configuration is wrong: nothing was begun.
const MISUSED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments).await {
        Ok(code) => code,
        Err(fault) => {
            say::fault(format_args!("interlock: {fault:#}"));
            let misused = fault.chain().any(|cause| cause.is::<Faults>() || cause.is::<doctor::Unknown>());
            ExitCode::from(if misused { MISUSED } else { FAILED })
        }
    }
}

async fn carry_out(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (file, named) = (arguments.config_file(), arguments.names_config());
    match arguments.command {
        Command::Run => {
            process::run(&Role::ALL, arguments::load_to_run(file.as_deref(), &Role::ALL)?).await?
        }
        Command::Role(role) => {
            process::run(&[role], arguments::load_to_run(file.as_deref(), &[role])?).await?
        }
        Command::Simulate(wish) => simulate::run(&wish).await?,
        Command::Config(ConfigCommand::Check { against_broker, skip_secrets }) => {
            check::run(file.as_deref(), against_broker, skip_secrets).await?;
        }
        Command::Policy(PolicyCommand::Test(wish)) => {
            policy::test(&wish, &arguments::load(file.as_deref())?)?;
        }
        Command::Topology(TopologyCommand::Apply) => {
            topology::apply(&arguments::load(file.as_deref())?).await?;
        }
        Command::Doctor(wish) => return doctor::run(&wish, &arguments::load(file.as_deref())?).await,
        Command::Explain(wish) => explain::run(&wish, &arguments::load(file.as_deref())?).await?,
        Command::DeadLetters(wish) => dead_letters::run(&wish, &arguments::load(file.as_deref())?).await?,
        Command::Events(wish) => events::run(&wish, &arguments::load(file.as_deref())?).await?,
        Command::Demo(_) if named => {
            anyhow::bail!("the demo has a configuration of its own: leave out --config, or use interlock run")
        }
        Command::Demo(wish) => return demo::run(wish).await,
    }
    Ok(ExitCode::SUCCESS)
}
