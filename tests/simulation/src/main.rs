//! Plays many seeds and prints what the judge says: `interlock-simulation [count] [first seed]`.

use std::io::Write as _;

use anyhow::bail;
use interlock_simulation::many::many;
use interlock_simulation::scenario;
use interlock_simulation::shrink::shrink;
use interlock_simulation::world::Setting;

/// Failing seeds that are shrunk.
const SHRUNK_MAX: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let count = numbers.next().transpose()?.unwrap_or(2_000);
    let first = numbers.next().transpose()?.unwrap_or(1);
    let sum = many(first, count, Setting::default());
    let mut out = std::io::stdout();
    writeln!(out, "{sum}")?;
    for (seed, promise) in sum.failed.iter().take(SHRUNK_MAX) {
        let (script, played) = shrink(&scenario::of(*seed), Setting::default(), promise)?;
        writeln!(out, "the shortest script that fails:\n{script}{}", played.report)?;
    }
    if sum.failed.is_empty() && sum.broken.is_empty() {
        return Ok(());
    }
    bail!("{} of {} seeds break a promise; {:?}", sum.failed.len(), sum.seeds, sum.broken)
}
