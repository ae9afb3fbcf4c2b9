//! Plays a script in a world of its own, until everything rests, and lets the judge see what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use interlock_judge::{Evidence, Report, Terms, judge};
use interlock_simulators::request_log::RequestFilter;
use tokio::time::{sleep, sleep_until};

use crate::clock::wall;
use crate::http::ON_ITS_WAY_MAX;
use crate::script::{Fault, Script};
use crate::world::{PROCESSES, SETTLE, Setting, TIMEOUT, World};

/// After the last fault everything rests within this time.
const REST_WITHIN: Duration = Duration::from_secs(45 * 60);
/// How often people tidy up, and how often it is looked whether all is at rest.
const LOOK: Duration = Duration::from_secs(20);
/// GitHub asks to be left alone for so long at most.
const GITHUB_PAUSE: Duration = Duration::from_secs(60);
/// After a crash, a freeze or a lost connection deliveries come again within this time.
const BACK_WITHIN: Duration = Duration::from_secs(40);

/// What came of a script.
#[derive(Debug, Clone)]
pub struct Played {
    /// The judge's words.
    pub report: Report,
    /// Calls, deliveries and acts.
    pub steps: u64,
    /// The same for identical runs.
    pub hash: u64,
    /// The tale, if it was kept.
    pub lines: Vec<String>,
    /// Calls of each process in its first life.
    pub points: Vec<u64>,
    /// Simulated time.
    pub lasted: Duration,
}

/// Plays a script on this thread.
///
/// # Errors
/// The world cannot be built.
pub fn play(script: &Script, setting: Setting) -> anyhow::Result<Played> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let world = World::new(script.seed, setting)?;
        world.start();
        act(&world, script).await;
        rest(&world).await;
        Ok(told(&world, script))
    })
}

/// Performs every step at its time, then waits until the last fault is over.
async fn act(world: &Arc<World>, script: &Script) {
    for step in &script.steps {
        sleep_until(world.began + step.at).await;
        world.perform(&step.what);
    }
    sleep_until(world.began + over(script)).await;
    world.github.clear_faults();
    world.service_now.clear_faults();
    for number in 0..PROCESSES.len() {
        // A crash that was set for a call that never came does not come any more.
        world.process(number).kill_after(u64::MAX / 2);
    }
}

/// Nothing fails any more: people tidy up until everything has come to rest.
async fn rest(world: &Arc<World>) {
    let give_up = world.began.elapsed() + REST_WITHIN;
    let mut rests_since = None;
    while world.began.elapsed() < give_up {
        let now = world.began.elapsed();
        rests_since = world.is_at_rest().then(|| rests_since.unwrap_or(now));
        // What comes to light only after the settle time has shown by then.
        if rests_since.is_some_and(|since| now - since >= SETTLE * 2) {
            return;
        }
        sleep(LOOK).await;
        world.tidy();
    }
}

/// When the last fault is over.
fn over(script: &Script) -> Duration {
    let ends = script.faults().map(|(at, fault)| at + fault.lasts());
    let last = script.steps.last().map(|step| step.at).unwrap_or_default();
    ends.max().unwrap_or_default().max(last)
}

/// From when on a fault does not keep gates from being decided.
fn disturbs_until(script: &Script, at: Duration, fault: &Fault) -> Duration {
    match fault {
        fault if fault.spares_the_gates() => Duration::ZERO,
        // Until it is hit, or cleared.
        Fault::GitHub(..) | Fault::Crash(..) => over(script) + GITHUB_PAUSE,
        Fault::GitHubDown(_) | Fault::Network(..) => at + fault.lasts() + GITHUB_PAUSE,
        _ => at + fault.lasts() + BACK_WITHIN,
    }
}

/// From when on a fault does not keep records from being read.
fn unreadable_until(script: &Script, at: Duration, fault: &Fault) -> Duration {
    match fault {
        // Until it is hit, or cleared.
        Fault::ServiceNow(..) => over(script),
        Fault::ServiceNowDown(_) | Fault::Network(..) => at + fault.lasts(),
        _ => Duration::ZERO,
    }
}

fn told(world: &World, script: &Script) -> Played {
    let received = world.door.received();
    let views = world.github.deployments();
    let prefix = |view: &interlock_simulators::github::DeploymentView| {
        World::key(view.repository_id, &view.environment, view.id).correlation_prefix()
    };
    let undisturbed = script.faults().map(|(at, fault)| disturbs_until(script, at, fault)).max();
    let prefixes: BTreeMap<_, _> = views.iter().map(|view| (view.id, prefix(view))).collect();
    let evidence = Evidence {
        terms: Terms { timeout: TIMEOUT, on_its_way: ON_ITS_WAY_MAX },
        github: world.github.journal(),
        github_requests: world.github.requests().find(&RequestFilter::default()),
        service_now: world.service_now.journal().entries(),
        prefixes,
        accepted: received.gates,
        webhooks: (received.attempted, received.accepted),
        dead: world.broker.dead().into_iter().map(|(subject, _)| subject).collect::<BTreeSet<_>>(),
        end: world.now(),
        undisturbed: wall(undisturbed.unwrap_or_default()),
        quiet: wall(over(script)) + TimeDelta::from_std(GITHUB_PAUSE).unwrap_or_default(),
        readable: wall(
            script.faults().map(|(at, fault)| unreadable_until(script, at, fault)).max().unwrap_or_default(),
        ),
        may_double: script.may_double(),
    };
    Played {
        report: judge(&evidence),
        steps: world.tale.steps(),
        hash: world.tale.hash(),
        lines: world.tale.lines(),
        points: (0..PROCESSES.len()).map(|number| world.process(number).points()).collect(),
        lasted: world.began.elapsed(),
    }
}
