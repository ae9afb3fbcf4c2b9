//! Stories from seeds: what they come to without faults, and that each can be told again.

use interlock_simulation::play::play;
use interlock_simulation::scenario;
use interlock_simulation::world::Setting;

#[test]
fn without_faults_three_deployments_end_as_people_decided() {
    let played = play(&scenario::plain(1), Setting { told: true, ..Setting::default() }).unwrap();
    let report = &played.report;
    assert!(report.findings.is_empty(), "{report}\n{}", played.lines.join("\n"));
    assert_eq!((report.released, report.rejected, report.done), (1, 2, 3), "{report}");
}

#[test]
fn the_same_seed_tells_the_same_story_again_told_or_not() {
    for seed in 1..=5 {
        let script = scenario::of(seed);
        let told = play(&script, Setting { told: true, ..Setting::default() }).unwrap();
        let again = play(&script, Setting::default()).unwrap();
        assert_eq!((told.hash, told.steps), (again.hash, again.steps), "seed {seed}");
        assert_eq!(told.report, again.report, "seed {seed}");
    }
}
