//! The judge is tested: Interlock is broken on purpose, and each time the promise that breaks must be found.

use std::time::Duration;

use interlock_simulation::broker::Trouble;
use interlock_simulation::http::Weather;
use interlock_simulation::many::many_of;
use interlock_simulation::sabotage::Sabotage;
use interlock_simulation::scenario;
use interlock_simulation::script::{Fault, Post, Script, ServiceNowCall, ServiceNowFault, Step, What};
use interlock_simulation::world::Setting;

/// Seeds that a sabotage is given to show.
const SEEDS: u64 = 48;
/// Seeds at once.
const PORTION: u64 = 8;

/// Place of a deployment that runs for an hour: what is lost of it then no sweep looks back for.
const LONG_RUN: usize = 9;

/// The script of a seed with what brings a sabotage to light.
fn dosed(seed: u64, sabotage: Sabotage) -> Script {
    let mut script = scenario::of(seed);
    let mut add = |at: u64, what: What| script.steps.push(Step { at: Duration::from_secs(at), what });
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let fault = What::Fault;
    match sabotage {
        Sabotage::AckBeforePublish
        | Sabotage::ConfirmUnread
        | Sabotage::AnswerBeforePublish
        | Sabotage::HintBeforeConfirm => {
            add(20, fault(Fault::Broker(Trouble::Refuses, minutes(3))));
        }
        Sabotage::HideRedelivered => {
            add(20, fault(Fault::ServiceNow(ServiceNowFault::LateCommit, ServiceNowCall::Create, 3)));
            (0..8).for_each(|nth| add(25 + 15 * nth, fault(Fault::Disconnect(0))));
        }
        Sabotage::NoSettle => {
            add(5, fault(Fault::ServiceNow(ServiceNowFault::LateCommit, ServiceNowCall::Create, 3)));
        }
        Sabotage::RememberNothing => add(1, fault(Fault::Webhooks(Post::Duplicated, minutes(5)))),
        Sabotage::ReleaseOnTimeout => add(60, fault(Fault::ServiceNowDown(minutes(2)))),
        Sabotage::IgnoreHold => (0..3).for_each(|place| {
            add(15, What::Hold(place));
            add(16, What::Approve(place));
        }),
        Sabotage::IgnoreWindow => (0..3).for_each(|place| add(10, What::Window(place, 200, 400))),
        Sabotage::StaleRecord => (0..3).for_each(|place| {
            add(160, What::Window(place, 40, 400));
            add(165, What::Approve(place));
            add(192, What::Revoke(place));
        }),
        Sabotage::DropRedelivered => {
            add(1, What::Start { deployment: LONG_RUN, repository: 0 });
            add(60, What::Approve(LONG_RUN));
            add(3_400, fault(Fault::Network(Weather::Slow, minutes(6))));
            add(3_450, What::Finish(LONG_RUN, true));
            (0..180).for_each(|nth| add(3_400 + 2 * nth, fault(Fault::Disconnect(nth as usize % 2))));
        }
        _ => {}
    }
    script.steps.sort_by_key(|step| step.at);
    script
}

/// After how many seeds one of the promises is found broken, or what was found instead.
fn caught(sabotage: Sabotage, promises: &[&str]) -> Result<u64, String> {
    let setting = Setting { sabotage: Some(sabotage), ..Setting::default() };
    let mut seen = Vec::new();
    for portion in 0..SEEDS / PORTION {
        let script_of = move |seed| dosed(seed, sabotage);
        let sum = many_of(1 + portion * PORTION, PORTION, setting, &script_of);
        if promises.iter().any(|promise| sum.report.breaks(promise)) {
            return Ok((portion + 1) * PORTION);
        }
        seen.extend(sum.report.findings.iter().map(ToString::to_string));
    }
    Err(format!("{sabotage:?} is not caught by {promises:?} in {SEEDS} seeds; found: {seen:?}"))
}

/// What brings a sabotage to light breaks nothing by itself: else the judge would find that.
#[test]
fn without_the_sabotage_the_same_scripts_break_no_promise() {
    for (sabotage, _) in Sabotage::ALL {
        let sum = many_of(1, PORTION, Setting::default(), &|seed| dosed(seed, *sabotage));
        assert!(sum.broken.is_empty(), "{:?}", sum.broken);
        assert!(sum.failed.is_empty(), "{sabotage:?}: {:#?}", sum.report.findings);
    }
}

#[test]
fn every_sabotage_is_caught_by_the_promise_that_it_breaks() {
    use std::io::Write as _;
    let mut escaped = Vec::new();
    for (sabotage, promises) in Sabotage::ALL {
        let outcome = caught(*sabotage, promises);
        let _ = writeln!(std::io::stderr(), "{sabotage:?}: {outcome:?}");
        escaped.extend(outcome.err());
    }
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
}
