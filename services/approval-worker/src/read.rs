//! What a look reads: the record and the run.

use std::time::Duration;

use interlock_platforms::{Platform, PlatformError};
use interlock_rules::{Reading, RunPhase, RunReading};
use interlock_servicenow::{Class, Lane, ServiceNow};

use crate::Desk;
use crate::gate::{Gate, GateState};

/// Longest that a look waits for ServiceNow.
const RECORD_READ_MAX: Duration = Duration::from_secs(15);
/// The same when the deadline has come: rejecting does not wait for ServiceNow.
const RECORD_READ_AT_DEADLINE_MAX: Duration = Duration::from_secs(4);
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

    fn until_cured(reason: String) -> Self {
        Self { reason, until_cured: true }
    }
}

impl Desk {
    pub(crate) async fn read_record(&self, gate: Gate<'_>, state: &GateState) -> Result<Reading, Unread> {
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let asked = self.context.clock.now();
        let limit = if asked >= state.deadline { RECORD_READ_AT_DEADLINE_MAX } else { RECORD_READ_MAX };
        // It learns from what was not answered in time, so the end is the client's own.
        let service_now = service_now.before(self.context.clock.instant() + limit);
        let key = gate.key();
        let reading = service_now.changes_of(&key, Lane::Gate);
        match tokio::time::timeout(limit + CLIENT_ENDS_WITHIN, reading).await {
            // What a slow answer shows may be as old as its question: its age counts from there.
            Ok(Ok(reading)) => Ok(Reading { at: asked, ..reading }),
            // Credentials concern every gate: that is told once for the instance, by the poll.
            Ok(Err(fault)) if fault.class() == Class::Permanent && !fault.is_not_authenticated() => {
                Err(Unread::until_cured(fault.to_string()))
            }
            Ok(Err(fault)) => Err(Unread::for_now(fault.to_string())),
            Err(_) => Err(Unread::for_now(format!("ServiceNow did not answer within {} s", limit.as_secs()))),
        }
    }

    fn instance(&self, state: &GateState) -> Result<&ServiceNow, String> {
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
        let slow = || {
            PlatformError::Transient(format!(
                "{} did not answer within {} s",
                gate.handle.connection,
                RUN_READ_MAX.as_secs()
            ))
        };
        let run = read.map_err(|_| slow())??;
        state.run_read = Some(self.context.clock.now());
        if state.attempt.is_none() && !run.superseded && run.phase == RunPhase::Waiting {
            state.attempt = run.attempt;
        }
        Ok(run)
    }
}
