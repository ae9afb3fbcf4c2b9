//! The judge: reads the journals of the simulated systems, and what the script asked for, and says which
//! promise was broken. It knows nothing of what the workers believe.
#![doc = include_str!("../README.md")]

mod ends;
mod gates;
mod records;
mod release;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_simulators::journal::JournalEntry;
use interlock_simulators::request_log::LoggedRequest;

pub use self::gates::Gate;
pub use self::records::Record;

/// What was agreed: a judge has no terms of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The policy's approval time-out.
    pub timeout: Duration,
    /// How long a call is on its way at most.
    pub on_its_way: Duration,
}

/// Everything that the judge reads.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What was agreed.
    pub terms: Terms,
    /// GitHub's journal.
    pub github: Vec<JournalEntry>,
    /// GitHub's request log.
    pub github_requests: Vec<LoggedRequest>,
    /// ServiceNow's journal.
    pub service_now: Vec<JournalEntry>,
    /// What the correlation id of each deployment's changes starts with, by GitHub's deployment id.
    pub prefixes: BTreeMap<u64, String>,
    /// When each gate's request was accepted by us.
    pub accepted: BTreeMap<u64, DateTime<Utc>>,
    /// Webhooks sent to us, and those answered with 2xx.
    pub webhooks: (u64, u64),
    /// Subjects of dead letters.
    pub dead: BTreeSet<String>,
    /// When it all ended.
    pub end: DateTime<Utc>,
    /// From when on gates must be decided in time: RabbitMQ and the platform answer, and processes live.
    pub undisturbed: DateTime<Utc>,
    /// From when on nothing at all fails.
    pub quiet: DateTime<Utc>,
    /// From when on a record that permits can be read.
    pub readable: DateTime<Utc>,
    /// A second change of one deployment may come to be: the Store forgot, or a create came very late.
    pub may_double: bool,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// What the judge found, in numbers and in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Webhooks sent to us.
    pub attempted: u64,
    /// Of them answered with 2xx.
    pub accepted: u64,
    /// Gates that were asked, told to us, and decided.
    pub done: u64,
    /// Gates whose request never reached us: nothing can be said of them.
    pub untold: u64,
    /// Gates that were told to us and on which nothing was ever done.
    pub lost: u64,
    /// Changes beyond the first of a deployment.
    pub duplicated: u64,
    /// Of them found and canceled.
    pub recovered: u64,
    /// Releases that the record did not permit.
    pub wrong_releases: u64,
    /// Releases that were meant for the attempt before, and were undone.
    pub residual: u64,
    /// Gates with two decisions, or answered unread.
    pub opposite: u64,
    /// Gates decided too late, or never.
    pub hanging: u64,
    /// Changes that did not end as their deployment did.
    pub open: u64,
    /// Deployments with more than one change that counts.
    pub extra: u64,
    /// Changes that people hold up, or that stand in the dead letters.
    pub blocked: u64,
    /// Releases by us.
    pub released: u64,
    /// Rejections by us.
    pub rejected: u64,
    /// In words.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Adds another report's numbers.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.attempted, other.attempted),
            (&mut self.accepted, other.accepted),
            (&mut self.done, other.done),
            (&mut self.untold, other.untold),
            (&mut self.lost, other.lost),
            (&mut self.duplicated, other.duplicated),
            (&mut self.recovered, other.recovered),
            (&mut self.wrong_releases, other.wrong_releases),
            (&mut self.residual, other.residual),
            (&mut self.opposite, other.opposite),
            (&mut self.hanging, other.hanging),
            (&mut self.open, other.open),
            (&mut self.extra, other.extra),
            (&mut self.blocked, other.blocked),
            (&mut self.released, other.released),
            (&mut self.rejected, other.rejected),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
        self.findings.extend(other.findings.iter().cloned());
    }

    /// Whether a promise was broken.
    #[must_use]
    pub fn breaks(&self, promise: &str) -> bool {
        self.findings.iter().any(|finding| finding.promise == promise)
    }

    fn find(&mut self, promise: &'static str, what: String) {
        self.findings.push(Finding { promise, what });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempted, accepted, done, untold, lost, duplicated, recovered, .. } = self;
        let Self {
            wrong_releases,
            residual,
            opposite,
            hanging,
            open,
            extra,
            blocked,
            released,
            rejected,
            ..
        } = self;
        writeln!(
            f,
            "webhooks: attempted {attempted}, accepted {accepted}; gates: done {done} (released {released}, rejected \
             {rejected}), untold {untold}, lost {lost}, hanging {hanging}, wrong releases {wrong_releases}, residual {residual}, opposite \
             decisions {opposite}; changes: duplicated {duplicated}, recovered {recovered}, extra live {extra}, open \
             {open}, blocked by people or dead {blocked}"
        )?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}

/// Judges one run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Report {
    let (attempted, accepted) = evidence.webhooks;
    let mut report = Report { attempted, accepted, ..Report::default() };
    let records = records::read(&evidence.service_now);
    let gates = gates::read(&evidence.github);
    for gate in &gates {
        let all: Vec<&Gate> = gates.iter().filter(|other| gate.shares_with(other)).collect();
        let prefixes: Vec<&String> =
            all.iter().filter_map(|one| evidence.prefixes.get(&one.deployment)).collect();
        let is_of =
            |record: &&Record| prefixes.iter().any(|prefix| record.correlation_id.starts_with(*prefix));
        let of: Vec<&Record> = records.iter().filter(is_of).collect();
        release::releases(gate, &of, evidence, &mut report);
        release::answers(gate, evidence, &mut report);
        release::in_time(gate, &of, evidence, &mut report);
        if all[0].deployment == gate.deployment {
            ends::ends(&gates::together(&all), &of, evidence, &mut report);
        }
    }
    report
}

/// Seconds as a difference of times.
fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}
