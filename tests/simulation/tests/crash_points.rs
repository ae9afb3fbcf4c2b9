//! Every named point before and after a call, a publish and an ack: a process dies at each of them, once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use interlock_simulation::play::play;
use interlock_simulation::scenario;
use interlock_simulation::world::{PROCESSES, Setting};

/// The audit looks at so many whole milliseconds; what it does alone is the same each time.
const AUDIT_MS: u64 = 8_000;

/// The points of a process that belong to the story, by their numbers, with their names.
fn points(lines: &[String], process: &str) -> Vec<(u64, String)> {
    let of = lines.iter().filter_map(|line| {
        let (at, what) = line.trim_start().split_once(&format!(" {process}: "))?;
        let milliseconds = (at.parse::<f64>().ok()? * 1000.0).round();
        Some((format!("{milliseconds:.0}").parse::<u64>().ok()?, what.to_owned()))
    });
    let numbered = of.enumerate().map(|(number, (at, what))| (number as u64, at, what));
    let story = numbered.filter(|(_, at, _)| *at > 25_000 && at % AUDIT_MS != 0);
    story.map(|(number, _, what)| (number, what)).collect()
}

#[test]
fn a_crash_at_any_point_breaks_no_promise() {
    use std::io::Write as _;
    let script = scenario::brief(1);
    let calm = play(&script, Setting { told: true, ..Setting::default() }).unwrap();
    assert!(calm.report.findings.is_empty(), "{}", calm.report);
    let crashes: Vec<(usize, u64, String)> = (0..PROCESSES.len())
        .flat_map(|process| {
            let of = points(&calm.lines, PROCESSES[process]);
            of.into_iter().map(move |(number, what)| (process, number, what))
        })
        .collect();
    assert!(crashes.len() > 100, "{} points", crashes.len());
    let (next, broken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((process, number, what)) = crashes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let setting = Setting { dies_at: Some((*process, *number)), ..Setting::default() };
                    let report = play(&script, setting).unwrap().report;
                    if !report.findings.is_empty() {
                        let crash = format!("{} dies at {number}, {what}: {report}", PROCESSES[*process]);
                        broken.lock().unwrap_or_else(PoisonError::into_inner).push(crash);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    let _ = writeln!(std::io::stderr(), "{} points, {} broken", crashes.len(), broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
