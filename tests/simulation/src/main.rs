//! Plays many seeds and prints what the judge says: `interlock-simulation [count] [first seed]`; or tells what
//! happens in one, step by step: `interlock-simulation tell <seed>`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use interlock_simulation::many::many;
use interlock_simulation::play::play;
use interlock_simulation::scenario;
use interlock_simulation::shrink::shrink;
use interlock_simulation::world::Setting;

/// Failing seeds that are shrunk.
const SHRUNK_MAX: usize = 5;
/// A story with less proves little.
const KINDS_MIN: usize = 2;
const DEPLOYMENTS_MIN: u64 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default| match words.get(place) {
        Some(word) => word.parse().with_context(|| format!("`{word}` is not a number")),
        None => Ok(default),
    };
    if words.first().is_some_and(|word| word == "tell") {
        return tell(number(1, 1)?);
    }
    judge(number(0, 2_000)?, number(1, 1)?)
}

fn judge(count: u64, first: u64) -> anyhow::Result<ExitCode> {
    let sum = many(first, count, Setting::default());
    let mut out = std::io::stdout();
    writeln!(out, "{sum}")?;
    for (seed, promise) in sum.failed.iter().take(SHRUNK_MAX) {
        let (script, played) = shrink(&scenario::of(*seed), Setting::default(), promise)?;
        writeln!(out, "the shortest script that fails:\n{script}{}", played.report)?;
    }
    let is_too_tame = sum.kinds_min < KINDS_MIN || sum.deployments < DEPLOYMENTS_MIN * sum.seeds;
    if is_too_tame {
        writeln!(out, "each story must have {DEPLOYMENTS_MIN} deployments and {KINDS_MIN} kinds of faults")?;
    }
    if sum.seeds == count && sum.failed.is_empty() && sum.broken.is_empty() && !is_too_tame {
        return Ok(ExitCode::SUCCESS);
    }
    let (failed, seeds, broken) = (sum.failed.len(), sum.seeds, &sum.broken);
    writeln!(out, "{failed} of {seeds} seeds break a promise; worlds that could not be built: {broken:?}")?;
    Ok(ExitCode::FAILURE)
}

/// Of a seed that breaks a promise the shortest script that does is told, else its own.
fn tell(seed: u64) -> anyhow::Result<ExitCode> {
    let told = Setting { told: true, ..Setting::default() };
    let script = scenario::of(seed);
    let played = play(&script, told)?;
    let (script, played) = match played.report.findings.first() {
        Some(finding) => shrink(&script, told, finding.promise)?,
        None => (script, played),
    };
    writeln!(std::io::stdout(), "{}\n{script}{}", played.lines.join("\n"), played.report)?;
    Ok(ExitCode::SUCCESS)
}
