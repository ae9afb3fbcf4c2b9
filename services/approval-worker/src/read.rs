//! What a look reads: the record, the run, and who shares the gate.

use std::time::Duration;

use chrono::{DateTime, Utc};
use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{Glances, RELEASE_MARGIN, Reading, RunPhase, RunReading, has_not_moved};
use interlock_servicenow::{Class, Lane, ServiceNow, ServiceNowError};

use crate::Desk;
use crate::gate::{Gate, GateState};

/// Longest that a look waits for ServiceNow.
pub(crate) const RECORD_READ_MAX: Duration = Duration::from_secs(15);
/// The same when the deadline has come: rejecting does not wait for ServiceNow.
const RECORD_READ_AT_DEADLINE_MAX: Duration = Duration::from_secs(4);
/// So near to the last moment of a release a reading waits for its permit as long as it can.
const LAST_CHANCE: Duration = Duration::from_secs(60);
/// What a client that has come to its deadline may still need.
const CLIENT_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// Longest that a look waits for the platform.
const RUN_READ_MAX: Duration = Duration::from_secs(15);

/// A record that could not be read.
pub(crate) struct Unread {
    pub reason: String,
    /// It will not be readable before somebody acts: credentials, rights, configuration.
    pub until_cured: bool,
}

impl Unread {
    fn for_now(reason: String) -> Self {
        Self { reason, until_cured: false }
    }

    pub(crate) fn until_cured(reason: String) -> Self {
        Self { reason, until_cured: true }
    }
}

/// What is left for a reading in the last minute in which a release can still be sent.
fn last_chance(now: DateTime<Utc>, deadline: DateTime<Utc>) -> Option<Duration> {
    let left = (deadline - RELEASE_MARGIN - now).to_std().ok()?;
    (left <= LAST_CHANCE && left > CLIENT_ENDS_WITHIN).then_some(left)
}

impl Desk {
    pub(crate) async fn read_record(&self, gate: Gate<'_>, state: &GateState) -> Result<Reading, Unread> {
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let now = self.context.clock.now();
        let limit = if now >= state.deadline { RECORD_READ_AT_DEADLINE_MAX } else { RECORD_READ_MAX };
        let shared = gate.shared(state);
        let keys = shared.hashes();
        // It learns from what was not answered in time, so the end is the client's own.
        let service_now = match last_chance(now, state.deadline) {
            Some(left) => service_now.patiently().before(self.context.clock.instant() + left.min(limit)),
            None => service_now.before(self.context.clock.instant() + limit),
        };
        let reading = service_now.changes_of_any(&keys, Lane::Gate);
        match tokio::time::timeout(limit + CLIENT_ENDS_WITHIN, reading).await {
            Ok(Ok(reading)) => Ok(Reading { rows: shared.counting(reading.rows), ..reading }),
            Ok(Err(fault)) => Err(unread(fault)),
            Err(_) => Err(Unread::for_now(format!("ServiceNow did not answer within {} s", limit.as_secs()))),
        }
    }

    /// Asks once which template the policy promises, if it promises one.
    pub(crate) async fn learn_template(&self, state: &mut GateState) -> Result<(), Unread> {
        let Some(name) = state.terms.change.template.clone().filter(|_| state.template.is_none()) else {
            return Ok(());
        };
        if self.context.clock.now() >= state.deadline {
            return Ok(());
        }
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let service_now = service_now.before(self.context.clock.instant() + RECORD_READ_MAX);
        state.template = Some(service_now.template_id(&name).await.map_err(unread)?);
        Ok(())
    }

    pub(crate) fn instance(&self, state: &GateState) -> Result<&ServiceNow, String> {
        let name = &state.terms.service_now;
        let found = self.service_now.get(name);
        found
            .map(|service_now| &**service_now)
            .ok_or_else(|| format!("the connection `{name}` is gone from the configuration"))
    }

    /// Reads the run, and binds the gate to its attempt while it certainly is the one that asked.
    pub(crate) async fn read_run(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
    ) -> Result<RunReading, PlatformError> {
        let read =
            tokio::time::timeout(RUN_READ_MAX, platform.read(gate.handle, &gate.request.deployment)).await;
        let run = read.map_err(|_| slow(gate))??;
        state.run_read = Some(self.context.clock.now());
        state.run_read_whole = state.run_read;
        state.run_mark.clone_from(&run.mark);
        state.note_people(&run.people);
        if state.attempt.is_none() && !run.superseded && run.phase == RunPhase::Waiting {
            state.attempt = run.attempt;
        }
        Ok(run)
    }

    /// A cheap look at a run that was read before: says whether that is enough for now.
    pub(crate) async fn glance(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
    ) -> bool {
        if state.run_mark.is_none() || state.unexplained_since.is_some() {
            return false;
        }
        let Ok(Ok(mark)) = tokio::time::timeout(RUN_READ_MAX, platform.mark(gate.handle)).await else {
            return false;
        };
        let now = self.context.clock.now();
        let (then, read) = (state.run_mark.as_deref(), state.run_read_whole);
        let is_enough = has_not_moved(Glances { then, now: mark.as_deref(), read }, now);
        if is_enough {
            state.run_read = Some(now);
        }
        is_enough
    }

    /// Reads who shares the gate; says whether that differs from what was known.
    pub(crate) async fn read_siblings(
        &self,
        gate: Gate<'_>,
        state: &mut GateState,
        platform: &dyn Platform,
    ) -> Result<bool, PlatformError> {
        let reading = platform.siblings(gate.handle, &gate.request.deployment);
        let read = tokio::time::timeout(RUN_READ_MAX, reading).await;
        let siblings = read.unwrap_or_else(|_| Err(slow(gate)))?;
        Ok(state.note_siblings(siblings))
    }
}

/// Credentials concern every gate: that is told once for the instance, by the poll.
pub(crate) fn unread(fault: ServiceNowError) -> Unread {
    match fault.class() {
        Class::Permanent if !fault.is_not_authenticated() => Unread::until_cured(fault.to_string()),
        _ => Unread::for_now(fault.to_string()),
    }
}

fn slow(gate: Gate<'_>) -> PlatformError {
    let (name, seconds) = (&gate.handle.connection, RUN_READ_MAX.as_secs());
    PlatformError::Transient(format!("{name} did not answer within {seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_reading_is_patient_in_the_last_minute_in_which_a_release_can_be_sent_and_never_beyond() {
        let deadline: DateTime<Utc> = "2026-03-01T09:00:00Z".parse().unwrap();
        let left = |before| last_chance(deadline - TimeDelta::seconds(before), deadline);
        assert_eq!(left(71), None, "it is looked at again in time");
        assert_eq!(left(70), Some(Duration::from_secs(60)));
        assert_eq!(left(14), Some(Duration::from_secs(4)));
        assert_eq!(left(11), None, "no time for an answer");
        assert_eq!((left(5), left(0), left(-30)), (None, None, None), "rejecting waits for nobody");
    }
}
