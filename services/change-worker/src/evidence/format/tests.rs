use super::*;

fn said(content: &str) -> String {
    let Recognised { format, media_type, summary } = recognise(content.as_bytes());
    format!("{format} [{media_type}] {summary}")
}

const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="99">
  <testsuite name="a" tests="3">
    <testcase name="one"/>
    <testcase name="two"><failure message="no">at line 4</failure><system-out>x</system-out></testcase>
    <testcase name="three"><skipped/></testcase>
  </testsuite>
  <testsuite name="b"><testcase name="four"><error/></testcase><testsuite><testcase name="five"/></testsuite></testsuite>
</testsuites>"#;

const SARIF: &str = r#"{ "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [
  { "tool": { "driver": { "name": "CodeQL", "rules": [
      { "id": "js/xss", "defaultConfiguration": { "level": "error" } }, { "id": "js/style" } ] } },
    "results": [
      { "ruleId": "js/xss", "message": { "text": "a" } }, { "ruleId": "js/style", "message": {} },
      { "ruleId": "js/style", "level": "note" }, { "ruleId": "js/xss", "kind": "pass" },
      { "ruleId": "js/xss", "suppressions": [{ "kind": "inSource" }] } ] },
  { "tool": { "driver": { "name": "Semgrep" } }, "results": null } ] }"#;

const TRIVY: &str = r#"{ "SchemaVersion": 2, "ArtifactName": "registry.example/app:1.4", "Results": [
  { "Target": "os", "Vulnerabilities": [
      { "VulnerabilityID": "CVE-1", "Severity": "CRITICAL" }, { "Severity": "HIGH" }, { "Severity": "HIGH" },
      { "Severity": "UNKNOWN" } ] },
  { "Target": "Dockerfile", "Vulnerabilities": null,
    "Misconfigurations": [{ "Status": "FAIL", "Severity": "LOW" }, { "Status": "PASS" }], "Secrets": [{}] } ] }"#;

const CYCLONEDX: &str = r#"{ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
  "metadata": { "component": { "name": "app" } },
  "components": [{ "name": "a", "components": [{ "name": "b" }] }, { "name": "c" }], "vulnerabilities": [{ "id": "CVE-1" }] }"#;

const CYCLONEDX_XML: &str = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><metadata><component/></metadata>
  <components><component><name>a</name><components><component/></components></component></components></bom>"#;

#[test]
fn each_format_is_told_in_one_line() {
    let all = [JUNIT, SARIF, TRIVY, CYCLONEDX, CYCLONEDX_XML].map(said).join("\n");
    insta::assert_snapshot!(all, @r"
    junit [application/xml] JUnit: 5 tests, 1 failed, 1 in error, 1 skipped
    sarif [application/json] SARIF by CodeQL, Semgrep: 3 findings (1 error, 1 warning, 1 note), 1 suppressed
    trivy [application/json] Trivy of registry.example/app:1.4: 4 vulnerabilities (1 critical, 2 high, 1 other), 1 misconfiguration, 1 secret
    cyclonedx [application/json] CycloneDX 1.5: 3 components, 1 vulnerability
    cyclonedx [application/xml] CycloneDX: 2 components, 0 vulnerabilities
    ");
}

#[test]
fn what_is_clean_or_empty_is_told_too() {
    let clean = [
        r#"<testsuite name="none"/>"#,
        r#"{ "version": "2.1.0", "runs": [] }"#,
        r#"{ "SchemaVersion": 2, "ArtifactName": "app" }"#,
        r#"{ "bomFormat": "CycloneDX" }"#,
    ];
    insta::assert_snapshot!(clean.map(said).join("\n"), @r"
    junit [application/xml] JUnit: 0 tests, 0 failed, 0 in error, 0 skipped
    sarif [application/json] SARIF: 0 findings
    trivy [application/json] Trivy of app: 0 vulnerabilities
    cyclonedx [application/json] CycloneDX: 0 components, 0 vulnerabilities
    ");
}

#[test]
fn whatever_else_comes_is_a_file_like_any_other() {
    let billion_laughs =
        r#"<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><testsuite>&b;</testsuite>"#;
    let reads_files = r#"<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuites/>"#;
    let deep_xml = format!("<testsuite>{}", "<a>".repeat(100_000));
    let deep_json =
        format!(r#"{{ "bomFormat": "CycloneDX", "components": {} }}"#, r#"[{"components":"#.repeat(50_000));
    let others = [
        billion_laughs,
        reads_files,
        &deep_xml,
        &deep_json,
        "<testsuite><testcase></testsuite>",
        "<testsuite><testcase/>",
        "<html><testcase/></html>",
        r#"{ "runs": [], "version": "2.1.0""#,
        r#"{ "runs": 5, "version": "2.1.0" }"#,
        r#"{ "bomFormat": "SPDX" }"#,
        r#"{ "bomFormat": 5 }"#,
        "[]",
        "",
    ];
    insta::assert_snapshot!(others.map(said).join("\n"), @r"
    other [text/plain] XML with a document type, which is not read, 80 bytes
    other [text/plain] XML with a document type, which is not read, 74 bytes
    other [text/plain] XML that is nested too deeply to be read, 292 KiB
    other [text/plain] JSON that cannot be read, 732 KiB
    other [text/plain] XML that cannot be read, 33 bytes
    other [text/plain] XML that is cut, 22 bytes
    other [application/xml] XML of another format, 24 bytes
    other [text/plain] JSON that cannot be read, 32 bytes
    other [text/plain] JSON that cannot be read, 33 bytes
    other [application/json] JSON of another format, 23 bytes
    other [text/plain] JSON that cannot be read, 18 bytes
    other [text/plain] text, 2 bytes
    other [text/plain] text, 0 bytes
    ");
    assert_eq!(recognise(&[0xFF, 0xFE, 0]).media_type, "application/octet-stream");
    assert_eq!(recognise("\u{feff}<testsuite/>".as_bytes()).format, "junit");
}

#[test]
fn a_hundred_thousand_findings_are_counted() {
    let findings = vec![r#"{"level":"error"}"#; 100_000].join(",");
    let report = format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"[code]x[/code]"}}}},"results":[{findings}]}}]}}"#
    );
    assert_eq!(
        recognise(report.as_bytes()).summary,
        "SARIF by (code)x(/code): 100000 findings (100000 error)"
    );
    let cases = format!("<testsuite>{}</testsuite>", "<testcase/>".repeat(100_000));
    assert_eq!(recognise(cases.as_bytes()).summary, "JUnit: 100000 tests, 0 failed, 0 in error, 0 skipped");
}
