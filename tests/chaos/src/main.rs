//! Chaos on real servers: `interlock-chaos [deployments] [seed]`.
#![doc = include_str!("../README.md")]

mod cast;
mod dice;
mod dose;
mod net;
mod people;
mod plan;
mod ruling;
mod storm;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::plan::Plan;
use crate::world::World;

/// What is played where nothing else is said.
const DEPLOYMENTS: u64 = 300;
const SEED: u64 = 1;
const PROCESSES: usize = 6;
/// After the storm everything is over within this time: without hints, which Redis forgot, a gate is looked at every
/// two minutes.
const REST_WITHIN: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let deployments = numbers.next().transpose()?.unwrap_or(DEPLOYMENTS);
    let seed = numbers.next().transpose()?.unwrap_or(SEED);
    let (plan, began) = (Plan::new(deployments, PROCESSES, seed), Instant::now());
    say(&format!(
        "chaos: {deployments} deployments, seed {seed}, {} blows in {:?}",
        plan.blows.len(),
        plan.lasts
    ))?;
    let mut world = World::start(seed).await?;
    say(&format!("{:.0?}: everybody is ready", began.elapsed()))?;
    let deploying = tokio::spawn(world.people.clone().deploy(deployments, plan.clone()));
    world.storm(&plan).await?;
    let calm = Utc::now();
    world.raging.store(false, Ordering::Relaxed);
    deploying.await?;
    say(&format!("{:.0?}: the storm is over", began.elapsed()))?;
    let open = world.rest(REST_WITHIN).await;
    say(&format!("{:.0?}: at rest", began.elapsed()))?;
    let ruling = world.rule(calm, &plan, deployments, open).await;
    say(&ruling.to_string())?;
    if ruling.is_good() {
        return Ok(ExitCode::SUCCESS);
    }
    let kept = world.keep_logs();
    say(&format!("the logs are in {}", kept.display()))?;
    Ok(ExitCode::FAILURE)
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
