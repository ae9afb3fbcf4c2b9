//! Who may depend on whom: services, {platforms, servicenow}, runtime, rules, events, and never upwards.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

const EVENTS: &[&str] = &["interlock-events"];
const RULES: &[&str] = &["interlock-events", "interlock-rules"];
const RUNTIME: &[&str] = &["interlock-events", "interlock-rules", "interlock-runtime"];
const ADAPTERS: &[&str] = &[
    "interlock-events",
    "interlock-platforms",
    "interlock-rules",
    "interlock-runtime",
    "interlock-servicenow",
];
/// What else tests of a library may use.
const TEST_PARTNERS: &[&str] = &["interlock-broker", "interlock-simulators", "interlock-store"];
/// What only wires. Packages below `tests` may know everything, too.
const BINARY: &str = "interlock";

/// Foreign crates that are known to a few of ours alone.
const FENCED: &[(&str, &[&str])] = &[
    ("lapin", &["interlock-broker"]),
    ("redis", &["interlock-store"]),
    ("rusqlite", &["interlock-broker", "interlock-store"]),
    ("reqwest", &["interlock-runtime", "interlock-simulators"]),
];

fn below(package: &str, folder: &str) -> Option<&'static [&'static str]> {
    Some(match package {
        "interlock-events" | "interlock-simulators" => &[],
        "interlock-rules" => EVENTS,
        "interlock-runtime" => RULES,
        "interlock-broker" | "interlock-store" | "interlock-platforms" | "interlock-servicenow" => RUNTIME,
        _ if folder.starts_with("services") => ADAPTERS,
        _ => return None,
    })
}

struct Arrow {
    from: String,
    /// Of its manifest, from the root.
    folder: String,
    to: String,
    in_tests: bool,
}

fn arrows() -> Vec<Arrow> {
    let manifest = super::sources::root().join("Cargo.toml");
    let metadata: Metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let mut arrows = Vec::new();
    for package in &metadata.packages {
        let manifest = package.manifest_path.strip_prefix(&metadata.workspace_root).unwrap();
        for dependency in &package.dependencies {
            arrows.push(Arrow {
                from: package.name.to_string(),
                folder: manifest.as_str().to_owned(),
                to: dependency.name.clone(),
                in_tests: dependency.kind == DependencyKind::Development,
            });
        }
    }
    assert!(arrows.len() > 50, "cargo metadata names {} dependencies", arrows.len());
    arrows
}

fn is_ours(name: &str, arrows: &[Arrow]) -> bool {
    arrows.iter().any(|arrow| arrow.from == name)
}

fn wrong_arrows(arrows: &[Arrow]) -> Vec<String> {
    let mut wrong = Vec::new();
    for arrow in arrows {
        let Arrow { from, folder, to, in_tests } = arrow;
        if from == BINARY || folder.starts_with("tests") {
            continue;
        }
        let Some(below) = below(from, folder) else {
            wrong.push(format!("{from} has no place: say in tests/tidy/arrows.rs what it may depend on"));
            continue;
        };
        let partner = *in_tests && TEST_PARTNERS.contains(&to.as_str());
        if is_ours(to, arrows) && !below.contains(&to.as_str()) && !partner {
            wrong.push(format!("{from} -> {to} goes upwards or sideways"));
        }
        let fence = FENCED.iter().find(|(crate_name, _)| crate_name == to);
        if let Some((_, inside)) = fence
            && !in_tests
            && !inside.contains(&from.as_str())
        {
            wrong.push(format!("{from} -> {to}: only {} may know it", inside.join(" and ")));
        }
    }
    wrong
}

#[test]
fn dependencies_run_downwards_only() {
    let wrong = wrong_arrows(&arrows());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_upwards_sideways_or_through_a_fence_is_seen() {
    let arrow = |from: &str, folder: &str, to: &str, in_tests| Arrow {
        from: from.into(),
        folder: format!("{folder}/Cargo.toml"),
        to: to.into(),
        in_tests,
    };
    let mut all = arrows();
    let before = wrong_arrows(&all).len();
    all.extend([
        arrow("interlock-rules", "shared/rules", "interlock-runtime", false),
        arrow("change-worker", "services/change-worker", "approval-worker", true),
        arrow("ingress", "services/ingress", "interlock-broker", false),
        arrow("interlock-simulators", "shared/simulators", "interlock-events", true),
        arrow("interlock-servicenow", "shared/servicenow", "interlock-platforms", false),
        arrow("interlock-runtime", "shared/runtime", "lapin", false),
        arrow("newcomer", "shared/newcomer", "serde", false),
        // These may be.
        arrow("ingress", "services/ingress", "interlock-broker", true),
        arrow("interlock", "services/interlock", "interlock-broker", false),
    ]);
    assert_eq!(wrong_arrows(&all).len(), before + 7);
}
