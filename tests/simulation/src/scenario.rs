//! From a seed to a script: deployments, what people do to their changes, and at least two kinds of faults.

use std::time::Duration;

use crate::broker::Trouble;
use crate::dice::Dice;
use crate::http::Weather;
use crate::script::{Fault, GitHubFault, Post, Script, ServiceNowCall, ServiceNowFault, Step, What};
use crate::world::{PROCESSES, TIMEOUT};

/// By when everything that goes wrong on purpose has begun.
pub const CHAOS: u64 = 420;

/// The script of a seed.
#[must_use]
pub fn of(seed: u64) -> Script {
    let dice = Dice::of(seed, "script");
    let mut steps = Vec::new();
    let deployments = usize::try_from(dice.between(3, 5)).unwrap_or(3);
    let mut places = deployments;
    for deployment in 0..deployments {
        plot(&dice, deployment, &mut places, &mut steps);
    }
    faults(&dice, &mut steps);
    steps.sort_by_key(|step| step.at);
    Script { seed, steps }
}

/// A story without faults: three deployments, approved, rejected, left alone.
#[must_use]
pub fn plain(seed: u64) -> Script {
    let mut steps = Vec::new();
    for deployment in 0..3 {
        at(&mut steps, 30 + deployment as u64, What::Start { deployment, repository: deployment % 2 });
    }
    at(&mut steps, 60, What::Approve(0));
    at(&mut steps, 70, What::Reject(1));
    at(&mut steps, 90, What::Finish(0, true));
    steps.sort_by_key(|step| step.at);
    Script { seed, steps }
}

/// The shortest story with everything in it: one deployment that is approved and runs, one that is rejected.
#[must_use]
pub fn brief(seed: u64) -> Script {
    let mut steps = Vec::new();
    at(&mut steps, 25, What::Start { deployment: 0, repository: 0 });
    at(&mut steps, 26, What::Start { deployment: 1, repository: 1 });
    at(&mut steps, 33, What::Approve(0));
    at(&mut steps, 34, What::Reject(1));
    at(&mut steps, 45, What::Finish(0, true));
    Script { seed, steps }
}

fn at(steps: &mut Vec<Step>, seconds: u64, what: What) {
    steps.push(Step { at: Duration::from_secs(seconds), what });
}

/// One deployment and what people do about it.
fn plot(dice: &Dice, deployment: usize, places: &mut usize, steps: &mut Vec<Step>) {
    let begin = dice.between(1, 150);
    let repository = usize::try_from(dice.between(0, 2)).unwrap_or(0);
    at(
        steps,
        begin,
        match dice.between(0, 4) {
            0 => What::Matrix { deployment, repository, jobs: 2 + u32::from(dice.percent(50)) },
            _ => What::Start { deployment, repository },
        },
    );
    let limit = TIMEOUT.as_secs();
    let answered = begin
        + match dice.between(0, 9) {
            0 => dice.between(limit - 15, limit + 10),
            _ => dice.between(2, limit - 60),
        };
    match dice.between(0, 9) {
        0 => at(steps, answered, What::Reject(deployment)),
        1 => {}
        _ => at(steps, answered, What::Approve(deployment)),
    }
    twist(dice, deployment, begin, answered, steps);
    let ends = answered + dice.between(1, 120);
    at(steps, ends, What::Finish(deployment, dice.percent(70)));
    if dice.percent(15) {
        let again = *places;
        *places += 1;
        at(steps, ends + dice.between(1, 60), What::Rerun(deployment, again));
        at(steps, ends + dice.between(30, 150), What::Approve(again));
        at(steps, ends + dice.between(150, 200), What::Finish(again, true));
    }
}

/// What does not go smoothly, without being anybody's fault.
fn twist(dice: &Dice, deployment: usize, begin: u64, answered: u64, steps: &mut Vec<Step>) {
    match dice.between(0, 13) {
        0 => {
            at(steps, answered.saturating_sub(dice.between(1, 20)).max(begin), What::Hold(deployment));
            at(steps, answered + dice.between(1, 90), What::Unhold(deployment));
        }
        1 => at(steps, answered + dice.between(0, 30), What::Revoke(deployment)),
        2 => {
            at(steps, answered, What::Revoke(deployment));
            at(steps, answered + dice.between(1, 60), What::Approve(deployment));
        }
        3 => {
            let start = i64::try_from(dice.between(0, 120)).unwrap_or(0) - 30;
            let end = start + i64::try_from(dice.between(30, 300)).unwrap_or(60);
            at(steps, answered.saturating_sub(1), What::Window(deployment, start, end));
        }
        4 => at(steps, begin + dice.between(1, 200), What::CancelRun(deployment)),
        5 => at(steps, begin + dice.between(1, 200), What::Bypass(deployment)),
        6 => {
            at(steps, answered + dice.between(0, 20), What::Hold(deployment));
            at(steps, answered + dice.between(30, 120), What::Unhold(deployment));
        }
        7 => at(steps, answered + dice.between(0, 5), What::CancelRun(deployment)),
        _ => {}
    }
}

/// Two to six faults, of at least two kinds.
fn faults(dice: &Dice, steps: &mut Vec<Step>) {
    let wanted = usize::try_from(dice.between(2, 6)).unwrap_or(2);
    let mut kinds: Vec<&'static str> = Vec::new();
    let mut made = 0;
    while made < wanted || kinds.len() < 2 {
        let fault = fault(dice);
        if !kinds.contains(&fault.kind()) {
            kinds.push(fault.kind());
        }
        at(steps, dice.between(5, CHAOS), What::Fault(fault));
        made += 1;
    }
}

fn fault(dice: &Dice) -> Fault {
    let process = usize::try_from(dice.next() % PROCESSES.len() as u64).unwrap_or(0);
    let brief = Duration::from_secs(dice.between(1, 30));
    let long = Duration::from_secs(dice.between(5, 90));
    match dice.between(0, 14) {
        0..=2 => Fault::Crash(process, dice.between(0, 60), brief),
        3 => Fault::Freeze(process, long),
        4 => Fault::Flush,
        5 => Fault::StoreAway(long),
        6 => Fault::Broker(*dice.one_of(&[Trouble::Refuses, Trouble::Unconfirmed, Trouble::Gone]), brief),
        7 => Fault::Disconnect(process),
        8 => Fault::Network(*dice.one_of(&[Weather::NotSent, Weather::AnswerLost, Weather::Slow]), long),
        9 | 10 => Fault::Webhooks(*dice.one_of(&[Post::Duplicated, Post::Dropped, Post::Delayed]), long),
        11 | 12 => at_service_now(dice, long),
        _ => at_github(dice, brief),
    }
}

fn at_service_now(dice: &Dice, long: Duration) -> Fault {
    use ServiceNowCall::{Any, Create, LookUp, Move};
    use ServiceNowFault as Kind;
    let kinds = [
        Kind::TimeoutAfterCommit,
        Kind::TimeoutBeforeCommit,
        Kind::ResetAfterCommit,
        Kind::Html200,
        Kind::RateLimit,
        Kind::ServerError,
    ];
    let at_creates = [Kind::LateCommit, Kind::VeryLateCommit, Kind::CreateThen403, Kind::CreateThenEmpty201];
    let times = u32::try_from(dice.between(1, 3)).unwrap_or(1);
    match dice.between(0, 5) {
        0 => Fault::ServiceNowDown(long),
        1 => Fault::ServiceNow(*dice.one_of(&at_creates), Create, times),
        2 => Fault::ServiceNow(Kind::BrokenList, LookUp, times),
        _ => Fault::ServiceNow(*dice.one_of(&kinds), *dice.one_of(&[Any, LookUp, Create, Move]), times),
    }
}

fn at_github(dice: &Dice, brief: Duration) -> Fault {
    use GitHubFault as Kind;
    let kinds = [
        Kind::TimeoutAfterCommit,
        Kind::ResetAfterCommit,
        Kind::ErrorAfterCommit,
        Kind::ResetBeforeCommit,
        Kind::ServerError,
        Kind::Html200,
        Kind::RateLimit,
        Kind::SecondaryLimit,
    ];
    let times = u32::try_from(dice.between(1, 3)).unwrap_or(1);
    match dice.between(0, 5) {
        0 => Fault::GitHubDown(brief),
        _ => Fault::GitHub(*dice.one_of(&kinds), dice.percent(60), times),
    }
}
