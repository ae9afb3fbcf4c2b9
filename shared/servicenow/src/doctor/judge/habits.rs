//! Time zone, clock, limits, and whether the instance tells us of changes.

use chrono::NaiveDateTime;

use super::may_not_see;
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Habits, Heard, Readings, Throttle, field, shown};
use crate::row::TIME;

/// Window decisions are not made above this.
const SKEW_FAULT_SECONDS: i64 = 60;
const SKEW_WARNING_SECONDS: i64 = 5;
/// Asking for approvals every 15 seconds takes 240 calls an hour; a deployment about ten.
const CALLS_FAULT: u64 = 300;
const CALLS_WARNING: u64 = 2_000;

/// By what the user is shown of a date, compared with what is stored: its zone may be the instance's.
pub(super) fn dates(user: &Heard) -> Verdict {
    let Some(row) = user.first() else {
        return Verdict::unseen(Check::Dates, may_not_see(user, "its own row of sys_user"));
    };
    let parsed = |text: &str| NaiveDateTime::parse_from_str(text, TIME).ok();
    let Some(stored) = parsed(&field(row, "sys_created_on")) else {
        return Verdict::unseen(Check::Dates, "the user's record shows no date");
    };
    let zone = field(row, "time_zone");
    let named = if zone.is_empty() { "the instance's".to_owned() } else { zone.clone() };
    let shown = shown(row, "sys_created_on");
    let mut findings = Vec::new();
    let shifted = parsed(&shown).map(|shown| shown != stored);
    let is_utc = zone.is_empty() || ["GMT", "UTC", "Etc/UTC", "Etc/GMT"].contains(&zone.as_str());
    if shifted.unwrap_or(!is_utc) {
        findings.push(Finding::warning(
            Name::TimeZoneNotUtc,
            format!(
                "the user's time zone is {named}, not GMT. Interlock reads stored values, which are UTC, so approvals \
                 and windows are right; but times in its queries are read in this zone, so that changes that lost \
                 their deployment are found hours late"
            ),
            "set Time zone to GMT in the user's record",
        ));
    }
    if shifted.is_none() {
        findings.push(Finding::warning(
            Name::DateFormat,
            format!("the user sees dates in a format of its own (`{shown}`). Interlock does not depend on it: it reads stored values"),
            "leave Date format and Time format empty in the user's record, so that scripts of yours do not trip over them",
        ));
    }
    Verdict::of(Check::Dates, findings, "the user's time zone is GMT, dates come as they are stored")
}

pub(in crate::doctor) fn clock(habits: &Habits) -> Verdict {
    let Some(seconds) = habits.skew_seconds else {
        return Verdict::unseen(Check::Clock, "the instance's answers bear no date");
    };
    let way = if seconds < 0 { "behind" } else { "ahead of" };
    let cause = format!("the instance's clock is {} s {way} this machine's", seconds.abs());
    let cure = "let both follow NTP; the instance's clock is its provider's";
    let finding = match seconds.abs() {
        over if over > SKEW_FAULT_SECONDS => {
            Some(Finding::fault(Name::ClockSkew, format!("{cause}: no window is judged"), cure))
        }
        over if over > SKEW_WARNING_SECONDS => Some(Finding::warning(Name::ClockSkew, cause, cure)),
        _ => None,
    };
    Verdict::of(Check::Clock, finding.into_iter().collect(), "the clocks agree")
}

pub(in crate::doctor) fn limits(habits: &Habits) -> Verdict {
    let mut findings = Vec::new();
    match habits.throttled {
        Some(Throttle { by_a_rule: true }) => findings.push(Finding::fault(
            Name::RateLimitReached,
            "a rate-limit rule refuses calls of the user: its number for this hour is used up",
            "raise it in System Web Services > REST > Rate Limit Rules, or find who else uses this user",
        )),
        Some(Throttle { by_a_rule: false }) => findings.push(Finding::warning(
            Name::InstanceBusy,
            "the instance refused a call because all its threads for REST were busy",
            "look at who else calls the instance (Transactions, API_INT), and examine it again later",
        )),
        None => {}
    }
    if let Some(calls) = habits.calls_an_hour.filter(|calls| *calls < CALLS_WARNING) {
        let cause = format!(
            "a rule allows {calls} calls an hour; asking for approvals takes 240 of them, and each deployment about ten"
        );
        let cure =
            format!("raise it to {CALLS_WARNING} or more in System Web Services > REST > Rate Limit Rules");
        findings.push(if calls < CALLS_FAULT {
            Finding::fault(Name::RateLimitLow, cause, cure)
        } else {
            Finding::warning(Name::RateLimitLow, cause, cure)
        });
    }
    let well = match habits.calls_an_hour {
        Some(calls) => format!("{calls} calls an hour"),
        None => "no rate-limit rule concerns the user".to_owned(),
    };
    Verdict::of(Check::Limits, findings, well)
}

pub(super) fn webhook(readings: &Readings) -> Verdict {
    if !readings.has_webhook {
        return Verdict::seen(Check::Webhook, "none is configured: the instance is asked every 15 seconds");
    }
    if !readings.scripts.rows().is_empty() {
        return Verdict::seen(Check::Webhook, "the instance has business rules of that name");
    }
    // Where no rule at all is shown, nothing follows from not seeing ours.
    if readings.any_script.rows().is_empty() || !matches!(readings.scripts, Heard::Rows(_)) {
        return Verdict::unseen(Check::Webhook, may_not_see(&readings.any_script, "sys_script"));
    }
    let finding = Finding::warning(
        Name::WebhookAbsent,
        "a webhook is configured, and the instance has no active business rule on changes or approvals that bears \
         Interlock's name: approvals are seen up to 15 seconds later",
        "set up section 3 of deploy/servicenow, or take `webhook` out of the connection",
    );
    Verdict::found(Check::Webhook, finding)
}
