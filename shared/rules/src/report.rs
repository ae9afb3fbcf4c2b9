//! What people read at the platform while a gate waits: which change it waits for, and why.

use chrono::{DateTime, Utc};

use crate::record::ChangeRow;

/// Reports of one gate. GitHub takes ten (docs: "Creating custom deployment protection rules").
pub const REPORTS_MAX: u8 = 8;
/// Longest reason that is told.
const REASON_CHARS_MAX: usize = 300;

/// How a gate stands, for people.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    /// The change, if it could be read; what was known of it stands in `number`.
    pub row: Option<&'a ChangeRow>,
    /// Number of the change that is known.
    pub number: Option<&'a str>,
    /// Page of the change.
    pub page: Option<&'a str>,
    /// Why the gate waits.
    pub reason: &'a str,
    /// When it is decided at the latest.
    pub deadline: DateTime<Utc>,
}

/// A report, and what it is about: it is told once until something else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it is about.
    pub about: String,
    /// The text, in Markdown.
    pub text: String,
}

/// What is to be told of a gate that waits. Nothing before there is a change.
#[must_use]
pub fn report(waiting: Waiting<'_>) -> Option<Report> {
    let number = waiting.number?;
    let name = waiting.page.map_or_else(|| number.to_owned(), |page| format!("[{number}]({page})"));
    let deadline = waiting.deadline.format("%Y-%m-%d %H:%M UTC");
    let latest = format!("Decided by {deadline} at the latest.");
    let Some(row) = waiting.row else {
        // What is wrong may differ from look to look.
        let text = format!("{name} cannot be read in ServiceNow at the moment, so the gate waits. {latest}");
        return Some(Report { about: "unreadable".into(), text });
    };
    let approved = row.approvers.iter().filter(|approver| approver.state == "approved").count();
    let given = match approved {
        0 => String::new(),
        1 => " One approval was given.".into(),
        many => format!(" {many} approvals were given."),
    };
    let reason: String = waiting.reason.chars().take(REASON_CHARS_MAX).collect();
    let text = format!("This deployment waits for {name}: {reason}.{given} {latest}");
    Some(Report { about: format!("{reason} {approved}"), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ChangeState;
    use crate::record::tests::{approver, at, row};

    fn text(row: Option<&ChangeRow>, reason: &str) -> String {
        let page = Some("https://acme.service-now.com/change_request.do?sys_id=1");
        report(Waiting { row, number: Some("CHG1"), page, reason, deadline: at(86_400) }).unwrap().text
    }

    #[test]
    fn reports_read_well() {
        let mut change = row("CHG1", ChangeState::Assess);
        insta::assert_snapshot!(text(Some(&change), "CHG1 is in Assess and waits for approval"), @"This deployment waits for [CHG1](https://acme.service-now.com/change_request.do?sys_id=1): CHG1 is in Assess and waits for approval. Decided by 2026-01-13 09:15 UTC at the latest.");
        change.approvers = vec![approver("approved", 5), approver("rejected", 6)];
        insta::assert_snapshot!(text(Some(&change), "CHG1 is in Authorize and waits for approval"), @"This deployment waits for [CHG1](https://acme.service-now.com/change_request.do?sys_id=1): CHG1 is in Authorize and waits for approval. One approval was given. Decided by 2026-01-13 09:15 UTC at the latest.");
        insta::assert_snapshot!(text(Some(&change), "CHG1 is approved; its window begins at 2026-01-13 09:00:00 UTC"), @"This deployment waits for [CHG1](https://acme.service-now.com/change_request.do?sys_id=1): CHG1 is approved; its window begins at 2026-01-13 09:00:00 UTC. One approval was given. Decided by 2026-01-13 09:15 UTC at the latest.");
        insta::assert_snapshot!(text(None, "the change cannot be read: 503"), @"[CHG1](https://acme.service-now.com/change_request.do?sys_id=1) cannot be read in ServiceNow at the moment, so the gate waits. Decided by 2026-01-13 09:15 UTC at the latest.");
    }

    #[test]
    fn before_there_is_a_change_there_is_nothing_to_tell() {
        let waiting =
            Waiting { row: None, number: None, page: None, reason: "no change yet", deadline: at(0) };
        assert_eq!(report(waiting), None);
    }

    #[test]
    fn what_is_wrong_with_servicenow_is_told_once_whatever_it_says() {
        let about = |reason| {
            let waiting = Waiting { row: None, number: Some("CHG1"), page: None, reason, deadline: at(0) };
            report(waiting).unwrap().about
        };
        assert_eq!(about("503"), about("time-out"));
    }

    #[test]
    fn no_report_is_longer_than_a_comment_may_be() {
        let change = row("CHG1", ChangeState::Assess);
        assert!(text(Some(&change), &"é".repeat(5_000)).chars().count() < 900);
    }
}
