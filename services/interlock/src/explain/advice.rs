//! What to do about a gate that waits, or about how it ended.

/// What to do, by the words that say how it stands: the first that fit.
const ADVICE: [(&str, &str); 17] = [
    (
        "does not take our credentials",
        "put the right secret where the connection reads it; it is taken up by itself",
    ),
    (
        "credentials are refused",
        "put the right secret where the connection reads it; it is taken up by itself",
    ),
    (
        "does not answer",
        "nothing here: it goes on by itself when ServiceNow is back; at the deadline it is rejected",
    ),
    (
        "cannot be read",
        "see whether ServiceNow answers (interlock_servicenow_up) and whether the record is hidden",
    ),
    (
        "somebody else must approve",
        "ask somebody else to approve the change, after taking that approval back",
    ),
    ("is no user in ServiceNow", "correct the policy's separation, or give them a user in ServiceNow"),
    ("only observes", "nothing holds it; write mode: enforce once what is observed is as it should be"),
    ("on hold", "take the change off hold in ServiceNow"),
    ("another commit", "the change was edited to another correlation id: put it back, or re-run the job"),
    ("window", "change the planned start and end of the change in ServiceNow, or wait for it"),
    ("opened in ServiceNow", "ask those who approve the change in ServiceNow"),
    ("waits for approval", "ask those who approve the change in ServiceNow"),
    ("no change", "see `interlock dead-letters list` and interlock_servicenow_calls_total{what=\"create\"}"),
    ("could not go on", "see `interlock dead-letters list`; cure the cause, then replay"),
    ("does not go on", "see the change in ServiceNow: what blocks it stands there"),
    ("the gate is rejected", "re-run the job; it gets a change of its own"),
    ("was withdrawn", "cancel the run at the platform if it must not go on"),
];

/// What to do; nothing where all is well.
pub fn of(now: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(words, _)| now.contains(words)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_what_to_do_and_who_is_done_is_not() {
        let waits =
            "the gate waits: CHG1 waits for approval; decided by 2026-03-01 10:00:00 UTC at the latest";
        assert!(of(waits).is_some_and(|advice| advice.contains("approve")));
        let away = "the gate waits: ServiceNow prod: cannot look up: the instance does not answer: reset";
        assert!(of(away).is_some_and(|advice| advice.contains("by itself")));
        assert!(of("the gate is rejected: nobody approved").is_some_and(|advice| advice.contains("re-run")));
        assert_eq!(of("CHG0030001 closed: successful"), None);
        assert_eq!(of("the gate is released on CHG0030001"), None);
    }
}
