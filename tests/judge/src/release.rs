//! I3, I4, I5: what was released, whether it was read before, and whether gates were decided in time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::gates::Decision;
use super::{Evidence, Gate, Record, Report, seconds};

/// How old the read of a record may be at its release.
const READ_AGE_MAX: i64 = 5;
/// An approval so near to the deadline does not move it.
const MARGIN: i64 = 10;
/// A window without an end.
const OPEN_WINDOW: i64 = 24 * 3600;
/// The promise is 60 s; a call to the platform may take its time.
const DECIDED_WITHIN: i64 = 75;
/// Where a record changed, a hint may be lost: the next look comes within two minutes more.
const LOOKED_AT_WITHIN: i64 = 200;
/// How soon a release of another attempt than was meant is undone.
const UNDONE_WITHIN: i64 = 90;
/// How long before an answer the run must have been read.
const RUN_READ_WITHIN: i64 = 12;

/// I3: at some moment of the last five seconds a change of this deployment permitted the release. One
/// residual: an answer that was meant for the attempt before opens the next one; then its run is canceled.
pub(super) fn releases(gate: &Gate, of: &[&Record], evidence: &Evidence, report: &mut Report) {
    let way = TimeDelta::from_std(evidence.terms.on_its_way).unwrap_or_default();
    for Decision { at, released, meant_for } in &gate.decisions {
        if !released {
            report.rejected += 1;
            continue;
        }
        report.released += 1;
        let since = *at - seconds(READ_AGE_MAX) - way;
        if of.iter().any(|record| record.permitted_between(since, *at)) {
            continue;
        }
        let of_another = meant_for.is_some_and(|meant| meant != gate.deployment);
        let by = at.max(&evidence.undisturbed).to_owned() + seconds(UNDONE_WITHIN);
        if of_another && gate.canceled_by_us.iter().any(|canceled| canceled >= at && *canceled <= by) {
            report.residual += 1;
            continue;
        }
        report.wrong_releases += 1;
        let stood: Vec<_> = of.iter().map(|record| (&record.number, record.at(*at))).collect();
        let meant = meant_for.filter(|_| of_another);
        report.find(
            "I3",
            format!(
                "deployment {} was released at {at} (meant for {meant:?}), but {stood:?}",
                gate.deployment
            ),
        );
    }
}

/// I5: one decision, and the run was read before every answer.
pub(super) fn answers(gate: &Gate, evidence: &Evidence, report: &mut Report) {
    if gate.decisions.len() > 1 {
        report.opposite += 1;
        report
            .find("I5", format!("deployment {} was decided {} times", gate.deployment, gate.decisions.len()));
    }
    let way = TimeDelta::from_std(evidence.terms.on_its_way).unwrap_or_default();
    let run = format!("/actions/runs/{}/", gate.run);
    let of_run = || evidence.github_requests.iter().filter(|request| request.path.contains(&run));
    for answer in of_run().filter(|request| request.method == "POST" && request.path.ends_with("_rule")) {
        let since = answer.at - seconds(RUN_READ_WITHIN);
        let read = of_run().any(|request| {
            request.path.ends_with("/pending_deployments") && request.at >= since && request.at <= answer.at
        });
        let own = gate.decisions.iter().any(|decision| (decision.at - answer.at).abs() <= way);
        if own && !read {
            report.opposite += 1;
            report.find("I5", format!("deployment {} was answered at {} unread", gate.deployment, answer.at));
        }
    }
}

/// I1 and I4: whoever was told to us is decided, and in time.
pub(super) fn in_time(gate: &Gate, of: &[&Record], evidence: &Evidence, report: &mut Report) {
    let Some(accepted) = evidence.accepted.get(&gate.deployment) else {
        report.untold += 1;
        return;
    };
    let decided = gate.decided_at();
    let until = decided.unwrap_or(evidence.end);
    let watched = Watched::until(gate, of, evidence.terms.timeout, until);
    let late = |since: Option<DateTime<Utc>>, from: DateTime<Utc>, within: i64| {
        since.is_some_and(|since| until - since.max(from).max(*accepted) > seconds(within))
    };
    let within = if watched.ever_approved { LOOKED_AT_WITHIN } else { DECIDED_WITHIN };
    let overdue = late(watched.overdue_since, evidence.undisturbed, within);
    let withheld = late(watched.permits_since, evidence.quiet, LOOKED_AT_WITHIN);
    match decided {
        Some(_) => report.done += 1,
        None if overdue => {
            report.lost += 1;
            report.find("I1", format!("deployment {} was told to us and is never decided", gate.deployment));
        }
        None => {}
    }
    if overdue || withheld {
        report.hanging += 1;
        let why = if withheld { "is permitted" } else { "is overdue" };
        let since = if withheld { watched.permits_since } else { watched.overdue_since };
        report.find(
            "I4",
            format!("deployment {} {why} since {since:?} and was decided at {decided:?}", gate.deployment),
        );
    }
    let rejected = gate.decisions.first().is_some_and(|first| first.at == until && !first.released);
    let unheard = |since: DateTime<Utc>| until - since.max(evidence.readable) > seconds(20);
    if rejected && watched.permits_since.is_some_and(unheard) {
        report.hanging += 1;
        report
            .find("I4", format!("deployment {} was rejected at {until} although permitted", gate.deployment));
    }
}

/// How a gate stood until it was decided, second by second.
struct Watched {
    /// Without a break from then on its deadline had passed.
    overdue_since: Option<DateTime<Utc>>,
    /// Without a break from then on it was permitted, and not too near to its deadline.
    permits_since: Option<DateTime<Utc>>,
    ever_approved: bool,
}

impl Watched {
    fn until(gate: &Gate, of: &[&Record], timeout: Duration, until: DateTime<Utc>) -> Self {
        let mut watched = Self { overdue_since: None, permits_since: None, ever_approved: false };
        let mut now = gate.asked;
        while now <= until {
            let deadline = deadline(gate, of, timeout, now);
            let permits = of.iter().any(|record| record.permitted_between(now, now));
            watched.ever_approved |=
                of.iter().any(|record| record.at(now).is_some_and(|snapshot| snapshot.approved_at.is_some()));
            keep(&mut watched.overdue_since, now >= deadline, now);
            keep(&mut watched.permits_since, permits && now < deadline - seconds(MARGIN + 2), now);
            now += seconds(1);
        }
        watched
    }
}

fn keep(since: &mut Option<DateTime<Utc>>, still: bool, now: DateTime<Utc>) {
    if !still {
        *since = None;
    } else if since.is_none() {
        *since = Some(now);
    }
}

/// When a gate must be decided, as its changes stood at a moment.
fn deadline(gate: &Gate, of: &[&Record], timeout: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let first = gate.asked + TimeDelta::from_std(timeout).unwrap_or_default();
    let by_change = of.iter().filter_map(|record| {
        let snapshot = record.at(now)?;
        let approved = snapshot.approved_at.filter(|at| *at <= first - seconds(MARGIN))?;
        Some(snapshot.window.1.unwrap_or(approved + seconds(OPEN_WINDOW)))
    });
    by_change.max().unwrap_or(first)
}
