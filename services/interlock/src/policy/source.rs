//! Where the deployment comes from: one of our events, or a webhook that somebody recorded.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use interlock_events::{
    AttributesReader, DeploymentFinished, DeploymentRequested, DeploymentStarted, Event, EventData, data_of,
};
use interlock_platforms::{Platform, platforms};
use interlock_runtime::config::Config;

use crate::arguments::PolicyTest;
use crate::ports;

/// The largest webhook that GitHub sends.
const BYTES_MAX: u64 = 25_000_000;
/// Where no platform of ours holds the gate.
const GATE_LIMIT: Duration = Duration::from_secs(30 * 86_400);

/// The request, and how long its platform lets a gate wait.
pub fn read(wish: &PolicyTest, config: &Config) -> anyhow::Result<(DeploymentRequested, Duration)> {
    let body = body(&wish.event).with_context(|| format!("cannot read {}", wish.event.display()))?;
    let (clock, http) = ports::machine()?;
    let platforms = platforms(config, &http, &clock, None)?;
    let event = match serde_json::from_slice::<Event>(&body) {
        Ok(event) => event,
        Err(_) => recorded(wish.connection.as_deref(), config, &platforms, &body, clock.now())?,
    };
    let request = request_of(&event)?;
    let limit = platforms.get(&request.deployment.key.connection).map(|platform| platform.gate_limit());
    Ok((request, limit.unwrap_or(GATE_LIMIT)))
}

fn body(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match file.as_os_str() == "-" {
        true => stdin().lock().take(BYTES_MAX).read_to_end(&mut body)?,
        false => File::open(file)?.take(BYTES_MAX).read_to_end(&mut body)?,
    };
    Ok(body)
}

/// What the platform's adapter makes of it.
fn recorded(
    wanted: Option<&str>,
    config: &Config,
    platforms: &std::collections::BTreeMap<String, Arc<dyn Platform>>,
    body: &[u8],
    now: DateTime<Utc>,
) -> anyhow::Result<Event> {
    let names = config.connections().map(|connection| connection.name.as_str());
    let names: Vec<&str> = names.filter(|name| platforms.contains_key(*name)).collect();
    let name = match (wanted, names.as_slice()) {
        (Some(wanted), _) if names.contains(&wanted) => wanted,
        (None, [only]) => only,
        (_, []) => bail!("the configuration has no connection of a platform that could read the webhook"),
        _ => bail!("say with --connection which platform sent it: {}", names.join(", ")),
    };
    let platform = platforms.get(name).context("its connection is configured")?;
    let parsed = platform.recorded(body, now).with_context(|| format!("{name} cannot read it"))?;
    let of_a_deployment = parsed.events.into_iter().find(|event| request_of(event).is_ok());
    of_a_deployment.with_context(|| format!("to {name} it is no event of a deployment"))
}

/// What it would be as a request, whichever fact of a deployment it is.
fn request_of(event: &Event) -> anyhow::Result<DeploymentRequested> {
    let without_gate =
        |deployment, requested_at| DeploymentRequested { deployment, gate: None, place: None, requested_at };
    Ok(match event.ty() {
        DeploymentRequested::TYPE => data_of(event)?,
        DeploymentStarted::TYPE => {
            let fact: DeploymentStarted = data_of(event)?;
            without_gate(fact.deployment, fact.at)
        }
        DeploymentFinished::TYPE => {
            let fact: DeploymentFinished = data_of(event)?;
            without_gate(fact.deployment, fact.at)
        }
        other => bail!("{other} is no event of a deployment"),
    })
}
