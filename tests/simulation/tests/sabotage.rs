//! The judge is tested: Interlock is broken on purpose, and each time the promise that breaks must be found.

use interlock_simulation::many::many;
use interlock_simulation::sabotage::Sabotage;
use interlock_simulation::world::Setting;

/// Seeds that a sabotage is given to show.
const SEEDS: u64 = 64;
/// Seeds at once.
const PORTION: u64 = 8;

/// The first seed at which one of the promises is found broken, and what else was.
fn caught(sabotage: Sabotage, promises: &[&str]) -> Result<u64, String> {
    let setting = Setting { sabotage: Some(sabotage), ..Setting::default() };
    let mut seen = Vec::new();
    for portion in 0..SEEDS / PORTION {
        let sum = many(1 + portion * PORTION, PORTION, setting);
        if promises.iter().any(|promise| sum.report.breaks(promise)) {
            return Ok(portion * PORTION + PORTION);
        }
        seen.extend(sum.report.findings.iter().map(ToString::to_string));
    }
    Err(format!("{sabotage:?} is not caught by {promises:?} in {SEEDS} seeds; found: {seen:?}"))
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
