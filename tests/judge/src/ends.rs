//! I2 and I6: one change of a deployment counts, and it ended as the deployment did.

use chrono::{DateTime, Utc};

use super::{Evidence, Gate, Record, Report, seconds};

/// Between our last read of a change and a write to it people may act.
const CROSSED_WITHIN: i64 = 10;

/// Judges the changes of one deployment.
pub(super) fn ends(gate: &Gate, of: &[&Record], evidence: &Evidence, report: &mut Report) {
    doubles(gate, of, evidence, report);
    let counting: Vec<&Record> = of.iter().copied().filter(|record| record.state() != "4").collect();
    for record in counting.iter().filter(|record| record.state() != "3") {
        if record.is_held_by_people() || is_dead(record, evidence) {
            report.blocked += 1;
        } else {
            report.open += 1;
            let (number, state) = (&record.number, record.state());
            report.find("I6", format!("{number} of deployment {} is open in state {state}", gate.deployment));
        }
    }
    if let Some(what) = ended_otherwise(gate, of, &counting) {
        report.open += 1;
        report.find("I6", what);
    }
}

fn doubles(gate: &Gate, of: &[&Record], evidence: &Evidence, report: &mut Report) {
    let beyond = of.iter().filter(|record| of.iter().any(|first| record.doubles(first))).count();
    report.duplicated += beyond as u64;
    if beyond > 0 && !evidence.may_double {
        let numbers: Vec<&str> = of.iter().map(|record| record.number.as_str()).collect();
        let what = format!("deployment {} has {numbers:?} although the Store remembered", gate.deployment);
        report.find("I2", what);
    }
    let canceled = of.iter().filter(|record| record.state() == "4").count();
    report.recovered += canceled.min(beyond) as u64;
    let counting = || of.iter().filter(|record| record.state() != "4");
    // One that people approved is told and never canceled by us.
    if counting().count() > 1 && counting().any(|record| !record.was_approved()) {
        report.extra += 1;
        let what = format!("deployment {} has {} changes that count", gate.deployment, counting().count());
        report.find("I2", what);
    }
}

fn closed_at(record: &Record) -> Option<DateTime<Utc>> {
    let closed = record.history.iter().find(|(_, snapshot)| matches!(snapshot.state.as_str(), "3" | "4"));
    closed.map(|(at, _)| *at)
}

fn is_dead(record: &Record, evidence: &Evidence) -> bool {
    evidence
        .dead
        .iter()
        .any(|subject| !subject.is_empty() && record.correlation_id.contains(subject.as_str()))
}

fn ended_otherwise(gate: &Gate, of: &[&Record], counting: &[&Record]) -> Option<String> {
    let (deployment, end) = (gate.deployment, gate.end.as_ref()?);
    let closed = counting.iter().find(|record| record.state() == "3");
    match (gate.started.is_some(), closed) {
        (true, Some(record)) => {
            let code = if end == "success" { "successful" } else { "unsuccessful" };
            let (number, closed) = (&record.number, record.close_code());
            (closed != code).then(|| format!("{number} was closed {closed}, its deployment ended in {end}"))
        }
        // Without an approval that stands it cannot be closed, and is canceled with a note.
        (true, None) if counting.is_empty() && of.iter().any(|record| stood_approved(record)) => {
            Some(format!("deployment {deployment} ran ({end}), and its approved change was canceled"))
        }
        (false, Some(record)) if gate.released_at().is_none() => {
            Some(format!("{} was closed, but deployment {deployment} never ran", record.number))
        }
        _ => None,
    }
}

/// It stood approved all the while before it was canceled: what was taken back and given again within that
/// time we may have read in between.
fn stood_approved(record: &Record) -> bool {
    let Some(canceled) = closed_at(record) else { return false };
    let (from, upto) = (canceled - seconds(CROSSED_WITHIN), canceled - chrono::TimeDelta::milliseconds(1));
    let in_between = record.history.iter().filter(|(at, _)| *at > from && *at <= upto);
    let mut stood = record.at(from).into_iter().chain(in_between.map(|(_, snapshot)| snapshot));
    record.at(from).is_some() && stood.all(|snapshot| matches!(snapshot.state.as_str(), "-2" | "-1"))
}
