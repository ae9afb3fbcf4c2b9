//! Plays the story: does what a person does, and waits until each step is seen.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use interlock_runtime::ports::clock::{Clock as _, SystemClock};
use interlock_simulators::github::StartDeployment;

use super::beat::{Act, Beat, beats};
use super::seen::{Followed, Mark, Seen};
use super::stage::Stage;
use super::tell::{End, Step, Teller};

/// What is deployed.
pub const REPOSITORY: &str = "acme/payments-api";
/// Where to.
pub const ENVIRONMENT: &str = "production";

/// Within this each step must be seen.
const STEP_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
const CLOSED: i64 = 3;
const CANCELED: i64 = 4;

/// How far the story went.
#[derive(Debug)]
pub enum Played {
    /// To its end.
    Whole,
    /// A step was not seen in time.
    Missing {
        /// Which.
        step: &'static str,
        /// In what time.
        deadline: Duration,
    },
    /// A signal came.
    Interrupted,
}

/// Plays it to its good or its bad end.
pub async fn play(stage: &Stage, teller: &Teller, reject: bool) -> anyhow::Result<Played> {
    let begun = SystemClock.now();
    teller.begin(reject);
    let started = stage.github.simulator.start_deployment(&StartDeployment::new(REPOSITORY, ENVIRONMENT));
    let started = started.map_err(|refused| anyhow::anyhow!("GitHub starts no deployment: {refused:?}"))?;
    let deployment = *started.deployments.first().context("a run of one job has one deployment")?;
    let followed = Followed { deployment, since: begun };
    let mut previous = begun;
    let mut steps = Vec::new();
    for beat in beats(reject) {
        let (mark, number) = tokio::select! {
            () = stage.shutdown.begun() => return Ok(Played::Interrupted),
            found = tokio::time::timeout(STEP_WITHIN, play_beat(stage, &followed, &beat)) => match found {
                Ok(found) => found?,
                Err(_) => {
                    teller.steps(steps);
                    teller.missing(beat.step);
                    return Ok(Played::Missing { step: beat.step, deadline: STEP_WITHIN });
                }
            }
        };
        let step = step(&beat, &mark, &number, begun, previous);
        teller.step(&step);
        steps.push(step);
        previous = previous.max(mark.at);
    }
    teller.steps(steps);
    end(stage, teller, &followed, reject, begun).await
}

async fn play_beat(stage: &Stage, followed: &Followed, beat: &Beat) -> anyhow::Result<(Mark, String)> {
    let mut to_do = beat.act;
    loop {
        let seen = Seen::look(stage, followed).await?;
        let number = seen.number.clone().unwrap_or_default();
        // Nobody can answer before they are asked.
        if let Some(act) = to_do
            && carry_out(stage, act, &number)
        {
            to_do = None;
            continue;
        }
        if let Some(mark) = beat.sight.in_seen(&seen) {
            return Ok((mark, number));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn carry_out(stage: &Stage, act: Act, number: &str) -> bool {
    let instance = &stage.service_now.simulator;
    match act {
        Act::Approve(person) => instance.approve(number, Some(person)).is_ok(),
        Act::Reject(person, comment) => instance.reject(number, Some(person), comment).is_ok(),
    }
}

fn step(beat: &Beat, mark: &Mark, number: &str, begun: DateTime<Utc>, previous: DateTime<Utc>) -> Step {
    Step {
        step: beat.step,
        at: mark.at,
        who: mark.who.clone(),
        what: mark.what.clone().unwrap_or_else(|| beat.what.replace("{number}", number)),
        event: mark.event.clone(),
        milliseconds: (mark.at - begun).num_milliseconds().max(0),
        since_previous: (mark.at - previous).num_milliseconds().max(0),
    }
}

/// Every step was seen; now it must also stand as the story says.
async fn end(
    stage: &Stage,
    teller: &Teller,
    followed: &Followed,
    reject: bool,
    begun: DateTime<Utc>,
) -> anyhow::Result<Played> {
    let number = Seen::look(stage, followed).await?.number.context("the change has a number")?;
    let change = stage.service_now.simulator.change(&number).context("the change is there")?;
    let state = change["state"].as_str().and_then(|state| state.parse().ok()).unwrap_or(i64::MIN);
    let deployment = stage.github.simulator.deployment(followed.deployment);
    let gate = deployment.context("the deployment is there")?.gate;
    let milliseconds = (SystemClock.now() - begun).num_milliseconds();
    let expected = if reject { ("rejected", CANCELED) } else { ("approved", CLOSED) };
    let as_told = (gate.as_str(), state) == expected;
    teller.end(&End { reject, number, state, gate, milliseconds });
    Ok(if as_told { Played::Whole } else { Played::Missing { step: "end", deadline: STEP_WITHIN } })
}
