//! SARIF, Trivy and CycloneDX in JSON. What a format does not need is skipped while it is read, so that nothing grows
//! but what is counted.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::format::Found;
use super::said::{count, plain};

/// Foreign names, cut.
const NAME_CHARS_MAX: usize = 60;
/// Tools of a report that are named.
const TOOLS_MAX: usize = 5;

/// What tells the formats apart.
#[derive(Deserialize)]
struct Probe {
    #[serde(default, rename = "bomFormat")]
    bom_format: Option<String>,
    #[serde(default)]
    version: Option<IgnoredAny>,
    #[serde(default)]
    runs: Option<IgnoredAny>,
    #[serde(default, rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(default, rename = "ArtifactName")]
    artifact_name: Option<IgnoredAny>,
}

/// Recognises a document by its first level, and counts.
pub(super) fn read(text: &str) -> Found {
    let unread = |_| "JSON that cannot be read".to_owned();
    let probe: Probe = serde_json::from_str(text).map_err(unread)?;
    Ok(if probe.bom_format.as_deref() == Some("CycloneDX") {
        Some(("cyclonedx", serde_json::from_str::<Bom>(text).map_err(unread)?.said()))
    } else if probe.runs.is_some() && probe.version.is_some() {
        Some(("sarif", serde_json::from_str::<Sarif>(text).map_err(unread)?.said()))
    } else if probe.schema_version.is_some() && probe.artifact_name.is_some() {
        Some(("trivy", serde_json::from_str::<Trivy>(text).map_err(unread)?.said()))
    } else {
        None
    })
}

/// SARIF 2.1.0 (OASIS standard).
#[derive(Deserialize)]
struct Sarif {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    tool: Tool,
    #[serde(default)]
    results: Option<Vec<Finding>>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    #[serde(default, rename = "defaultConfiguration")]
    default: Option<Level>,
}

#[derive(Deserialize)]
struct Level {
    #[serde(default)]
    level: Option<String>,
}

#[derive(Deserialize)]
struct Finding {
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default, rename = "ruleId")]
    rule: Option<String>,
    #[serde(default)]
    suppressions: Option<Vec<IgnoredAny>>,
}

impl Sarif {
    fn said(&self) -> String {
        let mut by_level = [("error", 0), ("warning", 0), ("note", 0), ("other", 0)];
        let (mut all, mut suppressed) = (0, 0);
        for run in &self.runs {
            let defaults = run.tool.defaults();
            for finding in run.results.iter().flatten() {
                if finding.kind.as_deref().is_some_and(|kind| kind != "fail") {
                    continue;
                }
                if finding.suppressions.as_ref().is_some_and(|some| !some.is_empty()) {
                    suppressed += 1;
                    continue;
                }
                all += 1;
                tally(&mut by_level, finding.level(&defaults));
            }
        }
        let tools: Vec<String> =
            self.runs.iter().map(|run| plain(&run.tool.driver.name, NAME_CHARS_MAX)).collect();
        let by = if tools.is_empty() { "" } else { " by " };
        let named = tools.iter().take(TOOLS_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if tools.len() > TOOLS_MAX { " and others" } else { "" };
        let suppressed = if suppressed > 0 { format!(", {suppressed} suppressed") } else { String::new() };
        format!("SARIF{by}{named}{more}: {}{}{suppressed}", count(all, "finding"), parenthesis(&by_level))
    }
}

impl Tool {
    /// The level that a rule gives to findings that name none.
    fn defaults(&self) -> BTreeMap<&str, &str> {
        let rules = std::iter::once(&self.driver).chain(&self.extensions).flat_map(|part| &part.rules);
        let levels =
            rules.filter_map(|rule| Some((rule.id.as_str(), rule.default.as_ref()?.level.as_deref()?)));
        levels.collect()
    }
}

impl Finding {
    fn level<'a>(&'a self, defaults: &BTreeMap<&str, &'a str>) -> &'a str {
        let of_rule = self.rule.as_deref().and_then(|rule| defaults.get(rule).copied());
        self.level.as_deref().or(of_rule).unwrap_or("warning")
    }
}

/// Trivy's own report (docs: "Reporting", JSON).
#[derive(Deserialize)]
struct Trivy {
    #[serde(rename = "ArtifactName")]
    name: String,
    #[serde(default, rename = "Results")]
    results: Option<Vec<Scanned>>,
}

#[derive(Deserialize)]
struct Scanned {
    #[serde(default, rename = "Vulnerabilities")]
    vulnerabilities: Option<Vec<Weakness>>,
    #[serde(default, rename = "Misconfigurations")]
    misconfigurations: Option<Vec<Weakness>>,
    #[serde(default, rename = "Secrets")]
    secrets: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Weakness {
    #[serde(default, rename = "Severity")]
    severity: Option<String>,
    #[serde(default, rename = "Status")]
    status: Option<String>,
}

impl Trivy {
    fn said(&self) -> String {
        let mut by_severity = [("critical", 0), ("high", 0), ("medium", 0), ("low", 0), ("other", 0)];
        let (mut all, mut wrong, mut secrets) = (0, 0, 0);
        for scanned in self.results.iter().flatten() {
            for weakness in scanned.vulnerabilities.iter().flatten() {
                all += 1;
                let severity = weakness.severity.as_deref().unwrap_or_default().to_ascii_lowercase();
                tally(&mut by_severity, &severity);
            }
            // Checks that passed are listed too.
            let failed = |check: &&Weakness| check.status.as_deref() != Some("PASS");
            wrong += scanned.misconfigurations.iter().flatten().filter(failed).count();
            secrets += scanned.secrets.iter().flatten().count();
        }
        let mut said = format!(
            "Trivy of {}: {}{}",
            plain(&self.name, NAME_CHARS_MAX),
            count(all, "vulnerability"),
            parenthesis(&by_severity)
        );
        for (number, one) in [(wrong, "misconfiguration"), (secrets, "secret")] {
            if number > 0 {
                said = format!("{said}, {}", count(number, one));
            }
        }
        said
    }
}

/// CycloneDX (ECMA-424).
#[derive(Deserialize)]
struct Bom {
    #[serde(default, rename = "specVersion")]
    version: Option<String>,
    #[serde(default)]
    components: Vec<Part>,
    #[serde(default)]
    vulnerabilities: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    components: Vec<Part>,
}

impl Bom {
    fn said(&self) -> String {
        let version = self.version.as_deref().map(|version| format!(" {}", plain(version, 10)));
        parts(&version.unwrap_or_default(), number_of(&self.components), self.vulnerabilities.len())
    }
}

/// Bounded by the depth that the reader goes to.
fn number_of(parts: &[Part]) -> usize {
    parts.iter().map(|part| 1 + number_of(&part.components)).sum()
}

/// The line about a list of components.
pub(super) fn parts(version: &str, components: usize, vulnerabilities: usize) -> String {
    format!(
        "CycloneDX{version}: {}, {}",
        count(components, "component"),
        count(vulnerabilities, "vulnerability")
    )
}

/// Counts under its name, or under the last.
fn tally(counts: &mut [(&str, usize)], name: &str) {
    let place = counts.iter().position(|(known, _)| *known == name).unwrap_or(counts.len() - 1);
    counts[place].1 += 1;
}

fn parenthesis(counts: &[(&str, usize)]) -> String {
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{number} {name}"))
        .collect();
    if some.is_empty() { String::new() } else { format!(" ({})", some.join(", ")) }
}
