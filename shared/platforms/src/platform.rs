//! The trait that every platform implements.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use interlock_events::{Deployment, Event, GateHandle};
use interlock_rules::{Permit, RunReading, Sibling};
use interlock_runtime::webhook::{Verified, WebhookSource};
use tokio::time::Instant;

use crate::{Artifact, LookBack, Place, PlatformError};

/// A CI/CD platform with gates.
///
/// No method repeats a write by itself unless the first one certainly did nothing: whoever calls
/// reads the run before and after every answer.
#[async_trait]
pub trait Platform: WebhookSource {
    /// How long the platform itself holds a gate before it fails the job.
    fn gate_limit(&self) -> Duration;

    /// How the run and its gate stand now. A run that the platform does not know is a reading of the
    /// phase `Gone`, no error.
    ///
    /// # Errors
    /// [`PlatformError`]; nothing is known then.
    async fn read(&self, gate: &GateHandle, deployment: &Deployment) -> Result<RunReading, PlatformError>;

    /// A cheap look: a short text that differs once the run has moved since a reading with that
    /// [`RunReading::mark`]. `None` where the platform has none, or does not know the run: read it whole.
    ///
    /// # Errors
    /// [`PlatformError`]; nothing is known then.
    async fn mark(&self, _gate: &GateHandle) -> Result<Option<String>, PlatformError> {
        Ok(None)
    }

    /// All that share this gate, so that one answer lets all of them go on, this one among them and in the
    /// order of their ids; nobody where the gate is the deployment's alone.
    ///
    /// # Errors
    /// [`PlatformError`]; nothing is known then.
    async fn siblings(
        &self,
        _gate: &GateHandle,
        _deployment: &Deployment,
    ) -> Result<Vec<Sibling>, PlatformError> {
        Ok(Vec::new())
    }

    /// Lets the waiting pipeline go on; sent before `deadline` and with a permit that is still fresh.
    ///
    /// # Errors
    /// [`PlatformError`]; after `Unknown` or `Settled` read before anything else.
    async fn release(
        &self,
        gate: &GateHandle,
        permit: Permit,
        comment: &str,
        deadline: Instant,
    ) -> Result<(), PlatformError>;

    /// Makes the waiting pipeline fail, with the reason for people.
    ///
    /// # Errors
    /// [`PlatformError`]; after `Unknown` or `Settled` read before anything else.
    async fn reject(&self, gate: &GateHandle, reason: &str, deadline: Instant) -> Result<(), PlatformError>;

    /// Cancels the run that the gate is of.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn cancel(&self, gate: &GateHandle, deadline: Instant) -> Result<(), PlatformError>;

    /// Shows people why the gate still waits. Decides nothing; bounded in number and length by the platform.
    ///
    /// # Errors
    /// [`PlatformError`]; a report that fails may be left out.
    async fn report(&self, gate: &GateHandle, text: &str, deadline: Instant) -> Result<(), PlatformError>;

    /// What the run of a gate, or of a deployment that nothing holds, has uploaded so far; nothing where the platform
    /// keeps no such files.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn artifacts(&self, _place: &GateHandle) -> Result<Vec<Artifact>, PlatformError> {
        Ok(Vec::new())
    }

    /// The content of one of them, a ZIP archive; bounded.
    ///
    /// # Errors
    /// [`PlatformError`]; `Gone` where the platform has it no more, `Refused` where it is too large or elsewhere than
    /// the connection permits.
    async fn artifact(&self, _place: &GateHandle, _id: &str) -> Result<Bytes, PlatformError> {
        Err(PlatformError::Gone)
    }

    /// Webhooks since `since` that the platform sent and we did not take, as far back as a few calls go. A platform
    /// that keeps no such list has none.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn undelivered(&self, _since: DateTime<Utc>) -> Result<LookBack, PlatformError> {
        Ok(LookBack { undelivered: Vec::new(), whole: true })
    }

    /// One of them, as the platform's own API shows it; `None` where it shows no payload.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn read_back(&self, _delivery: &str) -> Result<Option<Verified>, PlatformError> {
        Ok(None)
    }

    /// Asks the platform to send one of them again.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn send_again(&self, _delivery: &str) -> Result<(), PlatformError> {
        Ok(())
    }

    /// Where a known gate waits.
    fn place_of(&self, _gate: &GateHandle) -> Option<Place> {
        None
    }

    /// One page of the places where gates may wait, counted from 0; `None` behind the last.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn places(&self, _page: u32) -> Result<Option<Vec<Place>>, PlatformError> {
        Ok(None)
    }

    /// Requests of the gates that wait at a place now, as their webhooks would have told them. `calls` is how many
    /// may be made, and is counted down.
    ///
    /// # Errors
    /// [`PlatformError`].
    async fn waiting(&self, _place: &Place, _calls: &mut u32) -> Result<Vec<Event>, PlatformError> {
        Ok(Vec::new())
    }
}
