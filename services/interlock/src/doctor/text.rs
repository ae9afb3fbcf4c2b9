//! Examinations as people read them: what is bad first.

use std::fmt::Write as _;

use interlock_servicenow::doctor::{Examination, Finding, Severity, Verdict};

use crate::say::Tone;

/// Width of the first two columns.
const MARK: usize = 8;
const CHECK: usize = 20;

/// Makes a piece of text stand out, or not.
type Paint = fn(Tone, &str) -> String;

/// All of them, and how they end.
pub fn all(examinations: &[Examination], paint: Paint) -> String {
    let mut text = String::new();
    for examination in examinations {
        text.push_str(&one(examination, paint));
        text.push('\n');
    }
    text.push_str(&sum(examinations));
    text
}

fn one(examination: &Examination, paint: Paint) -> String {
    let Examination { connection, instance, user, calls, verdicts } = examination;
    let user = user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
    let mut text = format!("{}  {instance}{user}, {calls} calls\n", paint(Tone::Strong, connection));
    for severity in [Severity::Fault, Severity::Warning] {
        for verdict in verdicts {
            let found = verdict.findings.iter().filter(|finding| finding.severity == severity);
            found.for_each(|finding| text.push_str(&told(verdict, finding, paint)));
        }
    }
    for (mark, tone, said) in [("unseen", Tone::Faint, unseen as Said), ("ok", Tone::Good, seen as Said)] {
        for verdict in verdicts {
            if let Some(said) = said(verdict) {
                text.push_str(&line(&paint(tone, &padded(mark)), verdict, said));
            }
        }
    }
    text
}

type Said = fn(&Verdict) -> Option<&str>;

fn unseen(verdict: &Verdict) -> Option<&str> {
    verdict.unseen.as_deref()
}

fn seen(verdict: &Verdict) -> Option<&str> {
    verdict.seen.as_deref()
}

fn padded(mark: &str) -> String {
    format!("{mark:MARK$}")
}

fn line(mark: &str, verdict: &Verdict, said: &str) -> String {
    format!("  {mark} {:CHECK$} {said}\n", verdict.check)
}

fn told(verdict: &Verdict, finding: &Finding, paint: Paint) -> String {
    let (mark, tone) = match finding.severity {
        Severity::Fault => ("FAULT", Tone::Bad),
        Severity::Warning => ("warning", Tone::Strong),
    };
    let mut text = line(&paint(tone, &padded(mark)), verdict, finding.name.as_str());
    let indent = " ".repeat(MARK + 3);
    let _ = writeln!(text, "{indent}cause: {}", finding.cause);
    let _ = writeln!(text, "{indent}cure:  {}", finding.cure);
    text
}

fn sum(examinations: &[Examination]) -> String {
    let findings = || examinations.iter().flat_map(Examination::findings);
    let of = |severity: Severity| findings().filter(|finding| finding.severity == severity).count();
    let unseen = examinations.iter().flat_map(|one| &one.verdicts).filter(|verdict| verdict.unseen.is_some());
    let (faults, warnings, unseen) = (of(Severity::Fault), of(Severity::Warning), unseen.count());
    match (faults, warnings) {
        (0, 0) => format!("No finding; {unseen} checks could not be made."),
        _ => format!("{faults} faults, {warnings} warnings; {unseen} checks could not be made."),
    }
}

#[cfg(test)]
mod tests {
    use interlock_servicenow::doctor::{Check, Name};

    use super::*;

    fn verdict(check: Check) -> Verdict {
        Verdict { check, findings: Vec::new(), seen: None, unseen: None }
    }

    fn finding(name: Name, severity: Severity) -> Finding {
        Finding { name, severity, cause: "what is the matter".into(), cure: "what to do about it".into() }
    }

    fn examination() -> Examination {
        let verdicts = vec![
            Verdict { seen: Some("the instance's REST API answers".into()), ..verdict(Check::Reach) },
            Verdict {
                findings: vec![finding(Name::TimeZoneNotUtc, Severity::Warning)],
                ..verdict(Check::Dates)
            },
            Verdict {
                findings: vec![finding(Name::ApproversHidden, Severity::Fault)],
                ..verdict(Check::Approvals)
            },
            Verdict { unseen: Some("sys_dictionary is not shown".into()), ..verdict(Check::Mandatory) },
        ];
        Examination {
            connection: "servicenow".into(),
            instance: "https://acme.service-now.com".into(),
            user: Some("interlock".into()),
            calls: 21,
            verdicts,
        }
    }

    #[test]
    fn what_is_bad_comes_first_with_cause_and_cure() {
        insta::assert_snapshot!(all(&[examination()], |_, text| text.to_owned()));
    }

    #[test]
    fn scripts_find_names_severities_and_checks_in_json() {
        insta::assert_json_snapshot!(examination());
    }

    #[test]
    fn every_finding_stands_in_the_operations_page() {
        let page = include_str!("../../../../docs/operations.md");
        let section = page
            .split("## What the doctor finds")
            .nth(1)
            .and_then(|rest| rest.split("\n## ").next())
            .unwrap();
        for name in Name::ALL {
            assert!(section.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn without_findings_the_end_says_so() {
        let mut well = examination();
        well.verdicts.retain(|verdict| verdict.findings.is_empty());
        assert_eq!(sum(&[well]), "No finding; 1 checks could not be made.");
    }
}
