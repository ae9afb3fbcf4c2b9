//! Choice lists: the values that are stored, and their labels.

/// Values and labels, in the order in which a form shows them.
pub(in crate::servicenow) type Choices = &'static [(&'static str, &'static str)];

/// States of a change (vendor page "Change request state model").
pub(in crate::servicenow) const CHANGE_STATES: Choices = &[
    ("-5", "New"),
    ("-4", "Assess"),
    ("-3", "Authorize"),
    ("-2", "Scheduled"),
    ("-1", "Implement"),
    ("0", "Review"),
    ("3", "Closed"),
    ("4", "Canceled"),
];

pub(super) const TASK_STATES: Choices = &[
    ("-5", "Pending"),
    ("1", "Open"),
    ("2", "Work in Progress"),
    ("3", "Closed Complete"),
    ("4", "Closed Incomplete"),
    ("7", "Closed Skipped"),
];
pub(super) const CHANGE_TASK_STATES: Choices =
    &[("-5", "Pending"), ("1", "Open"), ("2", "In Progress"), ("3", "Closed"), ("4", "Canceled")];
pub(super) const CHANGE_TASK_TYPES: Choices = &[
    ("planning", "Planning"),
    ("implementation", "Implementation"),
    ("testing", "Testing"),
    ("review", "Review"),
];
pub(super) const INCIDENT_STATES: Choices = &[
    ("1", "New"),
    ("2", "In Progress"),
    ("3", "On Hold"),
    ("6", "Resolved"),
    ("7", "Closed"),
    ("8", "Canceled"),
];
pub(super) const HOLD_REASONS: Choices = &[
    ("1", "Awaiting Caller"),
    ("5", "Awaiting Change"),
    ("3", "Awaiting Problem"),
    ("4", "Awaiting Vendor"),
];
pub(super) const INCIDENT_CLOSE_CODES: Choices = &[
    ("Duplicate", "Duplicate"),
    ("Known error", "Known error"),
    ("No resolution provided", "No resolution provided"),
    ("Resolved by caller", "Resolved by caller"),
    ("Resolved by change", "Resolved by change"),
    ("Resolved by problem", "Resolved by problem"),
    ("Resolved by request", "Resolved by request"),
    ("Solution provided", "Solution provided"),
    ("Workaround provided", "Workaround provided"),
    ("User error", "User error"),
];
pub(super) const PROBLEM_STATES: Choices = &[
    ("101", "New"),
    ("102", "Assess"),
    ("103", "Root Cause Analysis"),
    ("104", "Fix in Progress"),
    ("106", "Resolved"),
    ("107", "Closed"),
];
pub(super) const RESOLUTION_CODES: Choices = &[
    ("fix_applied", "Fix Applied"),
    ("risk_accepted", "Risk Accepted"),
    ("duplicate", "Duplicate"),
    ("canceled", "Canceled"),
];
pub(super) const APPROVALS: Choices = &[
    ("not requested", "Not Yet Requested"),
    ("requested", "Requested"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
    ("not_required", "No Longer Required"),
    ("skipped", "Skipped"),
    ("duplicate", "Duplicate"),
];
pub(super) const WAIT_FOR: Choices = &[("any", "Anyone"), ("all", "Everyone")];
pub(super) const TYPES: Choices =
    &[("normal", "Normal"), ("standard", "Standard"), ("emergency", "Emergency")];
pub(super) const CLOSE_CODES: Choices = &[
    ("successful", "Successful"),
    ("successful_issues", "Successful with issues"),
    ("unsuccessful", "Unsuccessful"),
];
pub(super) const LEVELS: Choices = &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")];
pub(super) const SCOPES: Choices =
    &[("1", "Massive"), ("2", "Large"), ("3", "Medium"), ("4", "Small"), ("5", "Tiny")];
pub(super) const RISKS: Choices = &[("1", "Very High"), ("2", "High"), ("3", "Moderate"), ("4", "Low")];
pub(super) const PRIORITIES: Choices = &[
    ("1", "1 - Critical"),
    ("2", "2 - High"),
    ("3", "3 - Moderate"),
    ("4", "4 - Low"),
    ("5", "5 - Planning"),
];

/// The label of a choice, or the value itself: an unknown choice is stored as it is.
pub(in crate::servicenow) fn label<'a>(choices: &'a [(&'a str, &'a str)], value: &'a str) -> &'a str {
    choices.iter().find(|(known, _)| *known == value).map_or(value, |(_, label)| label)
}
