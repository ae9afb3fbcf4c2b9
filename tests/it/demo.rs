//! The demo as a newcomer starts it: no server, no configuration, nothing in the environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The demo takes a few seconds; a loaded machine may take more.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// The binary under test: `INTERLOCK_BIN`, else the one that was built beside this test.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("INTERLOCK_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let beside = test.parent().and_then(Path::parent).unwrap().join("interlock");
    assert!(beside.exists(), "the binary is not built: cargo build -p interlock, or set INTERLOCK_BIN");
    beside
}

fn play(arguments: &[&str]) -> (Output, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let demo = Command::new(binary())
        .args(["demo", "--once", "--json"])
        .args(arguments)
        .env_clear()
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = until_ended(demo);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(!output.status.success() || left.is_empty(), "it leaves {left:?} behind");
    (output, lines)
}

/// Its output is a few lines, which fit into the pipe while nobody reads.
fn until_ended(mut demo: Child) -> Output {
    let begun = Instant::now();
    while demo.try_wait().unwrap().is_none() {
        if begun.elapsed() > ENDS_WITHIN {
            demo.kill().unwrap();
            panic!("the demo did not end: {:?}", demo.wait_with_output().unwrap());
        }
        std::thread::sleep(LOOK);
    }
    demo.wait_with_output().unwrap()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["event"].as_str()).collect()
}

#[test]
fn the_demo_releases_the_gate_and_closes_the_change() {
    let (output, lines) = play(&[]);
    assert!(output.status.success(), "{output:?}");
    let end = lines.last().unwrap();
    assert_eq!((&end["outcome"], &end["gate"]), (&"released".into(), &"released".into()), "{end}");
    assert_eq!(end["change"]["state"], 3, "{end}");
    assert!(end["change"]["number"].as_str().unwrap().starts_with("CHG"), "{end}");
    assert!(end["milliseconds"].as_u64().unwrap() < 60_000, "{end}");
    let expected = [
        "io.interlock.deployment.requested.v1",
        "io.interlock.change.opened.v1",
        "io.interlock.approval.granted.v1",
        "io.interlock.gate.released.v1",
        "io.interlock.deployment.started.v1",
        "io.interlock.deployment.finished.v1",
        "io.interlock.change.closed.v1",
    ];
    let told: std::collections::BTreeSet<&str> = events(&lines).into_iter().collect();
    assert_eq!(told, expected.into_iter().collect());
    let times: Vec<_> = lines.iter().filter_map(|line| line["milliseconds"].as_u64()).collect();
    assert!(times.len() > 10 && times.is_sorted(), "in the order of their times: {times:?}");
}

#[test]
fn the_demo_does_not_ignore_a_configuration() {
    let demo = Command::new(binary()).args(["demo", "--once", "--config", "/nowhere.yaml"]).output().unwrap();
    let said = String::from_utf8_lossy(&demo.stderr).into_owned();
    assert!(!demo.status.success() && said.contains("configuration of its own"), "{said}");
}

#[test]
fn the_rejected_demo_rejects_the_gate_and_cancels_the_change() {
    let (output, lines) = play(&["--reject"]);
    assert!(output.status.success(), "{output:?}");
    let end = lines.last().unwrap();
    assert_eq!((&end["outcome"], &end["gate"]), (&"rejected".into(), &"rejected".into()), "{end}");
    assert_eq!(end["change"]["state"], 4, "{end}");
    assert!(events(&lines).contains(&"io.interlock.gate.rejected.v1"), "{lines:?}");
    assert!(!events(&lines).contains(&"io.interlock.gate.released.v1"), "{lines:?}");
}
