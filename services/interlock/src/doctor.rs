//! `doctor`: what keeps Interlock from working with each ServiceNow of the configuration.

mod text;
mod wishes;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use interlock_runtime::config::Config;
use interlock_runtime::signals::shutdown_on_signal;
use interlock_servicenow::doctor::{Check, Doctor as Examiner, Examination, Severity, shared_users};

use crate::arguments::Doctor;
use crate::{FAILED, ports, say};

/// Examines the connections that are named, or all of them: 0 where no fault is found, 1 where one is.
pub async fn run(wish: &Doctor, config: &Config) -> anyhow::Result<ExitCode> {
    let (clock, http) = ports::machine()?;
    let examiners = wanted(Examiner::all(config, &http, &clock)?, &wish.connections)?;
    // A test change is canceled before the process ends; a second signal ends it at once.
    let _heeded = wish.write.then(shutdown_on_signal).transpose().context("cannot listen for signals")?;
    let mut examinations = Vec::new();
    for examiner in &examiners {
        let wishes = wishes::of(config, examiner.connection());
        let mut progress = |check: Check| say::fault(format_args!("{}: {check} …", examiner.connection()));
        examinations.push(examiner.examine(&wishes, wish.write, &mut progress).await);
    }
    share(&examiners, &mut examinations);
    if wish.json {
        say::line(serde_json::to_string_pretty(&examinations)?);
    } else {
        say::line(text::all(&examinations, say::toned));
    }
    let is_fault =
        |examination: &Examination| examination.findings().any(|one| one.severity == Severity::Fault);
    Ok(if examinations.iter().any(is_fault) { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn wanted(all: Vec<Examiner>, names: &[String]) -> anyhow::Result<Vec<Examiner>> {
    let known: Vec<String> = all.iter().map(|one| one.connection().to_owned()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!(Unknown(format!(
            "no connection of kind servicenow is named `{unknown}`: {}",
            known.join(", ")
        )));
    }
    if known.is_empty() {
        bail!(Unknown("the configuration has no connection of kind servicenow to examine".to_owned()));
    }
    let is_wanted = |one: &Examiner| names.is_empty() || names.iter().any(|name| name == one.connection());
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// There is nothing to examine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(String);

/// What only shows when connections are laid side by side: by the user that the instance names, or whom we say we are.
fn share(examiners: &[Examiner], examinations: &mut [Examination]) {
    let who = |(examiner, examination): (&Examiner, &Examination)| {
        let (instance, said) = examiner.identity();
        let who = examination.user.as_ref().map_or(said, |user| format!("user {user}"));
        (examination.connection.clone(), instance, who)
    };
    let all: Vec<_> = examiners.iter().zip(&*examinations).map(who).collect();
    for (connection, finding) in shared_users(&all) {
        let named = examinations.iter_mut().find(|examination| examination.connection == connection);
        if let Some(examination) = named {
            examination.add(finding);
        }
    }
}

#[cfg(test)]
mod tests;
