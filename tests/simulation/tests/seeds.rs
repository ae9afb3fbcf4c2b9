//! Stories from seeds: none breaks a promise, and each can be told again.

use interlock_simulation::play::play;
use interlock_simulation::scenario;
use interlock_simulation::world::Setting;

fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn without_faults_three_deployments_end_as_people_decided() {
    let played = play(&scenario::plain(1), Setting { told: true, ..Setting::default() }).unwrap();
    if std::env::var("INTERLOCK_TELL").is_ok() {
        say(&played.lines.join("\n"));
    }
    let report = &played.report;
    assert!(report.findings.is_empty(), "{report}\n{}", played.lines.join("\n"));
    assert_eq!((report.released, report.rejected, report.done), (1, 2, 3), "{report}");
}
