//! `policy test`: what a deployment would get, and why. It asks nobody and changes nothing.

mod shown;
mod source;

use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, Utc};
use interlock_events::DeploymentRequested;
use interlock_rules::{Considered, Draft, Freeze, Policies, Terms, deadline, draft};
use interlock_runtime::config::Config;
use serde::Serialize;

use crate::arguments::PolicyTest;
use crate::{check, say};

/// What a deployment would get.
#[derive(Debug, Serialize)]
struct Answer {
    request: DeploymentRequested,
    /// The policies up to the one that matches.
    considered: Vec<Considered>,
    /// Name of the ServiceNow connection.
    service_now: String,
    change: Draft,
    /// When the gate is rejected at the latest, if nobody approves.
    deadline: DateTime<Utc>,
    terms: Terms,
    /// Freezes that concern it, whether they hold or not.
    freezes: Vec<Freeze>,
}

pub fn test(wish: &PolicyTest, config: &Config) -> anyhow::Result<()> {
    let (request, gate_limit) = source::read(wish, config)?;
    let policies = check::policies(config);
    match answer(request, &policies, gate_limit) {
        Ok(answer) if wish.json => say::line(serde_json::to_string(&answer)?),
        Ok(answer) => say::line(shown::shown(&answer)),
        Err(reason) => bail!("no change would be opened: {reason}"),
    }
    Ok(())
}

fn answer(request: DeploymentRequested, policies: &Policies, gate_limit: Duration) -> Result<Answer, String> {
    let terms = policies.of(&request.deployment);
    Ok(Answer {
        considered: policies.considered(&request.deployment),
        service_now: terms.service_now.clone(),
        change: draft(&request, &terms)?,
        deadline: deadline(request.requested_at, &terms, gate_limit, None),
        terms,
        freezes: policies.freezes_of(&request.deployment).into_iter().cloned().collect(),
        request,
    })
}

#[cfg(test)]
mod tests;
