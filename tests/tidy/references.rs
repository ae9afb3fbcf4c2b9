//! What the documents name is there: files, tests, metrics, and a configuration that is well.

use std::collections::BTreeSet;

use interlock_runtime::config::Config;

use super::sources::{File, files, read, root};

const TOP: &[&str] = &["services", "shared", "tests", "deploy", "docs", "scripts"];
const METRIC: &str = "interlock_";
/// Crates, which are written as metrics are.
const CRATES: &[&str] =
    &["broker", "events", "platforms", "rules", "runtime", "servicenow", "simulators", "store"];

fn documents() -> Vec<File> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let top = top.map(|path| File { path: path.into(), text: read(path) });
    let docs = files("docs").into_iter().filter(|file| file.path != "docs/events.md");
    top.into_iter().chain(docs).collect()
}

fn sources() -> Vec<File> {
    let all = TOP[..3].iter().flat_map(|folder| files(folder));
    all.filter(|file| file.path.ends_with(".rs")).collect()
}

/// What stands between back-quotes, and the targets of links within the project.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    quoted.chain(links.filter(|link| !link.contains("://"))).collect()
}

fn is_path(name: &str) -> bool {
    let top = name.split('/').next().unwrap_or_default();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    plain && name.contains('/') && TOP.contains(&top)
}

fn absent(document: &File) -> Vec<String> {
    let folder = root().join(&document.path);
    let there = |path: &str| root().join(path).exists() || folder.parent().unwrap().join(path).exists();
    let links = document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains("://")).map(|link| link.split('#').next().unwrap());
    let paths = named(&document.text).into_iter().filter(|name| is_path(name));
    let missing: BTreeSet<&str> = links.chain(paths).filter(|path| !there(path)).collect();
    missing.into_iter().map(|path| format!("{} names {path}, which is not there", document.path)).collect()
}

/// Names of tests are sentences of at least five words.
fn named_tests(text: &str) -> Vec<&str> {
    let words = |name: &str| name.split('_').count() >= 5;
    let plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    named(text).into_iter().filter(|name| words(name) && plain(name) && !name.starts_with(METRIC)).collect()
}

fn metrics_in<'a>(texts: impl Iterator<Item = &'a str>, before: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        for part in text.split(&format!("{before}{METRIC}")).skip(1) {
            let name: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !CRATES.contains(&name.as_str()) {
                found.insert(format!("{METRIC}{name}"));
            }
        }
    }
    found
}

#[test]
fn documents_name_only_what_is_there() {
    let missing: Vec<_> = documents().iter().flat_map(absent).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn documents_name_only_tests_that_exist() {
    let code: String = sources().into_iter().map(|file| file.text).collect();
    for document in documents() {
        for name in named_tests(&document.text) {
            assert!(
                code.contains(&format!("fn {name}(")),
                "{} names {name}, which no test is",
                document.path
            );
        }
    }
}

#[test]
fn every_metric_stands_in_operations_and_nothing_else_does() {
    let sources = sources();
    let product = sources.iter().filter(|file| !file.is_test() && !file.path.starts_with("tests/"));
    let code = metrics_in(product.flat_map(File::product).map(|(_, line)| line), "\"");
    let page = read("docs/operations.md");
    assert_eq!(
        code,
        metrics_in([page.as_str()].into_iter(), ""),
        "left: the code; right: docs/operations.md"
    );
}

#[test]
fn the_readmes_configuration_is_well() {
    let readme = read("README.md");
    let yaml = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    is_well("README.md", yaml);
}

#[test]
fn the_configuration_in_the_compose_file_is_well() {
    let compose = read("docker-compose.yml");
    let block = compose.split("    content: |\n").nth(1).unwrap();
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("      "));
    // Compose reads `$$` as a dollar sign.
    let yaml: String =
        lines.map(|line| format!("{}\n", line.get(6..).unwrap_or_default().replace("$$", "$"))).collect();
    is_well("docker-compose.yml", &yaml);
}

/// Both sides are connected, and every section can be read.
fn is_well(name: &str, yaml: &str) {
    let config = Config::parse(name, yaml, std::iter::empty()).unwrap();
    assert_eq!(config.connections().count(), 2);
    interlock_servicenow::webhook_sources(&config).unwrap();
    for connection in config.connections() {
        let kinds = interlock_platforms::adapters().into_iter().map(|entry| entry.kind);
        assert!(kinds.chain([interlock_servicenow::KIND]).any(|kind| kind == connection.kind));
    }
    assert!(config.policies[0].change.assignment_group.is_some(), "ServiceNow demands a group before Assess");
}

#[test]
fn what_is_not_there_is_seen() {
    let text = "see `shared/rules/src/never.rs` and [this](docs/never.md), not `a/b` nor [that](https://x.y/z)\n\
                held by `this_is_no_test_of_ours` and `interlock_never_counted_total`";
    let document = File { path: "X.md".into(), text: text.into() };
    assert_eq!(absent(&document).len(), 2, "{:?}", absent(&document));
    assert_eq!(named_tests(text), ["this_is_no_test_of_ours"]);
    assert_eq!(metrics_in([text].into_iter(), "").len(), 1);
}
